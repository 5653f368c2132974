/**
 * Network interfaces that move into a container (runtime-spec, config-linux.md#network-devices). The runtime runs in a network
 * namespace of the test's own, which stands for the host's.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { setNamespace } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

interface Interface {
  ifname: string;
  flags: string[];
  address: string;
  mtu: number;
  addr_info: { family: string; local: string; prefixlen: number; scope: string; label?: string; broadcast?: string }[];
}

class Network {
  constructor(readonly pid: number) {}

  ip(...args: string[]): string {
    const result = spawnSync("nsenter", ["-t", String(this.pid), "-n", "ip", ...args], { encoding: "utf8" });
    assert.equal(result.status, 0, `ip ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  }

  /** The interfaces but the loopback one. */
  interfaces(): Interface[] {
    const all = JSON.parse(this.ip("-json", "address", "show") || "[]") as Interface[];
    return all.filter(({ ifname }) => ifname !== undefined && ifname !== "lo");
  }

  names(): string[] {
    return this.interfaces().map(({ ifname }) => ifname);
  }

  /** The addresses that somebody gave an interface, in the form `10.0.0.1/24`. */
  addresses(name: string): string[] {
    const { addr_info } = this.interfaces().find(({ ifname }) => ifname === name) ?? { addr_info: [] };
    return addr_info.filter(({ scope }) => scope === "global").map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  }
}

/** A new network namespace, in which the runtime is run from now on. */
async function hostNetwork(c: Context): Promise<Network> {
  const { pid } = await c.companion("unshare", ["--net", "sleep", "1000"]);
  await until("the network namespace is there", () => readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
  const wrapper = c.file("in-network", `#!/bin/sh\nexec nsenter -t ${pid} -n ${c.program} "$@"\n`, 0o755);
  c.program = wrapper;
  return new Network(pid);
}

const withDevices =
  (netDevices: Record<string, { name?: string }>) =>
  (config: Config): void => {
    config.linux.netDevices = netDevices;
  };

/** Creates a container with these devices; its network namespace. */
async function created(c: Context, netDevices: Record<string, { name?: string }>): Promise<Network> {
  await c.create(c.bundle({ config: withDevices(netDevices) }));
  return new Network((await c.state()).pid);
}

test("a device moves into the container with its permanent global addresses and is up", async (c) => {
  const host = await hostNetwork(c);
  host.ip("link", "add", "va", "address", "02:00:00:00:00:07", "mtu", "1400", "type", "veth", "peer", "name", "vb");
  host.ip("address", "add", "10.1.2.3/24", "broadcast", "10.1.2.255", "dev", "va");
  host.ip("address", "add", "10.1.2.4/24", "label", "va:1", "dev", "va");
  host.ip("address", "add", "10.9.9.9/32", "dev", "va", "valid_lft", "1000", "preferred_lft", "1000");
  host.ip("address", "add", "10.8.8.8/32", "scope", "link", "dev", "va");
  host.ip("address", "add", "fd00::5/64", "nodad", "dev", "va");
  const inside = await created(c, { va: {} });
  assert.deepEqual(host.names(), ["vb"]);
  const [device] = inside.interfaces();
  assert.equal(device?.ifname, "va");
  assert.deepEqual([device.address, device.mtu], ["02:00:00:00:00:07", 1400]);
  assert.ok(device.flags.includes("UP"), device.flags.join());
  assert.deepEqual(inside.addresses("va"), ["10.1.2.3/24", "10.1.2.4/24", "fd00::5/64"]);
  assert.deepEqual(
    device.addr_info.filter(({ family }) => family === "inet").map(({ label, broadcast }) => [label, broadcast]),
    [
      ["va", "10.1.2.255"],
      ["va:1", undefined],
    ],
  );
});

for (const [kind, args] of [
  ["ifb", ["type", "ifb"]],
  ["macvlan", ["link", "parent", "type", "macvlan"]],
] as const) {
  test(`a device of type ${kind} moves under another name`, async (c) => {
    const host = await hostNetwork(c);
    host.ip("link", "add", "parent", "type", "veth", "peer", "name", "other");
    host.ip("link", "add", "dev0", ...args);
    host.ip("address", "add", "10.1.0.1/16", "dev", "dev0");
    host.ip("link", "set", "dev0", "up");
    const inside = await created(c, { dev0: { name: "container_eth0" } });
    assert.deepEqual(inside.names(), ["container_eth0"]);
    assert.deepEqual(inside.addresses("container_eth0"), ["10.1.0.1/16"]);
    assert.ok(!host.names().includes("dev0"));
  });
}

test("a tap device moves, and the container sees it as its own", async (c) => {
  const host = await hostNetwork(c);
  host.ip("tuntap", "add", "tap0", "mode", "tap");
  const seen = await c.shell("cat /proc/net/dev", withDevices({ tap0: {} }));
  assert.match(seen, /tap0:/);
});

test("a template takes the first free number", async (c) => {
  const host = await hostNetwork(c);
  for (const name of ["a", "b", "eth0"]) host.ip("link", "add", "name", name, "type", "ifb");
  const inside = await created(c, { a: { name: "eth%d" }, eth0: { name: "eth5" }, b: { name: "eth%d" } });
  assert.deepEqual(inside.names().sort(), ["eth0", "eth1", "eth5"]);
});

test("names may be exchanged", async (c) => {
  const host = await hostNetwork(c);
  for (const [name, address] of [
    ["x", "10.0.0.1/24"],
    ["y", "10.0.1.1/24"],
  ] as const) {
    host.ip("link", "add", "name", name, "type", "ifb");
    host.ip("address", "add", address, "dev", name);
  }
  const inside = await created(c, { x: { name: "y" }, y: { name: "x" } });
  assert.deepEqual([inside.addresses("x"), inside.addresses("y")], [["10.0.1.1/24"], ["10.0.0.1/24"]]);
});

test("a device moves into a network namespace that is joined, also one of a user namespace", async (c) => {
  const host = await hostNetwork(c);
  host.ip("link", "add", "name", "a", "type", "ifb");
  host.ip("link", "add", "name", "b", "type", "ifb");
  const target = await c.companion("unshare", ["--net", "sleep", "1000"]);
  const joined = new Network(target.process.pid ?? 0);
  await until("the network namespace is there", () => readlinkSync(`/proc/${joined.pid}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
  await c.create(
    c.bundle({
      config: (config) => {
        setNamespace(config, "network", `/proc/${joined.pid}/ns/net`);
        config.linux.netDevices = { a: {} };
      },
    }),
  );
  assert.deepEqual(joined.names(), ["a"]);
  await c.ok(["delete", "-f", c.id]);
  assert.deepEqual(joined.names(), ["a"], "the runtime does not move it out");
  const id = c.otherId("mapped");
  const bundle = c.bundle({
    config: (config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65536 }];
      config.linux.netDevices = { b: { name: "mine" } };
    },
  });
  await c.create(bundle, [], { id });
  assert.deepEqual(new Network((await c.state(id)).pid).names(), ["mine"]);
});

test("a failed create gives devices back, with name, addresses and state", async (c) => {
  const host = await hostNetwork(c);
  for (const name of ["a", "b", "down"]) host.ip("link", "add", "name", name, "type", "ifb");
  host.ip("address", "add", "10.1.0.1/16", "dev", "a");
  host.ip("address", "add", "fd00::7/64", "nodad", "dev", "a");
  host.ip("link", "set", "dev", "a", "up");
  const state = (): unknown => host.interfaces().map(({ ifname, flags }) => [ifname, flags.includes("UP"), host.addresses(ifname)]);
  const before = state();
  const failing: [Config["linux"]["netDevices"], (config: Config) => void, RegExp][] = [
    [{ a: {}, b: { name: "c" }, down: {} }, (config) => (config.process.args = ["/no/such/program"]), /no such file/],
    [
      { a: { name: "other" }, missing: {} },
      () => undefined,
      isTsrunc ? /move network device "missing" \(\/linux\/netDevices\/missing\): ENODEV/ : /missing/,
    ],
    [{ a: {}, down: {} }, (config) => (config.hooks = { createRuntime: [{ path: "/bin/false" }] }), /hook/],
  ];
  for (const [netDevices, change, message] of failing) {
    const bundle = c.bundle({
      config: (config) => {
        change(config);
        Object.assign(config.linux, { netDevices });
      },
    });
    await c.fails(["create", "-b", bundle.directory, c.id], message);
    assert.deepEqual(state(), before);
  }
});

test("a name that the container's namespace has is refused before anything moves", async (c) => {
  const host = await hostNetwork(c);
  for (const name of ["a", "b"]) host.ip("link", "add", "name", name, "type", "ifb");
  const bundle = c.bundle({ config: withDevices({ a: {}, b: { name: "lo" } }) });
  const result = await c.fails(["create", "-b", bundle.directory, c.id], /lo/);
  assert.deepEqual(host.names(), ["a", "b"]);
  if (isTsrunc)
    assert.equal(
      result.stderr,
      `create "${c.id}": move network device "b" (/linux/netDevices/b): the container's network namespace has a device "lo"\n`,
      describe(result),
    );
});

test("a device that the kernel does not move is named, and nothing moves into the caller's own namespace", async (c) => {
  const host = await hostNetwork(c);
  host.ip("link", "add", "lower", "type", "ifb");
  host.ip("link", "add", "br0", "type", "bridge");
  const create = (change: (config: Config) => void, message: RegExp): Promise<unknown> =>
    c.fails(["create", "-b", c.bundle({ config: change }).directory, c.id], isTsrunc ? message : /./);
  await create(
    withDevices({ lower: {}, br0: {} }),
    /network device "br0" \(\/linux\/netDevices\/br0\): EINVAL .*: the kernel does not move this device/,
  );
  await create((config) => {
    setNamespace(config, "network", `/proc/${host.pid}/ns/net`);
    config.linux.netDevices = { lower: {} };
  }, /move network devices \(\/linux\/netDevices\): the network namespace is the caller's own/);
  assert.deepEqual(host.names().sort(), ["br0", "lower"]);
});
