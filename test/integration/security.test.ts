/**
 * Regression tests of faults that other runtimes had, beyond those of mounts (mounts.test.ts) and cgroups (cgroup.test.ts).
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { test } from "./harness/suite.js";
import { runtimePath } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import type { Config } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";
import type { Report } from "./harness/report.js";

function hash(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** A copy of the runtime, which an attack may damage. */
function useCopy(c: Context): string {
  const copy = `${c.directory}/runtime-under-attack`;
  copyFileSync(runtimePath, copy);
  chmodSync(copy, 0o755);
  c.program = copy;
  return copy;
}

/** A container that attacks the runtime's executable from a startContainer hook, while init still is the runtime. */
function attacker(c: Context, args: string[]): Bundle {
  const bundle = c.bundle({
    args,
    config: (config) => {
      // The host's pid namespace: the attacker lives on when init has ended, and every process can be looked at.
      withoutNamespaces(config, "pid");
      const capabilities = ["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"];
      config.process.capabilities = { bounding: capabilities, permitted: capabilities, effective: capabilities };
      // The same attack on a process that does not defend itself shows that it sees what it can.
      const attacks = "sleep 1 & probe seize $! 0.2 >/control & probe seize $PPID 0.6 >/result &";
      config.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", attacks], env: ["PATH=/bin"] }] };
    },
  });
  writeFileSync(`${bundle.rootfs}/script`, "#!/proc/self/exe\n", { mode: 0o755 });
  return bundle;
}

for (const [name, args] of [
  ["an ordinary program", ["sleep", "100"]],
  ["/proc/self/exe as the program", ["/proc/self/exe", "--version"]],
  ["a script whose interpreter is /proc/self/exe", ["/script"]],
] as const) {
  test(`the runtime's executable cannot be written from a container with ${name} (CVE-2019-5736)`, async (c) => {
    const copy = useCopy(c);
    const before = hash(copy);
    const { dev, ino } = statSync(copy);
    const bundle = attacker(c, [...args]);
    c.deleteLater();
    const created = await c.runtime(["create", "-b", bundle.directory, c.id]);
    assert.equal(created.status, 0, describe(created));
    await c.runtime(["start", c.id]); // whether it starts does not matter
    const log = (name: string): string => (existsSync(`${bundle.rootfs}/${name}`) ? readFileSync(`${bundle.rootfs}/${name}`, "utf8") : "");
    await until("the attack sees the executable of another process", () => log("control") !== "");
    await new Promise((resolve) => setTimeout(resolve, 700));
    const result = log("result");
    const own = new Set(
      ["probe", "busybox"].map((file) => statSync(`${bundle.rootfs}/bin/${file}`)).map((info) => `${info.dev}:${info.ino}`),
    );
    const seen = result
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    // Init hides its executable (prctl(2), PR_SET_DUMPABLE), and a start that fails ends the attacker with the container.
    if (args[0] === "sleep") assert.notEqual(result, "", "the attack saw no executable at all, not even that of sleep");
    for (const [file, outcome] of seen) {
      if (file === `${dev}:${ino}`) assert.notEqual(outcome, "opened", result);
      if (!own.has(file ?? "")) assert.notEqual(outcome, "written", result);
    }
    assert.equal(hash(copy), before);
  });
}

for (const [place, change] of [
  ["", () => undefined],
  [
    " in a new user namespace",
    (config: Config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 65_536 }];
      // It may not mount a procfs of a pid namespace that another user namespace owns.
      config.mounts = config.mounts.filter(({ type }) => type !== "proc");
    },
  ],
] as const) {
  test(`a container${place} that joins a pid namespace never shows the runtime's executable there`, async (c) => {
    const { dev, ino } = statSync(useCopy(c));
    const watcher = c.bundle({
      args: ["probe", "executables"],
      config: (config) => {
        const capabilities = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"];
        config.process.capabilities = { bounding: capabilities, permitted: capabilities, effective: capabilities };
      },
    });
    const watching = await c.createAndStart(watcher);
    await c.printed(watching, "watching");
    const { pid } = await c.state();
    const bundle = c.bundle({
      args: ["sleep", "0.02"],
      config: (config) => {
        setNamespace(config, "pid", `/proc/${pid}/ns/pid`);
        change(config);
      },
    });
    const { dev: device, ino: program } = statSync(`${bundle.rootfs}/bin/busybox`);
    for (let round = 0; round < 30; round += 1) {
      const result = await c.runtime(["run", "-b", bundle.directory, c.otherId(String(round))]);
      assert.equal(result.status, 0, describe(result));
    }
    const seen = watching.output().trim().split("\n");
    assert.ok(seen.includes(`${device}:${program}`), "not even the programs of the containers were seen");
    assert.ok(!seen.includes(`${dev}:${ino}`), `the runtime is ${dev}:${ino}, seen were ${seen.join(", ")}`);
  });
}

test("a cwd below /proc/self/fd is refused (CVE-2024-21626)", async (c) => {
  const directory = openSync("/", "r");
  for (const number of [3, 4, 5, 6, 7, 8, 9, 10]) {
    const bundle = c.bundle({ args: ["cat", "etc/hostname"], config: (config) => (config.process.cwd = `/proc/self/fd/${number}`) });
    const result = await c.run(bundle, [], { descriptors: [directory] });
    assert.equal(result.status, 1, describe(result));
    assert.equal(result.stdout, "");
  }
  closeSync(directory);
});

test("a cwd that is a symlink to a descriptor is refused (CVE-2024-21626)", async (c) => {
  for (const number of [3, 5, 6, 7, 8]) {
    const bundle = c.bundle({ args: ["pwd"], config: (config) => (config.process.cwd = "/work") });
    symlinkSync(`/proc/self/fd/${number}`, `${bundle.rootfs}/work`);
    const result = await c.run(bundle);
    assert.equal(result.status, 1, describe(result));
  }
});

test("no descriptor of the runtime is open in the program, with every option that opens one", async (c) => {
  const bundle = c.bundle({
    args: ["probe", "report"],
    config: (config) => {
      config.hooks = { createRuntime: [{ path: "/bin/true" }], startContainer: [{ path: "/bin/true" }] };
      config.linux.maskedPaths?.push("/etc/passwd");
    },
  });
  const started = await c.createAndStart(bundle, ["--pid-file", `${c.directory}/pid`]);
  await c.status("stopped");
  const report = JSON.parse(started.output()) as Report;
  assert.deepEqual(Object.keys(report.descriptors), ["0", "1", "2"]);
});

test("no descriptor of the runtime is open while init waits for start, but what the gate needs", async (c) => {
  const host = openSync("/", "r");
  await c.create(c.bundle(), [], { descriptors: [host] });
  closeSync(host);
  const { pid } = await c.state();
  const mounts = new Set(
    readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .map((line) => line.split(" ")[0]),
  );
  for (const number of readdirSync(`/proc/${pid}/fd`)) {
    const mount = /^mnt_id:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${number}`, "utf8"))?.[1];
    const outside = statSync(`/proc/${pid}/fd/${number}`).isDirectory() && !mounts.has(mount);
    assert.ok(!outside, `descriptor ${number} of init is a directory outside the container: ${readlinkSync(`/proc/${pid}/fd/${number}`)}`);
  }
});

test("init cannot be traced or looked into by the container while it waits for start", async (c) => {
  await c.create(c.bundle());
  const { pid } = await c.state();
  const owner = statSync(`/proc/${pid}/environ`).uid;
  // Not dumpable: its files in /proc belong to the root of the first user namespace (proc(5)); the caller here is that.
  assert.equal(owner, 0);
});

test("the bundle's path, the state root and the host's root are not visible in the container", async (c) => {
  const seen = await c.shell("ls -a / /..; cut -d' ' -f5 /proc/self/mountinfo");
  assert.ok(!seen.includes(c.directory) && !/old_?root|pivot/.test(seen), seen);
});

test("an id cannot reach outside the state root", async (c) => {
  const bundle = c.bundle();
  for (const id of ["../escape", "a/b", "..", ".", "/abs", "a\nb", "ä", " "]) {
    await c.fails(["create", "-b", bundle.directory, id], /invalid container ID format/);
  }
  assert.equal(existsSync(`${c.directory}/escape`), false);
});

test("a link in the place of a container's state directory is not followed", async (c) => {
  const victim = c.folder("victim");
  writeFileSync(`${victim}/keep`, "");
  mkdirSync(c.root, { mode: 0o700 });
  symlinkSync(victim, `${c.root}/${c.id}`);
  c.defer(() => rmSync(`${c.root}/${c.id}`, { force: true, recursive: true }));
  await c.runtime(["delete", "-f", c.id]);
  const create = await c.runtime(["create", "-b", c.bundle().directory, c.id]);
  if (create.status === 0) c.deleteLater();
  assert.deepEqual(readdirSync(victim), ["keep"]);
});

test("set-user-id programs gain nothing with noNewPrivileges", async (c) => {
  const bundle = c.bundle({
    args: ["/suid", "report"],
    config: (config) => {
      config.process.user = { uid: 1000, gid: 1000 };
      config.process.capabilities = { bounding: ["CAP_SETUID"] };
    },
  });
  copyFileSync(`${bundle.rootfs}/bin/probe`, `${bundle.rootfs}/suid`);
  chmodSync(`${bundle.rootfs}/suid`, 0o4755);
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  const report = JSON.parse(result.stdout) as Report;
  assert.deepEqual(report.uid, [1000, 1000, 1000]);
  assert.equal(BigInt(`0x${report.effective}`), 0n);
});

test("the runtime works from a file that can be executed but not read", async (c) => {
  const copy = useCopy(c);
  chmodSync(copy, 0o111);
  const result = await c.run(c.bundle({ args: ["echo", "fine"] }));
  assert.equal(result.stdout, "fine\n", describe(result));
});
