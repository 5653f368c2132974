/**
 * config-linux.md, Network Devices. The runtime runs in a new network namespace that plays the host's.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { createRefused } from "./black-box.js";
import { sentence } from "./sentence.js";
import { until } from "../../test/integration/harness/execute.js";
import { setNamespace } from "../../test/integration/harness/config.js";
import type { Bundle, Context } from "../../test/integration/harness/context.js";

interface Interface {
  ifname?: string;
  flags: string[];
  mtu: number;
  address: string;
  addr_info: { local: string; prefixlen: number; scope: string }[];
}

function ip(pid: number, ...args: string[]): string {
  const result = spawnSync("nsenter", ["-t", String(pid), "-n", "ip", ...args], { encoding: "utf8" });
  assert.equal(result.status, 0, `ip ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

function find(pid: number, name: string): Interface | undefined {
  return (JSON.parse(ip(pid, "-json", "address", "show") || "[]") as Interface[]).find(({ ifname }) => ifname === name);
}

/** Makes a network namespace with a veth pair `va` and `vb`, in which the runtime runs from now on. Returns a process in it. */
async function host(c: Context): Promise<number> {
  const { pid: holder } = await c.companion("unshare", ["--net", "sleep", "1000"]);
  await until("the network namespace is there", () => readlinkSync(`/proc/${holder}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
  ip(holder, "link", "add", "va", "mtu", "1400", "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "vb");
  c.program = c.file("in-network", `#!/bin/sh\nexec nsenter -t ${holder} -n ${c.program} "$@"\n`, 0o755);
  return holder;
}

function withDevices(c: Context, netDevices: Record<string, { name?: string }>, network?: string): Bundle {
  return c.bundle({
    args: ["sleep", "100"],
    config: (config) => {
      config.linux.netDevices = netDevices;
      if (network !== undefined) setNamespace(config, "network", network);
    },
  });
}

const section = "config-linux.md > Network Devices";

sentence({ [section]: [1, 6] }, "a network device is moved into the container, under its own name or another one, and is up", async (c) => {
  const pid = await host(c);
  await c.create(withDevices(c, { va: { name: "renamed" }, vb: {} }));
  const container = (await c.state()).pid;
  for (const name of ["renamed", "vb"]) assert.ok(find(container, name)?.flags.includes("UP"), name);
  assert.equal(find(pid, "va") ?? find(pid, "vb"), undefined);
});

sentence({ [section]: [2] }, "a network device that is not there is refused, and the others stay where they are", async (c) => {
  const pid = await host(c);
  await createRefused(c, withDevices(c, { va: {}, nosuch: {} }));
  assert.ok(find(pid, "va"));
});

sentence({ [section]: [3] }, "a name that the container's namespace has already is refused", async (c) => {
  const pid = await host(c);
  await createRefused(c, withDevices(c, { va: { name: "lo" } }));
  assert.ok(find(pid, "va"));
});

sentence({ [section]: [4] }, "with %d in the name the kernel finds a free one", async (c) => {
  await host(c);
  await c.create(withDevices(c, { va: { name: "net%d" }, vb: { name: "net%d" } }));
  const container = (await c.state()).pid;
  assert.ok(find(container, "net0") && find(container, "net1"));
});

sentence({ [section]: [5] }, "a network device keeps its attributes and its permanent global addresses", async (c) => {
  const pid = await host(c);
  ip(pid, "address", "add", "10.1.2.3/24", "dev", "va");
  ip(pid, "address", "add", "fd00::1/64", "dev", "va");
  ip(pid, "address", "add", "10.9.9.9/32", "dev", "va", "valid_lft", "1000", "preferred_lft", "1000");
  await c.create(withDevices(c, { va: {} }));
  const found = find((await c.state()).pid, "va");
  assert.equal(found?.mtu, 1400);
  assert.equal(found?.address, "02:00:00:00:00:07");
  const addresses = found?.addr_info.filter(({ scope }) => scope === "global").map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  assert.deepEqual(addresses?.toSorted(), ["10.1.2.3/24", "fd00::1/64"]);
});

sentence(
  { "config-linux.md > Namespace Lifecycle and Container Termination": [1, 2] },
  "a network device is the namespace's from then on: what the container does to it stays, and delete does not move it",
  async (c) => {
    await host(c);
    const { pid: other } = await c.companion("unshare", ["--net", "sleep", "1000"]);
    await until("the other namespace is there", () => readlinkSync(`/proc/${other}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
    await c.create(withDevices(c, { va: {} }, `/proc/${other}/ns/net`));
    ip(other, "link", "set", "va", "down");
    await c.ok(["start", c.id]);
    assert.equal(find(other, "va")?.flags.includes("UP"), false);
    await c.ok(["delete", "-f", c.id]);
    assert.ok(find(other, "va"));
  },
);
