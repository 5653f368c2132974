/**
 * What a runtime does otherwise than asked, and says so (runtime-spec, runtime.md#warnings; config.md#linux-process, capabilities).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { capabilities } from "./harness/report.js";
import { withoutNamespaces } from "./harness/config.js";
import { mappedBundle } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";

const names = ["CAP_KILL", "CAP_SYS_ADMN"];
const withUnknown = (config: Config): void => {
  config.process.capabilities = { bounding: names, effective: names, permitted: names };
};
const unknownText =
  'config.json: /process/capabilities/bounding/1: "CAP_SYS_ADMN" is left out of bounding, permitted, effective: no such capability, did you mean "CAP_SYS_ADMIN"?';

/** Runs `probe report`, which must succeed. */
async function reported(c: Context, config: (config: Config) => void, flags: string[] = []): Promise<{ report: Report; stderr: string }> {
  const { directory } = c.bundle({ args: ["probe", "report"], config });
  const result = await c.ok([...flags, "run", "-b", directory, c.id]);
  return { report: JSON.parse(result.stdout) as Report, stderr: result.stderr };
}

test("an unknown capability is left out with a warning on stderr that has its name", async (c) => {
  const { report, stderr } = await reported(c, withUnknown);
  assert.deepEqual(capabilities(report.permitted), ["CAP_KILL"]);
  assert.match(stderr, /warning/);
  assert.match(stderr, /CAP_SYS_ADMN/);
  if (isTsrunc) assert.equal(stderr, `warning: ${unknownText}\n`);
});

test("create warns as run does", async (c) => {
  c.deleteLater();
  const { stderr } = await c.ok(["create", "-b", c.bundle({ args: ["true"], config: withUnknown }).directory, c.id]);
  assert.match(stderr, /CAP_SYS_ADMN/);
});

test("with --log a warning goes to the log file alone, as JSON where it is asked for", async (c) => {
  const log = `${c.directory}/log.json`;
  const { stderr } = await reported(c, withUnknown, ["--log", log, "--log-format", "json"]);
  assert.equal(stderr, "");
  const [first = ""] = readFileSync(log, "utf8").split("\n");
  const { level, msg, time } = JSON.parse(first) as Record<string, string>;
  assert.equal(level, "warning");
  assert.match(msg ?? "", /CAP_SYS_ADMN/);
  assert.match(time ?? "", /^\d{4}-\d\d-\d\dT/);
  if (isTsrunc) assert.equal(msg, unknownText);
});

test("a sound config gives no warning", async (c) => {
  const { stderr } = await reported(c, () => undefined);
  assert.equal(stderr, "");
});

test("a capability that the runtime is without is left out with a warning", async (c) => {
  const { directory } = c.bundle({
    args: ["probe", "report"],
    config: (config) => {
      const sets = ["CAP_CHOWN", "CAP_KILL"];
      config.process.capabilities = { bounding: sets, effective: sets, permitted: sets };
    },
  });
  const result = await (await c.startBelow(["/usr/bin/setpriv", "--bounding-set", "-kill"], ["run", "-b", directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout) as Report;
  assert.deepEqual(capabilities(report.bounding), ["CAP_CHOWN"]);
  assert.deepEqual(capabilities(report.effective), ["CAP_CHOWN"]);
  assert.match(result.stderr, /"CAP_KILL" is left out of bounding, permitted, effective: the runtime itself is without it/);
});

test("capabilities that other sets do not allow are left out with a warning", async (c) => {
  const { report, stderr } = await reported(c, (config) => {
    config.process.noNewPrivileges = true;
    config.process.user = { uid: 1000, gid: 1000 };
    config.process.capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL"],
      permitted: ["CAP_CHOWN", "CAP_KILL"],
      effective: ["CAP_KILL", "CAP_SYS_TIME"],
      inheritable: ["CAP_CHOWN", "CAP_SYS_TIME"],
      ambient: ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_TIME"],
    };
  });
  assert.deepEqual(capabilities(report.inheritable), ["CAP_CHOWN"]);
  assert.deepEqual(capabilities(report.ambient), ["CAP_CHOWN"]);
  assert.equal(
    stderr,
    [
      "effective/1: can't raise ambient capability CAP_SYS_TIME: left out of effective, ambient: not in the permitted set",
      'inheritable/1: "CAP_SYS_TIME" is left out of inheritable: not in the bounding set',
      "ambient/1: can't raise ambient capability CAP_KILL: not in the inheritable set",
    ]
      .map((line) => `warning: config.json: /process/capabilities/${line}\n`)
      .join(""),
  );
});

test("a relative mount destination is taken from / with a warning", async (c) => {
  const { directory } = c.bundle({
    args: ["grep", " /data ", "/proc/self/mountinfo"],
    config: (config) => config.mounts.push({ destination: "data", type: "tmpfs", source: "tmpfs" }),
  });
  const result = await c.ok(["run", "-b", directory, c.id]);
  assert.match(result.stdout, / - tmpfs /);
  assert.match(result.stderr, /warning.*absolute/);
});

test("--debug logs no value of the environment", async (c) => {
  const bundle = c.bundle({ args: ["true"], config: (config) => config.process.env.push("PASSWORD=hunter2") });
  const { stderr } = await c.ok(["--debug", "run", "-b", bundle.directory, c.id]);
  assert.doesNotMatch(stderr, /hunter2/);
  if (isTsrunc) assert.match(stderr, /PASSWORD=\.\.\./);
});

test("an option that only a file system knows is left out of a mount that is bound by its options alone, with a warning", async (c) => {
  const { stderr } = await reported(c, (config) => {
    config.mounts.push({ destination: "/tmp", source: "/etc", options: ["bind", "size=1m", "nosuidd"] });
  });
  const left = "is left out: a bind mount has no data";
  assert.equal(
    stderr,
    `warning: config.json: /mounts/7/options/1: "size=1m" ${left}\nwarning: config.json: /mounts/7/options/2: "nosuidd" ${left}; did you mean "nosuid"?\n`,
  );
});

test("a domain name that a sysctl overrides gives a warning", async (c) => {
  const { stderr } = await reported(c, (config) => {
    config.domainname = "first";
    config.linux.sysctl = { "kernel.domainname": "second" };
  });
  assert.equal(stderr, 'warning: config.json: /domainname: "first" has no effect: /linux/sysctl/kernel.domainname sets "second"\n');
});

test("a seccomp listener that no rule uses gives a warning, with a compiled filter and with a cached one", async (c) => {
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: "/run/agent",
        syscalls: [{ names: ["getppid"], action: "SCMP_ACT_ERRNO" }],
      };
    },
  });
  for (const name of ["compiled", "kept"]) {
    const { stderr } = await c.ok(["run", "-b", bundle.directory, c.otherId(name)]);
    assert.equal(
      stderr,
      'warning: config.json: /linux/seccomp/listenerPath: "/run/agent" has no effect: no entry of /linux/seccomp/syscalls has the action SCMP_ACT_NOTIFY\n',
    );
  }
});

test("a rootless container without its own pid namespace gives a warning", async (c) => {
  const config = (config: Config): void => {
    withoutNamespaces(config, "pid");
    // A new procfs would need a pid namespace of the container's.
    config.mounts = config.mounts.filter(({ destination }) => destination !== "/proc");
    config.mounts.push({ destination: "/proc", source: "/proc", type: "bind", options: ["rbind"] });
  };
  const bundle = mappedBundle(c, { args: ["true"], config });
  const warning =
    'warning: config.json: /linux/namespaces: no entry of type "pid": the container\'s processes can signal all others of the user, and those that it leaves behind outlive its first one. Such configuration is strongly discouraged\n';
  assert.equal((await c.ok(["--rootless", "true", "run", "-b", bundle.directory, c.id])).stderr, warning);
  assert.equal((await c.ok(["--rootless", "false", "run", "-b", bundle.directory, c.id])).stderr, "");
});

test("a capability that is listed several times gives one warning, and only similar names are suggested", async (c) => {
  const { stderr } = await reported(c, (config) => {
    const sets = ["TEST_CAP", "TEST_CAP", "TEST_CAP"];
    config.process.capabilities = { bounding: sets, permitted: sets, effective: sets };
  });
  const told = stderr.replace(/^time.*msg=/, "");
  assert.equal(told.match(/TEST_CAP/g)?.length, 1, stderr);
  assert.doesNotMatch(stderr, /SETPCAP/);
  if (isTsrunc)
    assert.equal(
      stderr,
      'warning: config.json: /process/capabilities/bounding/0: "TEST_CAP" is left out of bounding, permitted, effective: no such capability\n',
    );
});
