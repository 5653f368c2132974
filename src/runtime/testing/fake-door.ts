/** A host for tests: answers requests from tables, remembers every one. No file, no process. */

import type { LazyParts } from "../../door.js";
import type { LibraryDoor, RuntimeContext } from "../container/context.js";
import type { Failure, HostFacts, ProcessIdentity, Reply, Request } from "../generated/plan.js";
import { planRare, rareRules } from "../rare.js";
import { deviceProperties, factsWanted, planScope, planUnitLimits, unitRules } from "../plan/systemd.js";
import { loadSpec } from "../spec/load.js";
import type { ValidatedSpec } from "../spec/load.js";
import { planSeccomp } from "../plan/seccomp.js";
import { warningsOf } from "../warnings.js";

/** Answers to requests by their `op`; one that is not here is answered as a healthy host would. */
export type Answers = { [Op in Request["op"]]?: (request: Extract<Request, { op: Op }>) => Reply };

export interface FakeDoorOptions {
  facts?: Partial<HostFacts>;
  /** Texts by path. */
  files?: Record<string, string>;
  answers?: Answers;
}

export interface FakeDoor {
  door: LibraryDoor;
  requests: Request[];
  /** The `op` of every request, in order. */
  ops(): string[];
  files: Map<string, string>;
}

/** The working directory. */
const CWD = "/work";

/** A healthy host with pure cgroup v2. */
export const FACTS: HostFacts = {
  euid: 0,
  egid: 0,
  inUserNamespace: false,
  cgroupMode: "v2",
  hierarchies: [{ controllers: [], mountpoint: "/sys/fs/cgroup", own: "/user.slice/session" }],
  v2Controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"],
  lastCapability: 40,
  missingCapabilities: [],
};

const done: Reply = { kind: "done" };

/** A failed request's reply. */
export function failed(code: Failure["code"], operation: string, cause: string): Reply {
  return { kind: "failed", failure: { code, operation, cause } };
}

const PARTS: LazyParts = {
  careful: {
    readCarefully: () => {
      throw new Error("the configuration needs the careful loader");
    },
  },
  rare: { planRare, rareRules },
  seccomp: { planSeccomp },
  warnings: { warningsOf },
  systemd: { deviceProperties, factsWanted, planScope, planUnitLimits, unitRules },
};

export function fakeDoor({ facts, files, answers }: FakeDoorOptions = {}): FakeDoor {
  const requests: Request[] = [];
  const texts = new Map(Object.entries(files ?? {}));
  /** Where the state of a locked container is, by the lock's handle. */
  const states = new Map<number, string>();
  const process: ProcessIdentity = { pid: 4321, startTimeTicks: "99" };
  const lock = (path: string): Reply => {
    states.set(++handles, path);
    return { kind: "handle", handle: handles };
  };
  const stateIn = (path: string): Reply => {
    const text = texts.get(path);
    return text === undefined ? failed("notFound", `open "${path}"`, "ENOENT (no such file or directory)") : { kind: "text", text };
  };
  let handles = 0;
  const answer = (request: Request): Reply => {
    const special = answers?.[request.op] as ((request: Request) => Reply) | undefined;
    if (special) return special(request);
    switch (request.op) {
      case "readFile": {
        const text = texts.get(request.path);
        return text === undefined
          ? failed("notFound", `open "${request.path}"`, "ENOENT (no such file or directory)")
          : { kind: "text", text };
      }
      case "peekState":
        return stateIn(`${request.root}/${request.id}/state.json`);
      case "readState":
        return stateIn(states.get(request.lock) ?? "");
      case "readConfig": {
        const text = texts.get(request.path);
        return text === undefined
          ? failed("notFound", `open "${request.path}"`, "ENOENT (no such file or directory)")
          : { kind: "config", text, seccomp: null };
      }
      case "resolveDirectory":
      case "absolutePath":
        return {
          kind: "text",
          text: request.path.startsWith("/") ? request.path : request.path === "." ? CWD : `${CWD}/${request.path}`,
        };
      case "hostFacts":
        return { kind: "facts", facts: { ...FACTS, ...facts } };
      case "missing":
        return { kind: "names", names: request.paths.filter((path) => path.endsWith("/c1") || path === "/proc/kcore") };
      case "pathKind":
        return { kind: "text", text: "directory" };
      case "summarizeContainers": {
        const listed = answer({ op: "listContainers", root: request.root });
        return listed.kind === "names" ? { kind: "summaries", names: listed.names, summaries: listed.names.map(() => null) } : listed;
      }
      case "listContainers":
        return { kind: "names", names: [] };
      case "findMount":
        return { kind: "text", text: "" };
      case "compileSeccomp":
        return { kind: "handle", handle: ++handles };
      case "seccompFacts":
        return { kind: "seccompFacts", facts: { flags: ["specAllow"], libseccomp: "2.6.0" } };
      case "reserve":
        texts.set(`${request.root}/${request.record.id}/state.json`, JSON.stringify(request.record));
        return lock(`${request.root}/${request.record.id}/state.json`);
      case "lockContainer":
      case "takeOver":
        return texts.has(`${request.root}/${request.id}/state.json`)
          ? lock(`${request.root}/${request.id}/state.json`)
          : failed("notFound", "lock", "ENOENT");
      case "create":
        texts.set(states.get(request.lock) ?? "", JSON.stringify({ ...request.record, process }));
        return { kind: "created", handle: ++handles, process, warnings: [] };
      case "saveState":
        texts.set(states.get(request.handle) ?? "", JSON.stringify(request.record));
        return done;
      case "start":
        return { kind: "started", notify: null };
      case "foreground":
        return { kind: "exit", status: 0 };
      case "killCgroup":
      case "alive":
      case "atGate":
      case "waitGone":
        return { kind: "flag", flag: true };
      case "cgroupProcesses":
        return { kind: "pids", pids: [process.pid] };
      case "runProgram":
        return { kind: "finished", status: 0, stdout: `  PID CMD\n${process.pid} true\n`, stderr: "" };
      case "outOfMemory":
        return { kind: "text", text: "" };
      case "frozen":
        return { kind: "flag", flag: false };
      case "now":
        return { kind: "text", text: "2026-01-02T03:04:05.000000006Z" };
      case "userName":
        return { kind: "text", text: request.uid === 0 ? "root" : String(request.uid) };
      default:
        return done;
    }
  };
  return {
    door: {
      call: (text) => {
        const request = JSON.parse(text) as Request;
        requests.push(request);
        return JSON.stringify(answer(request));
      },
      part: <Name extends keyof LazyParts>(name: Name) => PARTS[name],
    },
    requests,
    ops: () => requests.map(({ op }) => op),
    files: texts,
  };
}

export interface FakeContext extends RuntimeContext {
  logged: string[];
}

/** A context in /run/test that remembers what was logged. */
export function fakeContext(door: LibraryDoor): FakeContext {
  const logged: string[] = [];
  return { door, root: "/run/test", rootMode: 0o700, logged, log: (level, message) => logged.push(`${level}: ${message}`) };
}

/** A configuration without the schema's validation, which needs built files. */
export function validated(spec: object, rootless = false): ValidatedSpec {
  const careful = (): never => {
    throw new Error("the configuration breaks a rule");
  };
  return loadSpec(JSON.stringify(spec), { fits: () => true, rare: () => rareRules, careful }, { rootless });
}
