/**
 * Values at the edges of what a field of config.json can hold, each with what the container sees of it. The values are those of runc
 * and crun, whom this table is run on too.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import type { Config } from "./harness/config.js";

interface Value {
  /** What is set, in words. */
  name: string;
  config: (config: Config) => unknown;
  /** Run by the container's shell. */
  command: string;
  /** What it prints, trimmed; runs of white space are one space. */
  sees: string;
}

const mostUnsigned = 18446744073709551615n;

/** Two entries for one uid, one without a home, one that ends too early, one that is no number. */
const passwd = [
  "root:x:0:0:root:/root:/bin/sh",
  "worker:x:1000:1000::/home/worker:/bin/sh",
  "twin:x:1000:7::/second:/bin/sh",
  "bad:x:zz:1::/bad:/bin/sh",
  "",
  "# a comment",
  "late:x:1002:1::relative:/bin/sh",
  "huge:x:99999999999:1::/huge:/bin/sh",
  "",
].join("\n");

const rlimit = (name: string, soft: number | bigint, hard: number | bigint) => (config: Config) =>
  (config.process.rlimits = [{ type: name, soft, hard }]);
const user =
  (uid: number, more: Partial<Config["process"]["user"]> = {}) =>
  (config: Config) =>
    (config.process.user = { uid, gid: 0, ...more });
const env =
  (...entries: string[]) =>
  (config: Config) =>
    (config.process.env = ["PATH=/bin", ...entries]);

const values: Value[] = [
  {
    name: "a limit of 2^64-1 is infinity",
    config: rlimit("RLIMIT_CORE", mostUnsigned, mostUnsigned),
    command: "grep core /proc/self/limits",
    sees: "Max core file size unlimited unlimited bytes",
  },
  {
    name: "a limit of 2^64-2 is a number",
    config: rlimit("RLIMIT_CORE", 0, mostUnsigned - 1n),
    command: "grep core /proc/self/limits",
    sees: "Max core file size 0 18446744073709551614 bytes",
  },
  {
    name: "a limit of 2^63-1 is a number",
    config: rlimit("RLIMIT_CORE", 1, 9223372036854775807n),
    command: "grep core /proc/self/limits",
    sees: "Max core file size 1 9223372036854775807 bytes",
  },
  { name: "umask 0777", config: user(0, { umask: 0o777 }), command: "umask", sees: "0777" },
  { name: "umask 0", config: user(0, { umask: 0 }), command: "umask", sees: "0000" },
  { name: "a umask of one digit", config: user(0, { umask: 7 }), command: "umask", sees: "0007" },
  {
    name: "groups that repeat themselves and the gid",
    config: user(0, { additionalGids: [10, 5, 10, 0] }),
    command: "grep Groups /proc/self/status",
    sees: "Groups: 0 5 10",
  },
  {
    name: "the largest uid and gid that every system call takes for one",
    config: user(2147483647, { gid: 2147483647 }),
    command: "id -u; id -g",
    sees: "2147483647 2147483647",
  },
  {
    name: "a variable that is set three times",
    config: env("A=1", "B=2", "A=", "A=3=4"),
    command: "busybox tr '\\0' ' ' </proc/$$/environ; true",
    sees: "PATH=/bin A=3=4 B=2 HOME=/root",
  },
  { name: "PATH that is set twice", config: env("PATH=/bin:/usr/bin"), command: "echo $PATH", sees: "/bin:/usr/bin" },
  { name: "HOME of the first of two users with one uid", config: user(1000), command: "echo $HOME", sees: "/home/worker" },
  { name: "HOME that is relative", config: user(1002), command: "echo $HOME", sees: "relative" },
  { name: "HOME that is empty", config: env("HOME="), command: "echo $HOME", sees: "/root" },
  { name: "HOME that is given and then empty", config: env("HOME=/given", "HOME="), command: "echo $HOME", sees: "/root" },
  { name: "HOME that is given", config: env("HOME=/given"), command: "echo $HOME", sees: "/given" },
  { name: "a hostname of 64 bytes", config: (config) => (config.hostname = "h".repeat(64)), command: "hostname", sees: "h".repeat(64) },
  {
    name: "a hostname of 32 letters of two bytes",
    config: (config) => (config.hostname = "ä".repeat(32)),
    command: "cat /proc/sys/kernel/hostname",
    sees: "ä".repeat(32),
  },
  {
    name: "device numbers beyond 255",
    config: (config) =>
      (config.linux.devices = [
        { type: "c", path: "/dev/big", major: 300, minor: 70000, fileMode: 0o600 },
        { type: "b", path: "/dev/max", major: 4095, minor: 1048575, fileMode: 0o600 },
        { type: "c", path: "/dev/edge", major: 255, minor: 256, fileMode: 0o600 },
      ]),
    command: "stat -c %t:%T /dev/big /dev/max /dev/edge",
    sees: "12c:11170 fff:fffff ff:100",
  },
  {
    name: "a kernel parameter with two numbers",
    config: (config) => (config.linux.sysctl = { "net.ipv4.ip_local_port_range": "1024 65000" }),
    command: "cat /proc/sys/net/ipv4/ip_local_port_range",
    sees: "1024 65000",
  },
  {
    name: "a kernel parameter in slashes",
    config: (config) => (config.linux.sysctl = { "net/ipv4/conf/lo/forwarding": "1" }),
    command: "cat /proc/sys/net/ipv4/conf/lo/forwarding",
    sees: "1",
  },
  {
    name: "a capability that only a newer kernel may have",
    config: (config) => {
      const names = ["CAP_KILL", "CAP_OF_THE_FUTURE"];
      config.process.capabilities = { bounding: names, permitted: names, effective: names };
    },
    command: "grep CapBnd /proc/self/status",
    sees: "CapBnd: 0000000000000020",
  },
  { name: "a cwd with .. at the root", config: (config) => (config.process.cwd = "/../../tmp//."), command: "pwd", sees: "/tmp" },
];

for (const { name, config, command, sees } of values) {
  test(name, async (c) => {
    const bundle = c.bundle({ args: ["sh", "-c", command], config });
    writeFileSync(`${bundle.rootfs}/etc/passwd`, passwd);
    const result = await c.run(bundle);
    assert.equal(result.status, 0, describe(result));
    assert.equal(result.stdout.trim().replaceAll(/\s+/g, " "), sees);
  });
}

test("a sysctl of an interface with a dot in its name is found by dots too, with a slash for that dot", async (c) => {
  const file = c.file("netns", "");
  c.defer(() => spawnSync("umount", [file]));
  assert.equal(spawnSync("unshare", [`--net=${file}`, "ip", "link", "set", "lo", "name", "eth0.100"]).status, 0);
  const seen = await c.shell("cat /proc/sys/net/ipv4/conf/eth0.100/rp_filter", (config) => {
    setNamespace(config, "network", file);
    config.linux.sysctl = { "net.ipv4.conf.eth0/100.rp_filter": "2" };
  });
  assert.equal(seen, "2");
});
