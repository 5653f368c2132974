/**
 * features.md and features-linux.md: the output of `features`.
 */
import assert from "node:assert/strict";
import { readdirSync, symlinkSync } from "node:fs";
import { configRefused, set } from "./black-box.js";
import { sentence } from "./sentence.js";
import type { Config } from "../../test/integration/harness/config.js";
import type { Context } from "../../test/integration/harness/context.js";
import type { Json } from "./black-box.js";

interface Features {
  ociVersionMin: string;
  ociVersionMax: string;
  hooks?: string[];
  mountOptions?: string[];
  annotations?: Record<string, unknown>;
  linux?: {
    namespaces?: string[];
    capabilities?: string[];
    seccomp?: {
      enabled?: boolean;
      actions?: string[];
      operators?: string[];
      archs?: string[];
      knownFlags?: string[];
      supportedFlags?: string[];
    };
    memoryPolicy?: { modes?: string[]; flags?: string[] };
    mountExtensions?: { idmap?: { enabled?: boolean } };
  };
}

/** Skips the test if the runtime has no `features`: "A runtime MAY provide a JSON structure about its implemented features". */
async function features(c: Context): Promise<Features> {
  const { status, stdout } = await c.runtime(["features"]);
  if (status !== 0) c.skip("the runtime provides no features structure, which is optional");
  return JSON.parse(stdout) as Features;
}

/** The properties that features.md and features-linux.md define; null stands for a value of any type. */
const defined = {
  ociVersionMin: null,
  ociVersionMax: null,
  hooks: null,
  mountOptions: null,
  annotations: null,
  potentiallyUnsafeConfigAnnotations: null,
  linux: {
    namespaces: null,
    capabilities: null,
    cgroup: { v1: null, v2: null, systemd: null, systemdUser: null, rdma: null },
    seccomp: { enabled: null, actions: null, operators: null, archs: null, knownFlags: null, supportedFlags: null },
    apparmor: { enabled: null },
    selinux: { enabled: null },
    memoryPolicy: { modes: null, flags: null },
    intelRdt: { enabled: null, schemata: null, monitoring: null },
    mountExtensions: { idmap: { enabled: null } },
    netDevices: { enabled: null },
  },
};

function undefinedIn(value: object, allowed: object, path = ""): string[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    if (!(name in allowed)) return [`${path}/${name}`];
    const below = (allowed as Record<string, object | null>)[name];
    return below && typeof inner === "object" && inner !== null ? undefinedIn(inner, below, `${path}/${name}`) : [];
  });
}

/** Asserts that `create` accepts a configuration. */
async function accepted(c: Context, change: (config: Config & Json) => void): Promise<void> {
  const bundle = c.bundle({ args: ["true"], config: (config) => change(config as Config & Json) });
  await c.ok(["create", "-b", bundle.directory, c.id]);
  await c.ok(["delete", "-f", c.id]);
}

/** Asserts that `create` accepts each name. This proves support, because `create` refuses unknown names. */
async function recognized(
  c: Context,
  names: readonly string[] | undefined,
  use: (name: string) => (config: Config & Json) => void,
): Promise<void> {
  for (const name of names ?? []) {
    try {
      await accepted(c, use(name));
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

const seccomp = (profile: Json) => (config: Config & Json) =>
  set(config.linux, "seccomp", { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["sync"], action: "SCMP_ACT_ERRNO" }], ...profile });

sentence(
  { "features.md > Features Structure": [1] },
  "what is not supported is absent or null, and not an empty value of another type",
  async (c) => {
    const { hooks, mountOptions, linux } = await features(c);
    for (const list of [hooks, mountOptions, linux?.namespaces, linux?.capabilities])
      assert.ok(list === undefined || list === null || list.length > 0);
  },
);

sentence(
  { "features.md > Specification version": [1, 3, 5] },
  "features has the lowest and the highest version, in this order",
  async (c) => {
    const { ociVersionMin, ociVersionMax } = await features(c);
    const numbers = (version: string): number[] => (/^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
    assert.equal(numbers(ociVersionMin).length, 3, ociVersionMin);
    assert.equal(numbers(ociVersionMax).length, 3, ociVersionMax);
    const weight = ([major = 0, minor = 0, patch = 0]: number[]): number => (major * 1000 + minor) * 1000 + patch;
    assert.ok(weight(numbers(ociVersionMin)) <= weight(numbers(ociVersionMax)));
  },
);

sentence({ "features.md > Specification version": [2, 4] }, "the lowest and the highest version are taken as ociVersion", async (c) => {
  const { ociVersionMin, ociVersionMax } = await features(c);
  for (const version of [ociVersionMin, ociVersionMax]) await accepted(c, (config) => (config.ociVersion = version));
});

sentence({ "features.md > Specification version": [6] }, "features has no property that the specification does not define", async (c) => {
  assert.deepEqual(undefinedIn(await features(c), defined), []);
});

sentence({ "features.md > Hooks": [1] }, "each hook of features is taken and called", async (c) => {
  const { hooks } = await features(c);
  for (const name of hooks ?? []) {
    const id = c.otherId(name);
    const bundle = c.bundle({
      args: ["true"],
      config: (config) => {
        config.mounts.push({ destination: c.directory, type: "bind", source: c.directory, options: ["bind"] });
        set(config, "hooks", { [name]: [{ path: "/bin/sh", args: ["sh", "-c", `: >${c.directory}/called-${name}`] }] });
      },
    });
    await c.createAndStart(bundle, [], { id });
    await c.status("stopped", id);
    await c.ok(["delete", id]);
    assert.equal((await (await c.spawn("/bin/ls", [`${c.directory}/called-${name}`])).wait()).status, 0, name);
  }
});

sentence({ "features.md > Mount Options": [1] }, "each mount option of features is taken", async (c) => {
  const { mountOptions } = await features(c);
  const needs: Record<string, string[]> = { idmap: ["bind"], ridmap: ["rbind"] };
  await recognized(c, mountOptions, (option) => (config) => {
    const mappings = [{ containerID: 0, hostID: 1000, size: 1 }];
    if (option in needs) {
      config.mounts.push({
        destination: "/mnt",
        source: c.directory,
        options: [...(needs[option] ?? []), option],
        uidMappings: mappings,
        gidMappings: mappings,
      });
      return;
    }
    if (option === "copy-symlink" || option === "src-nofollow") {
      const link = `${c.directory}/link`;
      if (!readdirSync(c.directory).includes("link")) symlinkSync("file", link);
      const source = option === "copy-symlink" ? link : c.directory;
      config.mounts.push({ destination: `/mnt/${option}`, source, options: ["bind", option] });
      return;
    }
    if (option === "remount") config.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs" });
    const bind = option === "bind" || option === "rbind";
    config.mounts.push({ destination: "/mnt", type: bind ? "none" : "tmpfs", source: bind ? c.directory : "tmpfs", options: [option] });
  });
});

sentence({ "features.md > Annotations": [1] }, "the annotations of features are a map of strings to strings", async (c) => {
  const { annotations } = await features(c);
  for (const [name, value] of Object.entries(annotations ?? {})) {
    assert.notEqual(name, "");
    assert.equal(typeof value, "string", name);
  }
});

sentence({ "features-linux.md > Namespaces": [1] }, "each namespace of features is taken", async (c) => {
  const { linux } = await features(c);
  await recognized(c, linux?.namespaces, (type) => (config) => {
    config.linux.namespaces = config.linux.namespaces.filter((namespace) => namespace.type !== type);
    config.linux.namespaces.push({ type });
    if (type === "user") config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
  });
});

sentence({ "features-linux.md > Capabilities": [1] }, "each capability of features is taken", async (c) => {
  const { linux } = await features(c);
  const names = linux?.capabilities ?? [];
  const ungrantable = new Set(["CAP_SYS_RESOURCE"]); // the caller may lack it; the runtime then only warns
  await accepted(c, (config) => (config.process.capabilities = { bounding: names.filter((name) => !ungrantable.has(name)) }));
});

sentence({ "features-linux.md > Seccomp": [1] }, "each seccomp action of features is taken", async (c) => {
  const { linux } = await features(c);
  const actions = (linux?.seccomp?.actions ?? []).filter((action) => action !== "SCMP_ACT_NOTIFY"); // needs a listener
  await recognized(c, actions, (action) => (config) => seccomp({ syscalls: [{ names: ["sync"], action }] })(config));
});

sentence({ "features-linux.md > Seccomp": [2] }, "each seccomp operator of features is taken", async (c) => {
  const { linux } = await features(c);
  await recognized(
    c,
    linux?.seccomp?.operators,
    (op) => (config) =>
      seccomp({ syscalls: [{ names: ["sync"], action: "SCMP_ACT_ERRNO", args: [{ index: 0, value: 1, valueTwo: 1, op }] }] })(config),
  );
});

sentence({ "features-linux.md > Seccomp": [3] }, "each seccomp architecture of features is taken", async (c) => {
  const { linux } = await features(c);
  // All architectures of a filter must have the same byte order (seccomp_arch_add(3)), so test only those of this machine's.
  const bigEndian = /_(MIPS|MIPS64|MIPS64N32|PPC|PPC64|S390|S390X|PARISC|PARISC64|M68K|SHEB)$/;
  const archs = linux?.seccomp?.archs?.filter((name) => !bigEndian.test(name));
  await recognized(c, archs, (architecture) => (config) => seccomp({ architectures: [architecture] })(config));
});

sentence(
  { "features-linux.md > Seccomp": [4, 5] },
  "each seccomp flag that features calls supported is taken, and is one of those known",
  async (c) => {
    const { linux } = await features(c);
    const { knownFlags, supportedFlags } = linux?.seccomp ?? {};
    for (const flag of supportedFlags ?? []) assert.ok(knownFlags?.includes(flag), flag);
    const flags = (supportedFlags ?? []).filter((flag) => flag !== "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"); // needs a listener
    await recognized(c, flags, (flag) => (config) => seccomp({ flags: [flag] })(config));
  },
);

sentence({ "features-linux.md > MemoryPolicy": [1, 2] }, "each memory policy and flag of features is taken", async (c) => {
  const { linux } = await features(c);
  const withoutNodes = ["MPOL_DEFAULT", "MPOL_LOCAL"];
  const policy =
    (mode: string, flags: string[] = []) =>
    (config: Config & Json) =>
      set(config.linux, "memoryPolicy", { mode, ...(!withoutNodes.includes(mode) && { nodes: "0" }), flags });
  await recognized(c, linux?.memoryPolicy?.modes, (mode) => policy(mode));
  await recognized(c, linux?.memoryPolicy?.flags, (flag) => policy("MPOL_BIND", [flag]));
  if (linux?.memoryPolicy) await configRefused(c, policy("MPOL_NO_SUCH"));
});

sentence({ "features-linux.md > MountExtensions": [1] }, "a runtime that uses the mappings of a mount says so", async (c) => {
  const { linux } = await features(c);
  const mappings = [{ containerID: 0, hostID: 4711, size: 1 }];
  const bundle = c.bundle({
    args: ["stat", "-c", "%u", "/mnt"],
    config: (config) =>
      config.mounts.push({
        destination: "/mnt",
        source: c.directory,
        options: ["bind", "idmap"],
        uidMappings: mappings,
        gidMappings: mappings,
      }),
  });
  const result = await c.run(bundle);
  if (result.stdout.trim() === "4711") assert.equal(linux?.mountExtensions?.idmap?.enabled, true);
});
