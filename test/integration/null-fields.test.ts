/** `null` in config.json: programs in Go and Python write it for a field that is not set. */
import assert from "node:assert/strict";
import { test } from "./harness/suite.js";
import { describe } from "./harness/execute.js";
import type { Config } from "./harness/config.js";

/** Sets members that the types of the tests forbid. */
function setNull(object: object | undefined, ...names: string[]): void {
  assert.ok(object);
  for (const name of names) Object.assign(object, { [name]: null });
}

function withNullEverywhere(config: Config): void {
  setNull(config, "hooks", "annotations", "domainname", "solaris", "windows", "vm");
  setNull(config.root, "readonly");
  setNull(config.process, "apparmorProfile", "consoleSize", "noNewPrivileges", "oomScoreAdj", "rlimits", "scheduler", "ioPriority");
  setNull(config.process.user, "umask", "additionalGids", "username");
  for (const mount of config.mounts) if (!mount.options) setNull(mount, "options", "uidMappings", "gidMappings");
  setNull(config.linux, "seccomp", "sysctl", "intelRdt", "uidMappings", "devices", "rootfsPropagation", "mountLabel");
  for (const namespace of config.linux.namespaces) setNull(namespace, "path");
  setNull(config.linux.resources, "memory", "cpu", "pids", "network", "blockIO", "hugepageLimits", "unified");
  for (const rule of config.linux.resources.devices ?? []) setNull(rule, "major", "minor");
}

test("a container whose configuration has null for what is not set runs", async (c) => {
  const result = await c.run(c.bundle({ args: ["sh", "-c", "umask; echo ran"], config: withNullEverywhere }));
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout, "0022\nran\n");
  assert.equal(result.stderr, "");
});

test("null within a hook and within limits is what is not set", async (c) => {
  const config = (config: Config): void => {
    const hook = { path: "/bin/sh", args: ["sh", "-c", `cat >${c.directory}/hook-state`] };
    setNull(hook, "env", "timeout");
    config.hooks = { createRuntime: [hook] };
    setNull(config.hooks, "prestart", "poststop");
    config.linux.resources.memory = { limit: 64 << 20 };
    setNull(config.linux.resources.memory, "swap", "reservation", "swappiness", "disableOOMKiller");
  };
  const result = await c.run(c.bundle({ args: ["true"], config }));
  assert.equal(result.status, 0, describe(result));
  assert.match(await c.fileText(`${c.directory}/hook-state`), /"status"/);
});

test("null within a seccomp profile is what is not set, also when its filter was kept", async (c) => {
  const config = (config: Config): void => {
    const rule = { names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 38 };
    setNull(rule, "args");
    config.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] } as NonNullable<Config["linux"]["seccomp"]>;
    setNull(config.linux.seccomp, "architectures", "flags", "defaultErrnoRet");
    setNull(config, "hooks");
  };
  for (const id of [c.id, c.otherId("again")]) {
    const result = await c.runtime(["run", "-b", c.bundle({ args: ["grep", "^Seccomp:", "/proc/self/status"], config }).directory, id]);
    assert.equal(result.status, 0, describe(result));
    assert.equal(result.stdout, "Seccomp:\t2\n");
  }
});

test("an annotation that is null is refused: its value must be a string", async (c) => {
  const bundle = c.bundle({ config: (config) => setNull((config.annotations = { a: "b" }), "c") });
  await c.fails(["create", "-b", bundle.directory, c.id], /annotations/);
});
