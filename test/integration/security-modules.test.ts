/**
 * AppArmor and SELinux: process.apparmorProfile, process.selinuxLabel (runtime-spec, config.md#linux-process) and linux.mountLabel
 * (config-linux.md#mount-label). Where the host has the module, what it does; elsewhere, that it is refused.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import type { Config } from "./harness/config.js";
import type { Context } from "./harness/context.js";

const hasApparmor = existsSync("/sys/kernel/security/apparmor");
const hasSelinux = existsSync("/sys/fs/selinux/enforce");

/** Loads a profile that forbids writing to /forbidden, for the time of the test. Returns its name. */
function loadProfile(c: Context): string {
  const name = `${c.id}-profile`;
  const text = `abi <abi/3.0>,
profile ${name} flags=(attach_disconnected) {
  file,
  capability,
  signal,
  deny /forbidden w,
}
`;
  const file = c.file("profile", text);
  const parser = (option: string): void => {
    const { status, stderr } = spawnSync("apparmor_parser", [option, "-K", file], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  };
  parser("--replace");
  c.defer(() => parser("--remove"));
  return name;
}

/** Has every hook write the label that it runs under to a file. Returns what each wrote, of a container that lived. */
async function labelsOfHooks(c: Context, change: (config: Config) => void): Promise<Record<string, string>> {
  const labels = c.folder("labels");
  chmodSync(labels, 0o777);
  const names = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
  const bundle = c.bundle({
    args: ["true"],
    config: (config) => {
      config.mounts.push({ destination: labels, type: "bind", source: labels, options: ["bind"] });
      config.hooks = {};
      for (const name of names)
        config.hooks[name] = [
          { path: "/bin/sh", args: ["sh", "-c", `cat /proc/self/attr/current >${labels}/${name}`], env: ["PATH=/bin:/usr/bin"] },
        ];
      change(config);
    },
  });
  const result = await c.run(bundle);
  assert.equal(result.status, 0, describe(result));
  return Object.fromEntries(names.map((name) => [name, readFileSync(`${labels}/${name}`, "utf8").replace(/[\0\n]+$/, "")]));
}

/** Those of the caller, but for startContainer hooks. */
function assertLabels(labels: Record<string, string>, ofTheProgram: string): void {
  const caller = readFileSync("/proc/self/attr/current", "utf8").replace(/[\0\n]+$/, "");
  for (const [name, label] of Object.entries(labels)) assert.equal(label, name === "startContainer" ? ofTheProgram : caller, name);
}

/** What the program tells of itself, and of an attempt to write where the profile forbids it. */
const confined =
  "cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current; touch /allowed && echo made; touch /forbidden || echo refused";

if (hasApparmor) {
  test("a process of exec runs under the container's AppArmor profile, or another", async (c) => {
    const profile = loadProfile(c);
    await c.createAndStart(c.bundle({ config: (config) => (config.process.apparmorProfile = profile) }));
    const run = async (...flags: string[]): Promise<string> => (await c.ok(["exec", ...flags, c.id, "sh", "-c", confined])).stdout.trim();
    assert.equal(await run(), `${profile} (enforce)\nmade\nrefused`);
    assert.match(await run("--apparmor", "unconfined"), /^unconfined\nmade$/);
    const missing = await c.runtime(["exec", "--apparmor", "no-such-profile", c.id, "true"]);
    assert.equal(missing.status, 255, describe(missing));
  });

  test("the program runs under its AppArmor profile", async (c) => {
    const profile = loadProfile(c);
    const output = await c.shell(confined, (config) => (config.process.apparmorProfile = profile));
    assert.equal(output, `${profile} (enforce)\nmade\nrefused`);
  });

  test("startContainer hooks run under the AppArmor profile of the program, the others as the caller", async (c) => {
    const profile = loadProfile(c);
    assertLabels(await labelsOfHooks(c, (config) => (config.process.apparmorProfile = profile)), `${profile} (enforce)`);
  });

  test("the AppArmor profile holds with noNewPrivileges, for a plain user and in a user namespace", async (c) => {
    const profile = loadProfile(c);
    const current = (change: (config: Config) => void): Promise<string> =>
      c.shell("cat /proc/self/attr/current", (config) => {
        config.process.apparmorProfile = profile;
        config.process.noNewPrivileges = true;
        change(config);
      });
    assert.equal(await current((config) => (config.process.user = { uid: 1000, gid: 1000 })), `${profile} (enforce)`);
    const inUserNamespace = await current((config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    });
    assert.equal(inUserNamespace, `${profile} (enforce)`);
  });

  test("without a profile the program is as its caller", async (c) => {
    const { stdout } = spawnSync("cat", ["/proc/self/attr/current"], { encoding: "utf8" });
    assert.equal(await c.shell("cat /proc/self/attr/current"), stdout.trim());
  });

  test("an AppArmor profile that is not loaded is an error", async (c) => {
    const bundle = c.bundle({ config: (config) => (config.process.apparmorProfile = "no-such-profile") });
    const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /apparmor/);
    if (isTsrunc)
      assert.equal(
        stderr,
        `create "${c.id}": unable to apply apparmor profile: write "exec no-such-profile" to /proc/self/attr/apparmor/exec (/process/apparmorProfile): ENOENT (no such file or directory): no such profile is loaded\n`,
      );
  });

  test("an image with a procfs of its own at /proc cannot take the AppArmor profile away (CVE-2019-16884)", async (c) => {
    const profile = loadProfile(c);
    const bundle = c.bundle({
      args: ["sh", "-c", confined],
      config: (config) => {
        config.process.apparmorProfile = profile;
        config.mounts = config.mounts.filter(({ destination }) => destination !== "/proc");
      },
    });
    // A rootfs whose /proc/self/attr/exec is a plain file, where a runtime that trusts it would write.
    spawnSync("mkdir", ["-p", `${bundle.rootfs}/proc/self/attr/apparmor`]);
    spawnSync("touch", [`${bundle.rootfs}/proc/self/attr/exec`, `${bundle.rootfs}/proc/self/attr/apparmor/exec`]);
    const result = await c.run(bundle);
    assert.match(result.stdout, /made\nrefused/);
  });
} else {
  test("an AppArmor profile is refused where the host has no AppArmor", async (c) => {
    const bundle = c.bundle({ config: (config) => (config.process.apparmorProfile = "some-profile") });
    const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /apparmor/);
    if (isTsrunc)
      assert.equal(
        stderr,
        `create "${c.id}": /process/apparmorProfile: apparmor: config provided but apparmor not supported (the host has no "/sys/kernel/security/apparmor")\n`,
      );
  });
}

if (hasSelinux) {
  const label = "system_u:system_r:container_t:s0:c1,c2";
  const mountLabel = "system_u:object_r:container_file_t:s0:c1,c2";
  const labelled = (config: Config): void => {
    config.process.selinuxLabel = label;
    config.linux.mountLabel = mountLabel;
  };

  test("the program and its keyring get their SELinux label", async (c) => {
    const [current, keyring] = (await c.shell("tr -d '\\0' </proc/self/attr/current; echo; probe label @s", labelled)).split("\n");
    assert.deepEqual([current, keyring], [label, label]);
    const none = await c.shell("tr -d '\\0' </proc/self/attr/current");
    assert.equal(none, readFileSync("/proc/self/attr/current", "utf8").replaceAll("\0", ""));
  });

  test("a process of exec gets the container's SELinux label, or another", async (c) => {
    await c.createAndStart(c.bundle({ config: labelled }));
    const current = async (...flags: string[]): Promise<string> =>
      (await c.ok(["exec", ...flags, c.id, "sh", "-c", "tr -d '\\0' </proc/self/attr/current"])).stdout.trim();
    assert.equal(await current(), label);
    const other = "system_u:system_r:container_t:s0:c3,c4";
    assert.equal(await current("--process-label", other), other);
  });

  test("startContainer hooks run under the SELinux label of the program, the others as the caller", async (c) => {
    assertLabels(await labelsOfHooks(c, labelled), label);
  });

  test("the container's own mounts get the mountLabel, and only those", async (c) => {
    const paths = ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/null", "/proc", "/etc"];
    const labels = await c.shell(paths.map((path) => `probe label ${path} || echo none`).join(";"), labelled);
    assert.deepEqual(
      labels.split("\n").map((found, index) => `${paths[index]} ${found === mountLabel}`),
      paths.map((path) => `${path} ${path.startsWith("/dev")}`),
    );
  });

  test("mounts that are added get the container's mountLabel, mqueue too", async (c) => {
    await c.createAndStart(c.bundle({ config: labelled }));
    const mounts = ["tmpfs", "mqueue", "proc"].map((type) => ({ destination: `/mnt/${type}`, type, source: type }));
    await c.ok(["mounts", "add", c.id, c.file("mounts.json", JSON.stringify(mounts))]);
    const { pid } = await c.state();
    const labelOf = (path: string): string =>
      spawnSync("stat", ["-c", "%C", `/proc/${pid}/root${path}`], { encoding: "utf8" }).stdout.trim();
    assert.deepEqual(
      mounts.map(({ destination }) => labelOf(destination) === mountLabel),
      [true, true, false],
    );
  });

  test("a mount's own context counts, in quotes as mount(8) has them, alone and beside other and long options", async (c) => {
    const quoted = `context="${mountLabel}"`;
    const options = [[quoted, "size=1m"], [`size=1m,${quoted},mode=755`], [`${quoted},mode=755${",size=1m".repeat(50)},mpol=bind:0,0`]];
    const labels = await c.shell(options.map((_, index) => `probe label /mnt/${index}`).join(";"), (config) => {
      config.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs" });
      options.forEach((of, index) => config.mounts.push({ destination: `/mnt/${index}`, type: "tmpfs", source: "tmpfs", options: of }));
    });
    assert.deepEqual(
      labels.split("\n"),
      options.map(() => mountLabel),
    );
  });

  test("run.oci.mount_context_type says which kind of context the mountLabel is", async (c) => {
    const mounts = await c.shell("cat /proc/self/mountinfo", (config) => {
      labelled(config);
      config.annotations = { "run.oci.mount_context_type": "rootcontext" };
    });
    const line = mounts.split("\n").find((mount) => mount.includes(" /dev ")) ?? "";
    assert.match(line, /rootcontext="?system_u:object_r:container_file_t:s0:c1,c2/);
    assert.doesNotMatch(line, /,context=/);
  });

  test("the SELinux label holds in a user namespace and for a plain user with noNewPrivileges", async (c) => {
    const current = (change: (config: Config) => void): Promise<string> =>
      c.shell("tr -d '\\0' </proc/self/attr/current", (config) => {
        config.process.selinuxLabel = label;
        config.process.noNewPrivileges = true;
        change(config);
      });
    assert.equal(await current((config) => (config.process.user = { uid: 1000, gid: 1000 })), label);
    const inUserNamespace = await current((config) => {
      setNamespace(config, "user");
      config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    });
    assert.equal(inUserNamespace, label);
  });

  test("an SELinux label that the policy does not know is an error", async (c) => {
    const bundle = c.bundle({ config: (config) => (config.process.selinuxLabel = "system_u:system_r:nobody_knows_t:s0") });
    const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /invalid argument/);
    if (isTsrunc)
      assert.equal(
        stderr,
        `create "${c.id}": write "system_u:system_r:nobody_knows_t:s0" to /proc/self/attr/keycreate (/process/selinuxLabel): EINVAL (invalid argument)\n`,
      );
  });
} else {
  test("SELinux labels are refused where the host has no SELinux", async (c) => {
    for (const [pointer, change] of [
      ["/process/selinuxLabel", (config: Config) => (config.process.selinuxLabel = "u:r:t:s0")],
      ["/linux/mountLabel", (config: Config) => (config.linux.mountLabel = "u:r:t:s0")],
    ] as const) {
      const { stderr } = await c.fails(["create", "-b", c.bundle({ config: change }).directory, c.id], /./);
      if (isTsrunc)
        assert.equal(
          stderr,
          `create "${c.id}": ${pointer}: selinux label is specified in config, but selinux is disabled or not supported (the host has no "/sys/fs/selinux/enforce")\n`,
        );
    }
  });
}
