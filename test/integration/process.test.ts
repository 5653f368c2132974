/**
 * config.json's process (runtime-spec, config.md#process): what the program is given.
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "./harness/suite.js";
import { binaries, isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import { capabilities, environmentOf } from "./harness/report.js";
import type { Config } from "./harness/config.js";
import type { Report } from "./harness/report.js";

const unlimited = 18446744073709551615n;

test("args reach the program as they are", async (c) => {
  const args = ["probe", "report", "/out", "", "a b", "ä€😀", "--flag=x", "tab\there", "line\nfeed", "'\"$HOME`\\"];
  const bundle = c.bundle({ args });
  assert.equal((await c.run(bundle)).status, 0);
  assert.deepEqual(JSON.parse(readFileSync(`${bundle.rootfs}/out`, "utf8")).args, args);
});

test("the program is looked up in the container's PATH", async (c) => {
  const bundle = c.bundle({ args: ["tool"], config: (config) => (config.process.env = ["PATH=/nowhere:/opt/tools"]) });
  mkdirSync(`${bundle.rootfs}/opt/tools`, { recursive: true });
  writeFileSync(`${bundle.rootfs}/opt/tools/tool`, "#!/bin/sh\necho found $0\n", { mode: 0o755 });
  assert.equal((await c.run(bundle)).stdout, "found /opt/tools/tool\n");
});

test("a program with a slash is relative to cwd", async (c) => {
  const bundle = c.bundle({ args: ["./tool"], config: (config) => (config.process.cwd = "/opt") });
  mkdirSync(`${bundle.rootfs}/opt`);
  writeFileSync(`${bundle.rootfs}/opt/tool`, "#!/bin/sh\npwd\n", { mode: 0o755 });
  assert.equal((await c.run(bundle)).stdout, "/opt\n");
});

test("an absolute program is executed whatever PATH says", async (c) => {
  assert.equal(await c.output({ args: ["/bin/echo", "yes"], config: (config) => (config.process.env = []) }), "yes");
});

test("a program that is a symlink within the rootfs is found", async (c) => {
  const bundle = c.bundle({ args: ["/link"] });
  symlinkSync("/bin/hello", `${bundle.rootfs}/link`);
  writeFileSync(`${bundle.rootfs}/bin/hello`, "#!/bin/sh\necho hello\n", { mode: 0o755 });
  assert.equal((await c.run(bundle)).stdout, "hello\n");
});

test("the environment is that of the config, plus HOME", async (c) => {
  const report = await c.report((config) => (config.process.env = ["A=1", "B=two words", "C=", "PATH=/bin", "D=x=y"]), {
    env: { SECRET: "of the caller" },
  });
  assert.deepEqual([...report.env].sort(), ["A=1", "B=two words", "C=", "D=x=y", "HOME=/root", "PATH=/bin"]);
});

test("of equal names in the environment the last one counts", async (c) => {
  const report = await c.report((config) => (config.process.env = ["A=1", "PATH=/bin", "A=2", "B=b", "A=3"]));
  assert.deepEqual(
    report.env.filter((entry) => entry.startsWith("A=")),
    ["A=3"],
  );
});

test("HOME comes from the container's passwd unless the config sets it", async (c) => {
  const worker = await c.report((config) => (config.process.user = { uid: 1000, gid: 1000 }));
  assert.equal(environmentOf(worker)["HOME"], "/home/worker");
  const unknown = await c.report((config) => (config.process.user = { uid: 4242, gid: 4242 }));
  assert.equal(environmentOf(unknown)["HOME"], "/");
  const given = await c.report((config) => config.process.env.push("HOME=/given"));
  assert.equal(environmentOf(given)["HOME"], "/given");
});

test("HOME is / where there is no passwd", async (c) => {
  const bundle = c.bundle({
    rootfs: "scratch",
    args: ["/probe", "report"],
    config: (config) => (config.mounts = config.mounts.slice(0, 1)),
  });
  mkdirSync(`${bundle.rootfs}/proc`);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  assert.ok(JSON.parse(result.stdout).env.includes("HOME=/"));
});

test("a passwd that points out of the rootfs is not read from the host", async (c) => {
  const bundle = c.bundle({ args: ["probe", "report"], config: (config) => (config.process.user = { uid: 777, gid: 0 }) });
  const host = c.file("passwd", "evil:x:777:0::/host/home:/bin/sh\n");
  rmSync(`${bundle.rootfs}/etc/passwd`);
  symlinkSync(host, `${bundle.rootfs}/etc/passwd`);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  assert.ok(JSON.parse(result.stdout).env.includes("HOME=/"));
});

test("ids and groups are those of the config, known to the container or not", async (c) => {
  const report = await c.report((config) => (config.process.user = { uid: 1234, gid: 5678, additionalGids: [10, 2000, 65534] }));
  assert.deepEqual(report.uid, [1234, 1234, 1234]);
  assert.deepEqual(report.gid, [5678, 5678, 5678]);
  assert.deepEqual(report.groups, [10, 2000, 65534]);
});

test("ids above 2^31 are taken", async (c) => {
  const report = await c.report((config) => (config.process.user = { uid: 3000000001, gid: 3000000002, additionalGids: [4294967294] }));
  assert.deepEqual(report.uid, [3000000001, 3000000001, 3000000001]);
  assert.deepEqual(report.gid, [3000000002, 3000000002, 3000000002]);
  assert.deepEqual(report.groups, [4294967294]);
});

test("without additionalGids there are no supplementary groups", async (c) => {
  const { directory } = c.bundle({ args: ["probe", "report"] });
  const inherited = await c.startBelow(["/usr/bin/setpriv", "--groups", "20,30"], ["run", "-b", directory, c.id]);
  const result = await inherited.wait();
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual(JSON.parse(result.stdout).groups, []);
});

test("umask is 0022 unless the config sets it", async (c) => {
  assert.equal((await c.report()).umask, "0022");
  assert.equal((await c.report((config) => (config.process.user.umask = 0o027))).umask, "0027");
  assert.equal((await c.report((config) => (config.process.user.umask = 0))).umask, "0000");
});

test("a cwd that does not exist is made, as runc and crun do", async (c) => {
  const bundle = c.bundle({ args: ["pwd"], config: (config) => (config.process.cwd = "/new/work/dir") });
  const result = await c.run(bundle);
  assert.equal(result.stdout, "/new/work/dir\n", describe(result));
});

test("a cwd that only root may enter is entered for the user, as runc and crun do", async (c) => {
  const bundle = c.bundle({
    args: ["pwd"],
    config: (config) => Object.assign(config.process, { cwd: "/closed", user: { uid: 1000, gid: 1000 }, capabilities: {} }),
  });
  mkdirSync(`${bundle.rootfs}/closed`, { mode: 0o700 });
  const result = await c.run(bundle);
  assert.equal(result.stdout, "/closed\n", describe(result));
});

test("cwd may be a symlink within the rootfs", async (c) => {
  const bundle = c.bundle({ args: ["probe", "report"], config: (config) => (config.process.cwd = "/link") });
  symlinkSync("/home/worker", `${bundle.rootfs}/link`);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  assert.equal(JSON.parse(result.stdout).cwd, "/home/worker");
});

test("cwd may be one that only the user can enter", async (c) => {
  const bundle = c.bundle({
    args: ["pwd"],
    config: (config) => {
      config.process.cwd = "/home/worker";
      config.process.user = { uid: 1000, gid: 1000 };
      config.process.capabilities = {};
    },
  });
  chmodSync(`${bundle.rootfs}/home/worker`, 0o700);
  chownSync(`${bundle.rootfs}/home/worker`, 1000, 1000);
  assert.equal((await c.run(bundle)).stdout, "/home/worker\n");
});

test("the five capability sets are those of the config", async (c) => {
  const report = await c.report((config) => {
    config.process.capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN", "CAP_SYS_CHROOT"],
      permitted: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN"],
      effective: ["CAP_CHOWN", "CAP_KILL"],
      inheritable: ["CAP_KILL", "CAP_NET_ADMIN"],
      ambient: ["CAP_KILL"],
    };
  });
  assert.deepEqual(capabilities(report.bounding), ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN", "CAP_SYS_CHROOT"]);
  assert.deepEqual(capabilities(report.inheritable), ["CAP_KILL", "CAP_NET_ADMIN"]);
  assert.deepEqual(capabilities(report.ambient), ["CAP_KILL"]);
  // execve(2) by uid 0 makes all of the permitted set effective, and noNewPrivileges adds none to it (capabilities(7)).
  assert.deepEqual(capabilities(report.permitted), ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN"]);
  assert.deepEqual(capabilities(report.effective), ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN"]);
});

test("a plain user keeps the ambient capabilities only", async (c) => {
  const report = await c.report((config) => {
    config.process.user = { uid: 1000, gid: 1000 };
    config.process.capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
      permitted: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
      effective: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
      inheritable: ["CAP_NET_RAW"],
      ambient: ["CAP_NET_RAW"],
    };
  });
  assert.deepEqual(capabilities(report.permitted), ["CAP_NET_RAW"]);
  assert.deepEqual(capabilities(report.effective), ["CAP_NET_RAW"]);
  assert.deepEqual(capabilities(report.bounding), ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]);
  assert.equal(report.keepCapabilities, 0);
});

test("the inheritable set is empty by default (CVE-2022-29162)", async (c) => {
  const report = await c.report();
  assert.equal(report.inheritable, "0000000000000000");
  assert.equal(report.ambient, "0000000000000000");
});

test("the caller's inheritable and ambient capabilities do not reach the container", async (c) => {
  const bundle = c.bundle({ args: ["probe", "report"] });
  const result = await (
    await c.startBelow(
      ["/usr/bin/setpriv", "--inh-caps", "+net_raw,+kill", "--ambient-caps", "+net_raw,+kill"],
      ["run", "-b", bundle.directory, c.id],
    )
  ).wait();
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout);
  assert.equal(report.inheritable, "0000000000000000");
  assert.equal(report.ambient, "0000000000000000");
});

test("empty capability sets leave none", async (c) => {
  const report = await c.report((config) => (config.process.capabilities = { bounding: [], permitted: [], effective: [] }));
  for (const set of [report.bounding, report.permitted, report.effective, report.inheritable, report.ambient]) {
    assert.equal(set, "0000000000000000");
  }
});

test("every capability of the host can be given", async (c) => {
  const bounding = BigInt(`0x${/^CapBnd:\t(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`);
  const all = capabilities(bounding.toString(16));
  const report = await c.report((config) => (config.process.capabilities = { bounding: all, permitted: all, effective: all }));
  assert.equal(BigInt(`0x${report.effective}`), bounding);
});

test("noNewPrivileges is set as the config says, and off by default", async (c) => {
  assert.equal((await c.report((config) => (config.process.noNewPrivileges = true))).noNewPrivileges, 1);
  assert.equal((await c.report((config) => (config.process.noNewPrivileges = false))).noNewPrivileges, 0);
  assert.equal((await c.report((config) => delete config.process.noNewPrivileges)).noNewPrivileges, 0);
});

test("rlimits are set, also the largest there is", async (c) => {
  const report = await c.report((config) => {
    config.process.rlimits = [
      { type: "RLIMIT_NOFILE", soft: 512, hard: 1000 },
      { type: "RLIMIT_CORE", soft: unlimited, hard: unlimited },
      { type: "RLIMIT_FSIZE", soft: 9007199254740993n, hard: 9223372036854775809n },
      { type: "RLIMIT_STACK", soft: 1048576, hard: unlimited },
      { type: "RLIMIT_NPROC", soft: 100, hard: 200 },
      { type: "RLIMIT_MEMLOCK", soft: 0, hard: 65536 },
      { type: "RLIMIT_CPU", soft: 100, hard: 200 },
      { type: "RLIMIT_AS", soft: 1099511627776, hard: unlimited },
      { type: "RLIMIT_DATA", soft: unlimited, hard: unlimited },
      { type: "RLIMIT_RSS", soft: 1000000, hard: 2000000 },
      { type: "RLIMIT_LOCKS", soft: 10, hard: 20 },
      { type: "RLIMIT_SIGPENDING", soft: 11, hard: 21 },
      { type: "RLIMIT_MSGQUEUE", soft: 12, hard: 22 },
      { type: "RLIMIT_NICE", soft: 0, hard: 0 },
      { type: "RLIMIT_RTPRIO", soft: 0, hard: 0 },
      { type: "RLIMIT_RTTIME", soft: 1000, hard: 2000 },
    ];
  });
  assert.deepEqual(report.rlimits, {
    RLIMIT_NOFILE: ["512", "1000"],
    RLIMIT_CORE: ["18446744073709551615", "18446744073709551615"],
    RLIMIT_FSIZE: ["9007199254740993", "9223372036854775809"],
    RLIMIT_STACK: ["1048576", "18446744073709551615"],
    RLIMIT_NPROC: ["100", "200"],
    RLIMIT_MEMLOCK: ["0", "65536"],
    RLIMIT_CPU: ["100", "200"],
    RLIMIT_AS: ["1099511627776", "18446744073709551615"],
    RLIMIT_DATA: ["18446744073709551615", "18446744073709551615"],
    RLIMIT_RSS: ["1000000", "2000000"],
    RLIMIT_LOCKS: ["10", "20"],
    RLIMIT_SIGPENDING: ["11", "21"],
    RLIMIT_MSGQUEUE: ["12", "22"],
    RLIMIT_NICE: ["0", "0"],
    RLIMIT_RTPRIO: ["0", "0"],
    RLIMIT_RTTIME: ["1000", "2000"],
  });
});

for (const userNamespace of [false, true]) {
  test(`RLIMIT_NOFILE may be so low that the program opens nothing${userNamespace ? ", in a user namespace" : ""}`, async (c) => {
    for (const limit of [0, 3, 4]) {
      const bundle = c.bundle({
        args: ["probe", "report"],
        config: (config) => {
          config.process.user = { uid: 1000, gid: 1000 };
          config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: limit, hard: limit }];
          if (!userNamespace) return;
          setNamespace(config, "user");
          config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
        },
      });
      const id = c.otherId(String(limit));
      const started = await c.createAndStart(bundle, [], { id });
      await c.status("stopped", id);
      const report = JSON.parse(started.output()) as Report;
      assert.deepEqual(report.rlimits["RLIMIT_NOFILE"], [String(limit), String(limit)]);
      assert.equal(environmentOf(report)["HOME"], "/home/worker", "the container's passwd was read");
      const ran = await c.runtime(["run", "-b", bundle.directory, c.otherId(`run${limit}`)]);
      assert.equal(ran.status, 0, describe(ran));
    }
  });
}

test("the error for a program whose lookup fails has the cause, for a missing one it is not found", async (c) => {
  const bundle = c.bundle({ args: ["tool"], config: (config) => (config.process.env = ["PATH=/loop:/a-file:/nowhere:/folder"]) });
  symlinkSync("/loop", `${bundle.rootfs}/loop`);
  writeFileSync(`${bundle.rootfs}/a-file`, "");
  mkdirSync(`${bundle.rootfs}/folder/tool`, { recursive: true });
  await c.fails(["run", "-b", bundle.directory, c.id], /exec: "tool": too many (levels of )?symbolic links/);
  rmSync(`${bundle.rootfs}/loop`);
  await c.fails(["run", "-b", bundle.directory, c.id], /exec: "tool": executable file not found in \$PATH/);
});

test("rlimits that the config does not name are the caller's", async (c) => {
  const bundle = c.bundle({ args: ["probe", "report"], config: (config) => (config.process.rlimits = []) });
  const result = await (await c.startBelowShell('ulimit -Sn 777; ulimit -c 5; exec "$@"', ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  const { rlimits } = JSON.parse(result.stdout);
  assert.equal(rlimits.RLIMIT_NOFILE[0], "777");
  assert.deepEqual(rlimits.RLIMIT_CORE, ["2560", "2560"]);
});

test("oomScoreAdj is set, and the caller's is inherited where the config says nothing", async (c) => {
  assert.equal(await c.shell("cat /proc/self/oom_score_adj", (config) => (config.process.oomScoreAdj = 321)), "321");
  assert.equal(await c.shell("cat /proc/self/oom_score_adj", (config) => (config.process.oomScoreAdj = 1000)), "1000");
  const bundle = c.bundle({ args: ["cat", "/proc/self/oom_score_adj"] });
  const result = await (
    await c.startBelowShell('echo 77 >/proc/self/oom_score_adj; exec "$@"', ["run", "-b", bundle.directory, c.id])
  ).wait();
  assert.equal(result.stdout, "77\n", describe(result));
});

test("an oomScoreAdj that the host does not allow fails create", async (c) => {
  const effective = BigInt(`0x${/^CapEff:\t(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`);
  const sysResource = 24n;
  const bundle = c.bundle({ args: ["cat", "/proc/self/oom_score_adj"], config: (config) => (config.process.oomScoreAdj = -500) });
  const result = await c.run(bundle);
  if ((effective >> sysResource) & 1n) {
    assert.equal(result.stdout, "-500\n", describe(result));
  } else {
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /permission denied|EACCES/i);
  }
});

test("an rlimit that the host does not allow fails create", async (c) => {
  const effective = BigInt(`0x${/^CapEff:\t(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`);
  const sysResource = 24n;
  const bundle = c.bundle({
    args: ["sh", "-c", "ulimit -Hl"],
    config: (config) => (config.process.rlimits = [{ type: "RLIMIT_MEMLOCK", soft: 0, hard: 2 ** 40 }]),
  });
  const result = await c.run(bundle);
  if ((effective >> sysResource) & 1n) assert.equal(result.status, 0, describe(result));
  else {
    assert.equal(result.status, 1, describe(result));
    assert.match(result.stderr, /operation not permitted|EPERM/i);
  }
});

test("the program is the leader of a session of its own and init of its pid namespace", async (c) => {
  const report = await c.report();
  assert.equal(report.pid, 1);
  assert.equal(report.parent, 0);
  assert.equal(report.session, 1);
  assert.equal(report.group, 1);
  assert.equal(report.terminal, null);
  assert.equal(report.controllingTerminal, false);
});

test("the program has no parent death signal, is dumpable and no subreaper", async (c) => {
  const report = await c.report();
  assert.equal(report.parentDeathSignal, 0);
  assert.equal(report.subreaper, 0);
  assert.equal(report.secureBits, 0);
  assert.equal(report.keepCapabilities, 0);
  assert.equal(report.dumpable, 1);
  assert.equal(report.nice, 0);
});

test("the program outlives the process that called create", async (c) => {
  const bundle = c.bundle();
  c.deleteLater();
  const shell = await c.startBelowShell('"$@"; kill -KILL $$', ["create", "-b", bundle.directory, c.id]);
  assert.equal((await shell.wait()).signal, "SIGKILL");
  await c.ok(["start", c.id]);
  await c.printed(shell, "ready");
  assert.equal((await c.state()).status, "running");
});

test("the container has a session keyring of its own unless --no-new-keyring is given", async (c) => {
  const caller = JSON.parse((await (await c.spawn(`${binaries}/probe`, ["report"])).wait()).stdout) as Report;
  const first = await c.report();
  // runc names the keyring after the container: an id of its own, or the first one's keyring may still be there to be joined.
  const { stdout } = await c.ok(["run", "-b", c.bundle({ args: ["probe", "report"] }).directory, c.otherId("second")]);
  const second = JSON.parse(stdout) as Report;
  assert.equal(new Set([caller.sessionKeyringId, first.sessionKeyringId, second.sessionKeyringId]).size, 3);
  const inherited = await c.run(c.bundle({ args: ["probe", "report"] }), ["--no-new-keyring"]);
  assert.equal(inherited.status, 0, describe(inherited));
  assert.equal((JSON.parse(inherited.stdout) as Report).sessionKeyringId, caller.sessionKeyringId);
});

test("standard streams are those of the caller, unchanged", async (c) => {
  // The runtime must not set O_NONBLOCK on what it was given: the caller shares the open file description.
  const bundle = c.bundle({ args: ["cat"] });
  const command = `"$@"; cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 | grep flags`;
  const result = await (await c.startBelowShell(command, ["run", "-b", bundle.directory, c.id], { input: "through\n" })).wait();
  assert.equal(result.status, 0, describe(result));
  assert.match(result.stdout, /^through\n/);
  const nonBlocking = 0o4000;
  for (const [, flags] of result.stdout.matchAll(/flags:\s+(\d+)/g)) assert.equal(parseInt(flags ?? "", 8) & nonBlocking, 0, result.stdout);
});

test("a container works with its standard streams closed", async (c) => {
  const bundle = c.bundle({ args: ["sh", "-c", "ls /proc/self/fd >/out; probe report /report"] });
  const command = `exec "$@" <&- >&- 2>&-`;
  const result = await (await c.startBelowShell(command, ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  const { descriptors } = JSON.parse(readFileSync(`${bundle.rootfs}/report`, "utf8"));
  for (const [number, target] of Object.entries(descriptors)) {
    assert.ok(Number(number) <= 2 && target === "/dev/null", `${number} is ${String(target)}`);
  }
});

test("files of the container's standard streams belong to its user", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "echo reopened >/proc/self/fd/1"],
    config: (config) => {
      config.process.user = { uid: 1000, gid: 1000 };
      config.process.capabilities = {};
    },
  });
  const command = `"$@" | cat`;
  const result = await (await c.startBelowShell(command, ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.stdout, "reopened\n", describe(result));
});

const notBuilt: [field: string, change: (config: Config) => void][] = [
  ["/linux/intelRdt", (config) => Object.assign(config.linux, { intelRdt: { closID: "x" } })],
];

for (const [field, change] of notBuilt) {
  test(`${field} is carried out or refused by name, never ignored`, async (c) => {
    const result = await c.runtime(["create", "-b", c.bundle({ config: change }).directory, c.id]);
    if (result.status === 0) c.deleteLater();
    assert.equal(result.status, 1, describe(result));
    if (isTsrunc) assert.ok(result.stderr.includes(field), describe(result));
  });
}
