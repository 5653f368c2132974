import t from "tap";
import type { Process, Spec } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import { dedupeEnvironment, planProcess } from "./process.js";
import type { ProcessOptions } from "./process.js";

const capabilities = { bounding: "0", effective: "0", inheritable: "0", permitted: "0", ambient: "0" };
const options: ProcessOptions = { preserveFds: 0, listenFds: 0, keyring: "_ses.c1", operations: [], capabilities };
const planOf = (process: Partial<Process>, more: Partial<ProcessOptions> = {}, spec: Partial<Spec> = {}, euid = 0) =>
  planProcess({ ociVersion: "1.0.0", ...spec }, { cwd: "/", args: ["sh"], ...process }, { ...FACTS, euid }, { ...options, ...more });

t.test("defaults are explicit", async (t) => {
  t.same(planOf({}), {
    args: ["sh"],
    env: [],
    setHome: true,
    cwd: "/",
    uid: 0,
    gid: 0,
    additionalGids: [],
    umask: 0o022,
    capabilities,
    rlimits: [],
    noNewPrivileges: false,
    terminal: false,
    preserveFds: 0,
    keyring: "_ses.c1",
    keyringLabel: null,
  });
});

t.test("limits beyond 2^53 keep every digit", async (t) => {
  t.same(planOf({ rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 18446744073709551615n }] }).rlimits, [
    { kind: "RLIMIT_CORE", soft: "0", hard: "18446744073709551615" },
  ]);
});

t.test("the last of several entries for a variable counts, in the place of the first", async (t) => {
  t.same(dedupeEnvironment(["A=1", "B=2", "A=3=4", "C="]), ["A=3=4", "B=2", "C="]);
});

t.test("a group counts once", async (t) => {
  t.same(planOf({ user: { additionalGids: [10, 5, 10] } }).additionalGids, [10, 5]);
});

t.test("HOME is set unless the configuration has one", async (t) => {
  t.equal(planOf({ env: ["HOME=/x"] }).setHome, false);
  t.equal(planOf({ env: ["HOMER=/x"] }).setHome, true);
});

t.test("socket activation comes first among the descriptors and tells the program", async (t) => {
  const { preserveFds, env } = planOf({ env: ["LISTEN_FDS=9"] }, { preserveFds: 2, listenFds: 3 });
  t.equal(preserveFds, 5);
  t.same(env, ["LISTEN_FDS=3", "LISTEN_PID=1"]);
});

t.test("the program gets the path of its notify socket", async (t) => {
  t.same(planOf({}, { notifySocket: "/run/notify/notify.sock" }).env, ["NOTIFY_SOCKET=/run/notify/notify.sock"]);
});

t.test("a user who maps one group leaves the groups alone, and has no others", async (t) => {
  const one = { linux: { gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] } };
  const many = { linux: { gidMappings: [{ containerID: 0, hostID: 1000, size: 2 }] } };
  t.equal(planOf({}, {}, one, 1000).additionalGids, null);
  t.same(planOf({}, {}, one, 0).additionalGids, []);
  t.same(planOf({ user: { additionalGids: [1] } }, {}, many, 1000).additionalGids, [1]);
  t.throws(() => planOf({ user: { additionalGids: [1] } }, {}, one, 1000), { code: "unsupported", path: "/process/user/additionalGids" });
});
