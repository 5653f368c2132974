import { readFileSync, readdirSync } from "node:fs";
import t from "tap";
import type { Fault } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";
import { configuration, mutated, randomNumbers, runcRootlessSpecText, runcSpecText } from "./fixtures/configurations.js";
import fits from "./generated/validate-config-fast.js";
import reportConfig from "./generated/validate-config-report.js";
import reportFeatures from "./generated/validate-features-report.js";
import reportState from "./generated/validate-state-report.js";
import { schemaFaults, type ReportValidator } from "./schema-faults.js";

// tap runs tests in the root of the repository.
const samples = (kind: string, verdict: "good" | "bad"): string[] => {
  const directory = `schema/samples/${kind}/${verdict}`;
  return readdirSync(directory).map((name) => `${directory}/${name}`);
};

const isValid = (validate: ReportValidator, path: string): boolean => {
  try {
    return validate(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return false; // invalid-json.json
  }
};

const faultsOf = (document: unknown): Fault[] => schemaFaults(reportConfig, document, document);

t.test("the good samples of the specification pass and the bad ones fail", async (t) => {
  for (const [kind, validate] of [
    ["config", reportConfig],
    ["features", reportFeatures],
    ["state", reportState],
  ] as const) {
    for (const path of samples(kind, "good")) t.equal(isValid(validate, path), true, path);
    for (const path of samples(kind, "bad")) t.equal(isValid(validate, path), false, path);
  }
  t.equal(samples("config", "good").length, 9);
  t.equal(samples("config", "bad").length, 5);
});

t.test("what runc writes passes", async (t) => {
  for (const text of [runcSpecText, runcRootlessSpecText]) t.strictSame(faultsOf(JSON.parse(text)), []);
});

t.test("each kind of fault says where it is, what was found and what is allowed", async (t) => {
  const cases: readonly (readonly [change: unknown, pointer: string, found: string, allowed: string])[] = [
    [{ root: {} }, "/root/path", "nothing", "a value: it is required"],
    [{ root: [] }, "/root", "an empty array", "an object"],
    [{ mounts: {} }, "/mounts", "an object", "an array"],
    [{ hostname: 7 }, "/hostname", "7", "a string"],
    [{ process: { cwd: "/", terminal: "yes" } }, "/process/terminal", '"yes"', "true or false"],
    [{ process: { cwd: "/", user: { uid: 1.5 } } }, "/process/user/uid", "1.5", "an integer"],
    [{ process: { cwd: "/", user: { uid: -1 } } }, "/process/user/uid", "-1", "at least 0"],
    [{ process: { cwd: "/", user: { uid: 4294967296 } } }, "/process/user/uid", "4294967296", "at most 4294967295"],
    [{ hooks: { poststop: [{ path: "/x", timeout: 0 }] } }, "/hooks/poststop/0/timeout", "0", "at least 1"],
    [
      { linux: { namespaces: [{ type: "chroot" }] } },
      "/linux/namespaces/0/type",
      '"chroot"',
      'one of "mount", "pid", "network", "uts", "ipc", "user", "cgroup", "time"',
    ],
    [{ linux: { devices: [{ type: "x", path: "/x" }] } }, "/linux/devices/0/type", '"x"', 'one of "c", "b", "u", "p"'],
    [
      { process: { cwd: "/", rlimits: [{ type: "nofile", soft: 1, hard: 1 }] } },
      "/process/rlimits/0/type",
      '"nofile"',
      'the name of a limit, such as "RLIMIT_NOFILE"',
    ],
    [{ linux: { intelRdt: { memBwSchema: "x" } } }, "/linux/intelRdt/memBwSchema", '"x"', "text that matches ^MB:[^\\n]*$"],
    [
      { linux: { seccomp: { defaultAction: "SCMP_ACT_LOG", syscalls: [{ names: [], action: "SCMP_ACT_LOG" }] } } },
      "/linux/seccomp/syscalls/0/names",
      "an empty array",
      "at least 1 of them",
    ],
    [{ annotations: { "a/b": 1 } }, "/annotations/a~1b", "1", "a string"],
    [{ linux: { resources: { memory: { limit: 1e30 } } } }, "/linux/resources/memory/limit", "1e+30", "at most 9223372036854775807"],
    [{ linux: { resources: { memory: { limit: -1e30 } } } }, "/linux/resources/memory/limit", "-1e+30", "at least -9223372036854775808"],
    [{ linux: { resources: { cpu: { shares: 1e30 } } } }, "/linux/resources/cpu/shares", "1e+30", "at most 18446744073709551615"],
    [{ windows: {} }, "/windows/layerFolders", "nothing", "a value: it is required"],
    [{ process: { cwd: "/", oomScoreAdj: Infinity } }, "/process/oomScoreAdj", "Infinity", "an integer"],
  ];
  for (const [change, pointer, found, allowed] of cases) {
    t.strictSame(faultsOf({ ociVersion: "1.3.0", ...(change as object) }), [{ pointer, found, allowed, rule: "schema" }]);
  }
});

t.test("found is shown with exact integers", async (t) => {
  const faults = schemaFaults(reportConfig, { ociVersion: 2 ** 60 + 1 }, { ociVersion: 2n ** 60n + 1n });
  t.match(faults, [{ found: "1152921504606846977" }]);
});

t.test("the propagation that containerd and moby write is taken", async (t) => {
  for (const rootfsPropagation of ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"] as const) {
    t.ok(fits(configuration(({ linux }) => (linux.rootfsPropagation = rootfsPropagation))), rootfsPropagation);
  }
  t.notOk(fits({ ...configuration(), linux: { rootfsPropagation: "both" } }));
});

t.test("the fast validator takes what the other takes, but for other platforms and integers beyond 2^53", async (t) => {
  const random = randomNumbers(3);
  const example = JSON.parse(
    readFileSync("schema/samples/config/good/spec-example.json", "utf8").replace("9223372036854772000", "1"),
  ) as Spec;
  // The one section that the fast one does not look at.
  delete example.linux?.seccomp;
  const counts = { taken: 0, refused: 0 };
  for (let round = 0; round < 6000; round++) {
    const document = mutated(round % 2 === 0 ? configuration() : example, random);
    // Integers beyond 2^53 have their own test below.
    if (/9007199254740992|1e\+300/.test(JSON.stringify(document))) continue;
    const expected = reportConfig(document);
    counts[expected ? "taken" : "refused"] += 1;
    if (fits(document) !== expected) t.fail(JSON.stringify(document).slice(0, 4000));
  }
  t.ok(counts.taken > 300 && counts.refused > 300, JSON.stringify(counts));
});

t.test("the fast validator leaves to the other what needs a closer look", async (t) => {
  t.ok(fits(configuration()));
  t.notOk(fits({ ...configuration(), freebsd: {} }));
  t.notOk(fits(configuration(({ process }) => (process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 ** 53 }]))));
  t.ok(reportConfig(configuration(({ process }) => (process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 ** 53 }]))));
});
