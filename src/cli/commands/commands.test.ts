import t from "tap";
import type { RuntimeContext } from "../../runtime/runtime.js";
import { defaultSpec } from "../../runtime/runtime.js";
import { failed, fakeContext, fakeDoor } from "../../runtime/testing/fake-door.js";
import type { FakeDoorOptions } from "../../runtime/testing/fake-door.js";
import type { CommandCall, CommandModule } from "../command.js";
import { commandNames } from "../grammars.js";
import * as lateParts from "../late-commands.js";
import * as completion from "./completion.js";
import * as create from "./create.js";
import * as deletes from "./delete.js";
import * as features from "./features.js";
import * as help from "./help.js";
import * as kill from "./kill.js";
import * as list from "./list.js";
import * as runs from "./run.js";
import * as spec from "./spec.js";
import * as start from "./start.js";
import * as state from "./state.js";

interface Given {
  args?: string[];
  values?: Record<string, string>;
  switches?: string[];
  door?: FakeDoorOptions;
}

function run(command: CommandModule, { args = [], values = {}, switches = [], door = {} }: Given = {}) {
  const fake = fakeDoor(door);
  let out = "";
  const warnings: string[] = [];
  const context: RuntimeContext = { ...fakeContext(fake.door), log: (_level, message) => void warnings.push(message) };
  const call: CommandCall = {
    door: {
      ...fake.door,
      argv: [],
      env: {},
      write: (fd, text) => void (fd === 1 && (out += text)),
      build: { version: "1", commit: "c", hostName: "node" },
    },
    global: { rootless: undefined, cgroupManager: "cgroupfs" },
    values,
    lists: {},
    switches: new Set(switches),
    args,
    late: () => lateParts,
    context: () => context,
  };
  const status = command.run(call);
  return { status, out, warnings, ops: fake.ops(), requests: fake.requests, context, call };
}

const spec0 = defaultSpec({});
const bundle = { files: { "/work/config.json": JSON.stringify({ ...spec0, process: { ...spec0.process, terminal: false } }) } };
const record = {
  version: 1,
  id: "c1",
  status: "running",
  bundle: "/b",
  rootfs: "/b/rootfs",
  created: "2026-01-01T00:00:00Z",
  ownerUid: 0,
  process: { pid: 5, startTimeTicks: "1" },
  ownPidNamespace: true,
  cgroups: { paths: [] },
  undo: [],
  poststart: [],
  poststop: [],
};
const running = {
  files: { "/run/test/c1/state.json": JSON.stringify(record) },
  answers: { listContainers: () => ({ kind: "names", names: ["c1"] }) },
} satisfies FakeDoorOptions;

t.test("create and run take the id and print nothing", async (t) => {
  t.match(run(create, { args: ["c1"], door: bundle }), { status: 0, out: "" });
  t.match(run(runs, { args: ["c1"], switches: ["detach"], door: bundle }), { status: 0, out: "" });
  t.match(run(runs, { args: ["c1"], door: { ...bundle, answers: { foreground: () => ({ kind: "exit", status: 9 }) } } }), { status: 9 });
  t.match(run(runs, { args: ["c1"], switches: ["no-subreaper", "keep"], door: bundle }).requests.at(-2), {
    op: "foreground",
    subreaper: false,
  });
});

t.test("start, kill and delete go to the container", async (t) => {
  const atGate = { ...running, files: { "/run/test/c1/state.json": JSON.stringify({ ...record, status: "created" }) } };
  t.ok(run(start, { args: ["c1"], door: atGate }).ops.includes("start"));
  t.match(run(kill, { args: ["c1"], door: running }).requests, [{}, {}, {}, { op: "kill", signal: 15 }]);
  t.match(run(kill, { args: ["c1", "HUP"], door: running }).requests, [{}, {}, {}, { op: "kill", signal: 1 }]);
  t.ok(run(deletes, { args: ["c1"], switches: ["force"], door: running }).ops.includes("removeContainer"));
});

t.test("state prints JSON with two spaces", async (t) => {
  const { out } = run(state, { args: ["c1"], door: running });
  t.equal(out.split("\n")[1], '  "ociVersion": "1.3.0",');
  t.match(JSON.parse(out), { id: "c1", pid: 5, status: "running", owner: "" });
});

t.test("list prints a table, JSON, or ids", async (t) => {
  const wide = "c".repeat(20);
  t.equal(
    list.table([{ ociVersion: "", id: wide, pid: 5, status: "running", bundle: "/b", rootfs: "", created: "then", owner: "root" }]),
    "ID                     PID         STATUS      BUNDLE      CREATED     OWNER\n" +
      `${wide}   5           running     /b          then        root\n`,
  );
  t.match(run(list, { door: running }).out, /^ID {10}PID {9}STATUS {6}BUNDLE {6}CREATED {16}OWNER\nc1 /);
  t.match(JSON.parse(run(list, { values: { format: "json" }, door: running }).out), [{ id: "c1" }]);
  t.equal(run(list, { values: { format: "json" } }).out, "[]\n");
  t.equal(run(list, { switches: ["quiet"], door: running }).out, "c1\n");
});

t.test("features prints JSON", async (t) => {
  t.match(JSON.parse(run(features).out), { ociVersionMax: "1.3.0" });
});

t.test("spec writes a new file with tabs", async (t) => {
  const { requests } = run(spec, { values: { bundle: "/b" } });
  t.match(requests[1], { op: "createFile", path: "/b/config.json", mode: 0o644, text: /^\{\n\t"ociVersion": "1\.3\.0",\n/ });
  for (const cgroupMode of ["v1", "hybrid", "v2"] as const) {
    const written = JSON.stringify(run(spec, { door: { facts: { cgroupMode } } }).requests[1]);
    t.equal(/\\"type\\": \\"cgroup\\"\\n/.test(written), cgroupMode === "v2", cgroupMode);
  }
  const rootless = run(spec, { switches: ["rootless"], door: { facts: { euid: 1000, egid: 100 } } });
  t.match(rootless.requests[1], { op: "createFile", path: "./config.json", text: /"hostID": 1000/ });
});

t.test("spec leaves an existing file alone", async (t) => {
  t.throws(() => run(spec, { door: { answers: { createFile: () => failed("exists", "create", "EEXIST") } } }), {
    code: "exists",
    message: 'write "./config.json": config.json exists, remove it first',
  });
  t.throws(() => run(spec, { door: { answers: { createFile: () => failed("other", 'create "./config.json"', "EACCES") } } }), {
    message: 'create "./config.json": EACCES',
  });
});

t.test("help prints a page for the program and for every command, in lines that fit a terminal", async (t) => {
  for (const command of [undefined, ...commandNames()]) {
    const { out } = run(help, { args: command === undefined ? [] : [command] });
    for (const title of ["NAME:", "SYNOPSIS:", "DESCRIPTION:", "OPTIONS:", "EXIT STATUS:", "EXAMPLE:"])
      t.match(out, new RegExp(`^${title}$`, "m"), `${command ?? ""} ${title}`);
    t.ok(
      out.split("\n").every((line) => line.length <= 100),
      command ?? "the program",
    );
  }
  t.match(run(help, { args: ["run"] }).out, /-d, --detach\n/);
  t.throws(() => run(help, { args: ["nope"] }), { message: "help: No help topic for 'nope'" });
});

t.test("completion prints a script, or what a word may become; what it may not see it leaves out", async (t) => {
  t.match(run(completion, { args: ["bash"] }).out, /^complete -F _tsrunc tsrunc$/m);
  t.equal(run(completion, { args: ["bash", "state", ""], door: running }).out, "words\nc1\n");
  const hidden = { answers: { listContainers: () => failed("other", "list", "EACCES") } };
  t.equal(run(completion, { args: ["fish", "state", ""], door: hidden }).out, "words\n");
});

t.test("--regex is for every container whose id matches, and one that fails is a warning", async (t) => {
  const three: FakeDoorOptions = {
    files: running.files,
    answers: {
      listContainers: () => ({ kind: "names", names: ["a1", "a2", "b1"] }),
      readState: () => ({ kind: "text", text: JSON.stringify(record) }),
      lockContainer: ({ id }) => (id === "a2" ? failed("other", "lock", "EACCES") : { kind: "handle", handle: 1 }),
    },
  };
  const locked = ({ requests }: ReturnType<typeof run>): unknown[] =>
    requests.flatMap((request) => (request.op === "lockContainer" || request.op === "takeOver" ? [request.id] : []));
  const killed = run(kill, { args: ["^a", "HUP"], switches: ["regex"], door: three });
  t.match(killed, { status: 0, out: "" });
  t.same(locked(killed), ["a1", "a2"]);
  t.same(killed.warnings, ['kill "a2": lock: EACCES']);
  t.same(locked(run(deletes, { args: ["1$"], switches: ["regex", "force"], door: three })), ["a1", "b1"]);
  t.match(run(kill, { args: ["none"], switches: ["regex"], door: three }), { status: 0, warnings: [] });

  t.throws(() => run(kill, { args: ["a", "NONE"], switches: ["regex"], door: three }), {
    message: 'use the signal "NONE": unknown signal',
  });
  t.throws(() => run(kill, { args: [""], switches: ["regex"] }), {
    message: 'kill: the regular expression is empty: "." matches every container',
  });
  t.throws(() => run(deletes, { args: ["("], switches: ["regex"] }), {
    message: 'delete: the regular expression "(" is not valid: a "(" is not closed',
  });
});
