/**
 * config.md: version, root, mounts, process, annotations, and rules for the whole configuration.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { configRefused, printed, set } from "./black-box.js";
import { sentence } from "./sentence.js";
import { describe } from "../../test/integration/harness/execute.js";
import { mountsOf } from "../../test/integration/harness/mounting.js";
import { mountAt } from "../../test/integration/harness/mountinfo.js";

sentence({ "config.md > Specification version": [2] }, "an ociVersion that is no semantic version is refused", async (c) => {
  for (const version of ["", "1", "1.0", "one", "v1.0.0", "1.0.0.0"]) await configRefused(c, (config) => (config.ociVersion = version));
  await c.ok(["create", "-b", c.bundle({ args: ["true"], config: (config) => (config.ociVersion = "1.0.2-dev") }).directory, c.id]);
  c.deleteLater();
});

sentence({ "config.md > Root": [6] }, "a root path where no directory is is refused", async (c) => {
  await configRefused(c, (config) => (config.root.path = "missing"));
  const file = c.file("file", "no directory");
  await configRefused(c, (config) => (config.root.path = file));
});

sentence({ "config.md > Root": [7] }, "a read-only root cannot be written, one that is not can", async (c) => {
  const line = "touch /new 2>/dev/null && echo written || echo refused";
  assert.equal(await printed(c, line, (config) => (config.root.readonly = true)), "refused");
  assert.equal(await printed(c, line, (config) => Reflect.deleteProperty(config.root, "readonly")), "written");
});

sentence({ "config.md > Mounts": [1] }, "mounts are made in the listed order", async (c) => {
  const mounts = await mountsOf(c, (config) => {
    for (const name of ["first", "second", "third"]) config.mounts.push({ destination: "/tmp", type: "tmpfs", source: name });
    config.mounts.push({ destination: "/tmp/below", type: "tmpfs", source: "fourth" });
  });
  const sources = mounts.filter(({ target }) => target.startsWith("/tmp")).map(({ source }) => source);
  assert.deepEqual(sources, ["first", "second", "third", "fourth"]);
});

sentence({ "config.md > Mounts": [3] }, "a relative destination is one from the container's root", async (c) => {
  const mounts = await mountsOf(c, (config) => {
    config.process.cwd = "/home";
    config.mounts.push({ destination: "relative/place", type: "tmpfs", source: "relative" });
  });
  assert.equal(mountAt(mounts, "/relative/place").source, "relative");
});

sentence({ "config.md > POSIX-platform Mounts": [1, 2] }, "a mount with uidMappings alone or gidMappings alone is refused", async (c) => {
  const mappings = [{ containerID: 0, hostID: 1000, size: 1 }];
  for (const kind of ["uidMappings", "gidMappings"]) {
    await configRefused(c, (config) =>
      config.mounts.push({ destination: "/mnt", source: c.directory, options: ["bind", "idmap"], [kind]: mappings }),
    );
  }
});

sentence({ "config.md > Process": [2] }, "consoleSize is ignored without a terminal", async (c) => {
  for (const terminal of [false, undefined]) {
    const line = await printed(c, "echo ran", (config) => {
      if (terminal === undefined) Reflect.deleteProperty(config.process, "terminal");
      else config.process.terminal = terminal;
      config.process.consoleSize = { height: 12, width: 34 };
    });
    assert.equal(line, "ran");
  }
});

sentence({ "config.md > Process": [6] }, "a relative cwd is refused", async (c) => {
  for (const cwd of ["", "tmp", "./tmp"]) await configRefused(c, (config) => (config.process.cwd = cwd));
});

sentence({ "config.md > POSIX process": [2] }, "an rlimit that the kernel does not have is refused", async (c) => {
  await configRefused(c, (config) => (config.process.rlimits = [{ type: "RLIMIT_NO_SUCH", soft: 1, hard: 1 }]));
});

sentence({ "config.md > POSIX process": [3, 5, 7] }, "getrlimit(3) finds the soft and hard limits of the configuration", async (c) => {
  const limits = [
    { type: "RLIMIT_NOFILE", soft: 100, hard: 200 },
    { type: "RLIMIT_CORE", soft: 0, hard: 4096 },
    { type: "RLIMIT_FSIZE", soft: 1 << 30, hard: 2 ** 31 },
    { type: "RLIMIT_CPU", soft: 60, hard: 120 },
    { type: "RLIMIT_NPROC", soft: 500, hard: 600 },
  ];
  const { rlimits } = await c.report((config) => (config.process.rlimits = limits));
  for (const { type, soft, hard } of limits) {
    const name = type.slice("RLIMIT_".length).toLowerCase();
    const found = Object.entries(rlimits).find(([key]) => key.toLowerCase().replace("rlimit_", "") === name)?.[1];
    assert.deepEqual(found, [String(soft), String(hard)], type);
  }
});

sentence({ "config.md > POSIX process": [8] }, "an rlimit that is there twice is refused", async (c) => {
  const limit = { type: "RLIMIT_NOFILE", soft: 100, hard: 200 };
  await configRefused(c, (config) => (config.process.rlimits = [limit, { ...limit, soft: 50 }]));
});

sentence(
  { "config.md > Linux Process": [1] },
  "a capability that does not exist is left out, with a warning that has its name",
  async (c) => {
    const names = ["CAP_KILL", "CAP_NO_SUCH_THING"];
    const bundle = c.bundle({
      args: ["probe", "report"],
      config: (config) => (config.process.capabilities = { bounding: names, effective: names, permitted: names }),
    });
    const log = `${c.directory}/log`;
    const result = await c.ok(["--log", log, "run", "-b", bundle.directory, c.id]);
    assert.equal(BigInt(`0x${(JSON.parse(result.stdout) as { permitted: string }).permitted}`), 1n << 5n);
    assert.match(`${readFileSync(log, "utf8")}${result.stderr}`, /NO_SUCH_THING/, describe(result));
  },
);

sentence({ "config.md > Linux Process": [2] }, "oom_score_adj is what the configuration says", async (c) => {
  const value = Math.min(1000, Number(readFileSync("/proc/self/oom_score_adj", "utf8")) + 123);
  assert.equal(await printed(c, "cat /proc/self/oom_score_adj", (config) => (config.process.oomScoreAdj = value)), String(value));
});

sentence({ "config.md > Linux Process": [3] }, "oom_score_adj stays the caller's where the configuration says nothing", async (c) => {
  const bundle = c.bundle({ args: ["cat", "/proc/self/oom_score_adj"] });
  const value = Math.min(1000, Number(readFileSync("/proc/self/oom_score_adj", "utf8")) + 57);
  const line = `echo ${value} >/proc/self/oom_score_adj && exec "$@"`;
  const result = await (await c.startBelowShell(line, ["run", "-b", bundle.directory, c.id])).wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout.trim(), String(value));
});

sentence({ "config.md > Annotations": [1, 2, 15] }, "annotations that are no map of strings to strings are refused", async (c) => {
  for (const annotations of [[], "text", { key: 1 }, { key: null }, { key: { nested: "map" } }]) {
    await configRefused(c, (config) => set(config, "annotations", annotations));
  }
});

sentence({ "config.md > Annotations": [3] }, "an annotation with an empty key is refused", async (c) => {
  await configRefused(c, (config) => set(config, "annotations", { "": "value" }));
});

sentence({ "config.md > Annotations": [14] }, "annotations with unknown keys are taken and told in the state", async (c) => {
  const annotations = { "org.example.unknown": "value", plain: "" };
  await c.create(c.bundle({ args: ["true"], config: (config) => (config.annotations = annotations) }));
  assert.deepEqual((await c.state()).annotations, annotations);
});

sentence({ "config.md > Extensibility": [1] }, "unknown properties are ignored, wherever they are", async (c) => {
  const line = await printed(c, "echo ran", (config) => {
    for (const object of [
      config,
      config.process,
      config.process.user,
      config.root,
      config.mounts[0],
      config.linux,
      config.linux.namespaces[0],
    ]) {
      set(object as object, "unknownToAll", { any: ["thing"] });
    }
  });
  assert.equal(line, "ran");
});

sentence({ "config.md > Valid values": [1] }, "invalid values and types are refused", async (c) => {
  const changes: [name: string, change: Parameters<typeof configRefused>[1]][] = [
    ["args is no array", (config) => set(config.process, "args", "true")],
    ["uid is a text", (config) => set(config.process.user, "uid", "root")],
    ["uid is negative", (config) => set(config.process.user, "uid", -1)],
    ["namespace of no type", (config) => config.linux.namespaces.push({ type: "no-such" })],
    ["propagation of no kind", (config) => (config.linux.rootfsPropagation = "everywhere")],
    ["device of no type", (config) => set(config.linux, "devices", [{ type: "x", path: "/dev/x", major: 1, minor: 3 }])],
    ["limit that is a text", (config) => set(config.linux.resources, "pids", { limit: "many" })],
    ["file system of no kind", (config) => config.mounts.push({ destination: "/mnt", type: "no-such-fs", source: "none" })],
  ];
  for (const [name, change] of changes) {
    try {
      await configRefused(c, change);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
});

sentence(
  { "runtime-linux.md > Dev symbolic links": [1] },
  "/dev/fd, stdin, stdout and stderr are links into /proc, where that is mounted",
  async (c) => {
    const line = "for name in fd stdin stdout stderr; do readlink /dev/$name; done";
    assert.equal(await printed(c, line), "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2");
    // Also in the image's own /dev, with nothing mounted on it.
    const bundle = c.bundle({
      args: ["readlink", "/dev/fd"],
      config: (config) => (config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"))),
    });
    writeFileSync(`${bundle.rootfs}/dev/other`, "");
    assert.equal((await c.run(bundle)).stdout.trim(), "/proc/self/fd");
    assert.ok(statSync(`${bundle.rootfs}/dev/other`).isFile());
  },
);
