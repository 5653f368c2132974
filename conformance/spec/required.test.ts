/**
 * Properties that the specification calls REQUIRED: a configuration without one is invalid, and a runtime
 * "MUST generate an error when invalid or unsupported values are encountered" (config.md, Valid values).
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { configRefused, remove } from "./black-box.js";
import { sentence } from "./sentence.js";
import { describe } from "../../test/integration/harness/execute.js";
import type { Json } from "./black-box.js";
import type { Config } from "../../test/integration/harness/config.js";

interface Required {
  at: Record<string, number[]>;
  /** The property's name in the table. */
  name: string;
  /** Adds the parent of the property to the configuration, which is then valid. */
  add?: (config: Config & Json) => void;
  /** The property's paths in the valid configuration. The test removes one at a time. */
  paths: (string | number)[][];
}

const linux = (name: string, value: unknown) => (config: Config & Json) => Object.assign(config.linux, { [name]: value });
const resource = (name: string, value: unknown) => (config: Config & Json) => Object.assign(config.linux.resources, { [name]: value });
const process = (name: string, value: unknown) => (config: Config & Json) => Object.assign(config.process, { [name]: value });
const inLinux = (...path: (string | number)[]): (string | number)[] => ["linux", ...path];
const inResources = (...path: (string | number)[]): (string | number)[] => ["linux", "resources", ...path];
const seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["sync"], action: "SCMP_ACT_ERRNO", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] }],
};
/** A disk of the host: only whole disks can be throttled. */
const disk = ((): { major: number; minor: number } => {
  const numbers = readdirSync("/sys/block").map((name) => readFileSync(`/sys/block/${name}/dev`, "utf8").trim());
  const [major = 8, minor = 0] = (numbers.find((text) => !text.startsWith("7:")) ?? "8:0").split(":").map(Number);
  return { major, minor };
})();
const device = { ...disk, weight: 100, rate: 1 << 30 };

const properties: Required[] = [
  { at: { "config.md > Specification version": [1] }, name: "ociVersion", paths: [["ociVersion"]] },
  { at: { "config.md > Root": [3] }, name: "root", paths: [["root"]] },
  { at: { "config.md > Root": [4] }, name: "root.path", paths: [["root", "path"]] },
  { at: { "config.md > Mounts": [2] }, name: "mounts[].destination", paths: [["mounts", 0, "destination"]] },
  ...(["height", "width"] as const).map((name, index) => ({
    at: { "config.md > Process": [3 + index] },
    name: `process.consoleSize.${name}`,
    add: process("consoleSize", { height: 10, width: 20 }),
    paths: [["process", "consoleSize", name]],
  })),
  { at: { "config.md > Process": [5] }, name: "process.cwd", paths: [["process", "cwd"]] },
  { at: { "config.md > Process": [7] }, name: "the first entry of process.args", paths: [["process", "args"]] },
  ...(["type", "soft", "hard"] as const).map((name, index) => ({
    at: { "config.md > POSIX process": [[1, 4, 6][index] as number] },
    name: `process.rlimits[].${name}`,
    paths: [["process", "rlimits", 0, name]],
  })),
  {
    at: { "config.md > Linux Process": [4] },
    name: "process.scheduler.policy",
    add: process("scheduler", { policy: "SCHED_OTHER", nice: 1 }),
    paths: [["process", "scheduler", "policy"]],
  },
  ...(["class", "priority"] as const).map((name, index) => ({
    at: { "config.md > Linux Process": [5 + index] },
    name: `process.ioPriority.${name}`,
    add: process("ioPriority", { class: "IOPRIO_CLASS_BE", priority: 4 }),
    paths: [["process", "ioPriority", name]],
  })),
  ...(["uid", "gid"] as const).map((name, index) => ({
    at: { "config.md > POSIX-platform User": [1 + index] },
    name: `process.user.${name}`,
    paths: [["process", "user", name]],
  })),
  { at: { "config-linux.md > Namespaces": [1] }, name: "linux.namespaces[].type", paths: [inLinux("namespaces", 0, "type")] },
  ...(["containerID", "hostID", "size"] as const).map((name, index) => ({
    at: { "config-linux.md > User namespace mappings": [1 + index] },
    name: `linux.uidMappings[].${name}`,
    add: (config: Config & Json): void => {
      config.linux.namespaces.push({ type: "user" });
      for (const kind of ["uidMappings", "gidMappings"]) linux(kind, [{ containerID: 0, hostID: 100_000, size: 1000 }])(config);
    },
    paths: [inLinux("uidMappings", 0, name), inLinux("gidMappings", 0, name)],
  })),
  ...(["type", "path"] as const).map((name, index) => ({
    at: { "config-linux.md > Devices": [2 + index] },
    name: `linux.devices[].${name}`,
    add: linux("devices", [{ type: "c", path: "/dev/made", major: 1, minor: 3 }]),
    paths: [inLinux("devices", 0, name)],
  })),
  {
    at: { "config-linux.md > Devices": [5] },
    name: "linux.devices[].major and minor",
    add: linux("devices", [{ type: "c", path: "/dev/made", major: 1, minor: 3 }]),
    paths: [inLinux("devices", 0, "major"), inLinux("devices", 0, "minor")],
  },
  {
    at: { "config-linux.md > Allowed Device list": [2] },
    name: "linux.resources.devices[].allow",
    paths: [inResources("devices", 0, "allow")],
  },
  {
    at: { "config-linux.md > Block IO": [1] },
    name: "major and minor of blockIO.weightDevice[]",
    add: resource("blockIO", { weightDevice: [device] }),
    paths: [inResources("blockIO", "weightDevice", 0, "major"), inResources("blockIO", "weightDevice", 0, "minor")],
  },
  ...(["Bps", "IOPS"] as const).flatMap((unit, index) => {
    const lists = [`throttleRead${unit}Device`, `throttleWrite${unit}Device`];
    const add = resource("blockIO", Object.fromEntries(lists.map((list) => [list, [device]])));
    const pathsTo = (name: string): (string | number)[][] => lists.map((list) => inResources("blockIO", list, 0, name));
    return [
      {
        at: { "config-linux.md > Block IO": [3 + 2 * index] },
        name: `major and minor of the ${unit} throttles of blockIO`,
        add,
        paths: [...pathsTo("major"), ...pathsTo("minor")],
      },
      {
        at: { "config-linux.md > Block IO": [4 + 2 * index] },
        name: `rate of the ${unit} throttles of blockIO`,
        add,
        paths: pathsTo("rate"),
      },
    ];
  }),
  ...(["pageSize", "limit"] as const).map((name, index) => ({
    at: { "config-linux.md > Huge page limits": [1 + index] },
    name: `hugepageLimits[].${name}`,
    add: resource("hugepageLimits", [{ pageSize: "2MB", limit: 1 << 21 }]),
    paths: [inResources("hugepageLimits", 0, name)],
  })),
  ...(["name", "priority"] as const).map((name, index) => ({
    at: { "config-linux.md > Network": [1 + index] },
    name: `network.priorities[].${name}`,
    add: resource("network", { priorities: [{ name: "lo", priority: 1 }] }),
    paths: [inResources("network", "priorities", 0, name)],
  })),
  {
    at: { "config-linux.md > Memory policy": [1] },
    name: "linux.memoryPolicy.mode",
    add: linux("memoryPolicy", { mode: "MPOL_DEFAULT", nodes: "" }),
    paths: [inLinux("memoryPolicy", "mode")],
  },
  {
    at: { "config-linux.md > Seccomp": [1] },
    name: "seccomp.defaultAction",
    add: linux("seccomp", seccomp),
    paths: [inLinux("seccomp", "defaultAction")],
  },
  ...(["names", "action"] as const).map((name, index) => ({
    at: { "config-linux.md > Seccomp": [10 + 2 * index] },
    name: `seccomp.syscalls[].${name}`,
    add: linux("seccomp", seccomp),
    paths: [inLinux("seccomp", "syscalls", 0, name)],
  })),
  ...(["index", "value", "op"] as const).map((name, index) => ({
    at: { "config-linux.md > Seccomp": [14 + index] },
    name: `seccomp.syscalls[].args[].${name}`,
    add: linux("seccomp", seccomp),
    paths: [inLinux("seccomp", "syscalls", 0, "args", 0, name)],
  })),
  {
    at: { "config-linux.md > Personality": [1] },
    name: "linux.personality.domain",
    add: linux("personality", { domain: "LINUX", flags: [] }),
    paths: [inLinux("personality", "domain")],
  },
];

/** Properties of controllers that few hosts have. */
const hostMayLack = /blockIO|hugepageLimits|network\./;

for (const { at, name, add, paths } of properties) {
  sentence(at, `a configuration without ${name} is refused`, async (c) => {
    // First check that the valid configuration is accepted. If not, the host lacks a controller or device, or the runtime lacks the field, and
    // a refusal without the property would prove nothing.
    const valid = c.bundle({ args: ["true"], config: (config) => add?.(config as Config & Json) });
    const result = await c.runtime(["create", "-b", valid.directory, c.id]);
    if (result.status !== 0 && hostMayLack.test(name))
      c.skip(`the host lacks what a sound value needs: ${result.stderr.trim().split("\n").at(-1) ?? ""}`);
    assert.equal(result.status, 0, describe(result));
    await c.ok(["delete", "-f", c.id]);
    for (const path of paths) {
      const change = (config: Config & Json): void => {
        add?.(config);
        // Copy it, because the tests share the added objects.
        Object.assign(config, structuredClone(config));
        remove(config, path);
      };
      try {
        await configRefused(c, change);
      } catch (error) {
        throw new Error(`/${path.join("/")}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

sentence({ "config-linux.md > Seccomp": [11] }, "a seccomp rule without a name is refused", async (c) => {
  await configRefused(c, (config) =>
    linux("seccomp", { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [], action: "SCMP_ACT_ERRNO" }] })(config),
  );
});

sentence({ "config-linux.md > Block IO": [2] }, "a blockIO.weightDevice entry without weight and leafWeight is refused", async (c) => {
  await configRefused(c, resource("blockIO", { weightDevice: [{ major: 8, minor: 0 }] }));
});

sentence({ "config-linux.md > RDMA": [1] }, "an rdma entry without hcaHandles and hcaObjects is refused", async (c) => {
  await configRefused(c, resource("rdma", { mlx5_1: {} }));
});
