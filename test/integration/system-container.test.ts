/**
 * A container that is a whole system: Debian with systemd as its first process (systemd.io/CONTAINER_INTERFACE).
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "./harness/suite.js";
import { describe, until } from "./harness/execute.js";
import { debian } from "./harness/debian.js";
import { setNamespace } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Config } from "./harness/config.js";
import type { Result } from "./harness/execute.js";

/** What managers give a container that they do not think privileged. */
const capabilities = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
].map((name) => `CAP_${name}`);

function asSystem(config: Config): void {
  config.process.args = ["/sbin/init"];
  config.process.env.push("container=oci");
  config.process.capabilities = { bounding: capabilities, effective: capabilities, permitted: capabilities };
  config.process.noNewPrivileges = false;
  setNamespace(config, "cgroup");
  const cgroup = config.mounts.find(({ destination }) => destination === "/sys/fs/cgroup");
  assert.ok(cgroup);
  cgroup.options = ["nosuid", "noexec", "nodev", "relatime", "rw"];
  for (const destination of ["/run", "/run/lock", "/tmp"]) {
    config.mounts.push({
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", destination === "/run" ? "mode=755" : "mode=1777"],
    });
  }
}

/** Runs a program in all namespaces of a container. */
async function within(c: Context, pid: number, ...command: string[]): Promise<Result> {
  return (await c.spawn("/usr/bin/nsenter", ["--all", `--target=${pid}`, "--root", ...command])).wait();
}

/** Boots a system and returns the pid of its init. */
async function boot(c: Context, bundle: Bundle, flags: readonly string[] = []): Promise<number> {
  c.deleteLater();
  await c.ok([...flags, "create", "-b", bundle.directory, c.id]);
  await c.ok([...flags, "start", c.id]);
  const { pid } = await c.state();
  const state = await until(
    "the system has booted",
    async () => {
      const { stdout } = await within(c, pid, "systemctl", "is-system-running");
      return /^(running|degraded|maintenance)$/.test(stdout.trim()) && stdout.trim();
    },
    30,
  );
  const failed = await within(c, pid, "systemctl", "--failed", "--no-pager");
  assert.equal(state, "running", failed.stdout);
  return pid;
}

async function lives(c: Context, pid: number): Promise<void> {
  const status = await within(c, pid, "systemctl", "status", "--no-pager");
  assert.equal(status.status, 0, describe(status));
  assert.match(status.stdout, /State: running/);
  assert.match(status.stdout, /dbus.service/);
  const service = await within(c, pid, "systemd-run", "--wait", "--pipe", "--quiet", "echo", "from a service");
  assert.equal(service.stdout, "from a service\n", describe(service));
}

test("Debian with systemd as its init boots, runs services and stops with SIGRTMIN+3", async (c) => {
  const pid = await boot(c, debian(c, { config: asSystem }));
  await lives(c, pid);
  await c.ok(["kill", c.id, "37"]); // SIGRTMIN+3, by number: runc does not know its name
  await c.status("stopped");
  await c.ok(["delete", c.id]);
});

if (existsSync("/run/systemd/system")) {
  test("the same as a unit of the host's systemd", async (c) => {
    const pid = await boot(c, debian(c, { config: asSystem }), ["--systemd-cgroup"]);
    await lives(c, pid);
    await c.ok(["kill", c.id, "37"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
  });
}
