import t from "tap";
import { defaultSpec } from "./default-spec.js";
import { deleteContainer } from "./delete.js";
import type { Request } from "../generated/plan.js";
import { containerIds, containerState, listContainers } from "./inspect.js";
import { killContainer } from "./kill.js";
import { runContainer } from "./run.js";
import { startContainer } from "./start.js";
import { created, flag } from "../testing/created.js";
import { failed, fakeContext, fakeDoor } from "../testing/fake-door.js";
import type { Answers } from "../testing/fake-door.js";

const only = <Op extends Request["op"]>(requests: readonly Request[], op: Op): Extract<Request, { op: Op }>[] =>
  requests.filter((request): request is Extract<Request, { op: Op }> => request.op === op);

t.test("start opens the gate under the lock and records that the program runs", async (t) => {
  const { context, ops, files } = created();
  startContainer(context, "c1");
  t.same(ops(), ["lockContainer", "readState", "alive", "frozen", "atGate", "start", "saveState", "close"]);
  t.match(JSON.parse(files.get("/run/test/c1/state.json") ?? ""), { status: "running" });
});

t.test("start refuses what is not created, in runc's words", async (t) => {
  t.throws(() => startContainer(created({ alive: false }).context, "c1"), {
    code: "wrongStatus",
    message: 'start "c1": cannot start a container that has stopped',
  });
  t.throws(() => startContainer(created({ atGate: false }).context, "c1"), {
    message: 'start "c1": cannot start an already running container',
  });
  t.throws(() => startContainer(created({ frozen: true }).context, "c1"), {
    message: 'start "c1": cannot start a container in the paused state',
  });
  t.throws(() => startContainer(created().context, "other"), { code: "notFound", message: 'start "other": container does not exist' });
});

t.test("start tells why the program could not be executed", async (t) => {
  const { context, ops } = created({ answers: { start: () => failed("exec", 'exec "/x"', "no such file or directory") } });
  t.throws(() => startContainer(context, "c1"), { code: "exec", message: 'start "c1": exec "/x": no such file or directory' });
  t.equal(ops().at(-1), "close", "the lock is given back");
});

t.test("poststart hooks run after the program, with the running state", async (t) => {
  const { context, requests } = created({ hooks: { poststart: [{ path: "/h" }] } });
  startContainer(context, "c1");
  t.match(only(requests, "runHooks")[0]?.state, { status: "running", pid: 4321 });
});

t.test("a failing poststart hook stops and destroys the container", async (t) => {
  let hooks = 0;
  const { context, ops } = created({
    hooks: { poststart: [{ path: "/h" }], poststop: [{ path: "/p" }] },
    answers: { runHooks: () => (hooks++ === 0 ? failed("other", 'hook "/h"', "exit status 1") : { kind: "done" }) },
  });
  t.throws(() => startContainer(context, "c1"), { message: 'start "c1": hook "/h": exit status 1' });
  t.same(ops().slice(ops().indexOf("runHooks")), ["runHooks", "kill", "waitGone", "undo", "removeContainer", "runHooks", "close"]);
});

t.test("kill signals the identified process alone", async (t) => {
  const { context, requests } = created();
  killContainer(context, "c1", { signal: "SIGUSR1" });
  t.same(only(requests, "kill"), [{ op: "kill", process: { pid: 4321, startTimeTicks: "99" }, signal: 10 }]);
});

t.test("kill of a stopped container is refused, also when it stops just then", async (t) => {
  t.throws(() => killContainer(created({ alive: false }).context, "c1", { signal: "9" }), {
    code: "wrongStatus",
    message: 'kill "c1": container not running',
  });
  const { context } = created({ answers: { kill: () => failed("finished", "signal", "ESRCH") } });
  t.throws(() => killContainer(context, "c1", { signal: "9" }), { message: 'kill "c1": container not running' });
});

t.test("kill --all of a stopped container whose processes ended with it reaches nobody else and is no error", async (t) => {
  const { context, ops } = created({ alive: false });
  killContainer(context, "c1", { signal: "KILL", all: true });
  t.notOk(ops().includes("killCgroup"));
});

t.test("kill --all reaches what a stopped container without a pid namespace left in its cgroup", async (t) => {
  const { context, requests } = created({ alive: false, namespaces: [{ type: "mount" }, { type: "network" }, { type: "uts" }] });
  killContainer(context, "c1", { signal: "KILL", all: true });
  t.same(only(requests, "killCgroup"), [{ op: "killCgroup", paths: ["/sys/fs/cgroup/user.slice/c1"], signal: 9 }]);
});

t.test("kill with SIGKILL reaches all of a container without a pid namespace of its own, also what it left", async (t) => {
  const namespaces = [{ type: "mount" }, { type: "uts" }];
  for (const alive of [true, false]) {
    const { context, ops } = created({ alive, namespaces });
    killContainer(context, "c1", { signal: "KILL" });
    t.ok(ops().includes("killCgroup"));
    const term = created({ alive: true, namespaces });
    killContainer(term.context, "c1", { signal: "TERM" });
    t.notOk(term.ops().includes("killCgroup"));
  }
  const empty = created({ alive: false, namespaces, answers: { killCgroup: () => flag(false) } });
  t.throws(() => killContainer(empty.context, "c1", { signal: "KILL" }), { message: 'kill "c1": container not running' });
});

t.test("kill does not wait behind a process that works on the container", async (t) => {
  const busy = { lockContainer: () => failed("locked", "lock", "held") };
  const starting = created({ answers: busy });
  killContainer(starting.context, "c1", { signal: "TERM" });
  t.match(only(starting.requests, "kill"), [{ signal: 15 }]);
  const creating = created({ answers: { ...busy, takeOver: () => failed("notFound", "lock", "ENOENT") } });
  const record = JSON.parse(creating.files.get("/run/test/c1/state.json") ?? "") as object;
  creating.files.set("/run/test/c1/state.json", JSON.stringify({ ...record, status: "creating", process: undefined }));
  t.throws(() => killContainer(creating.context, "c1", { signal: "TERM" }), {
    code: "wrongStatus",
    message: 'kill "c1": cannot signal a container that is being created',
  });
  killContainer(creating.context, "c1", { signal: "KILL" });
  t.ok(creating.ops().includes("takeOver"), "who creates it is ended");
});

t.test("delete --force kills and thaws all of a container whose process does not go at once", async (t) => {
  let waits = 0;
  const { context, requests } = created({ answers: { waitGone: () => flag(waits++ > 0) } });
  deleteContainer(context, "c1", { force: true });
  t.match(only(requests, "killCgroup"), [{ paths: ["/sys/fs/cgroup/user.slice/c1"], signal: 9 }]);
});

t.test("an unknown signal is refused before the container is looked at", async (t) => {
  const { context, ops } = created();
  t.throws(() => killContainer(context, "c1", { signal: "FOO" }), { message: 'kill "c1": use the signal "FOO": unknown signal' });
  t.same(ops(), []);
});

t.test("delete of a stopped container undoes, forgets, then runs poststop hooks, whose failures are warnings", async (t) => {
  const { context, ops } = created({
    alive: false,
    hooks: { poststop: [{ path: "/a" }, { path: "/b" }] },
    answers: { runHooks: () => failed("other", 'hook "/a"', "exit status 1") },
  });
  deleteContainer(context, "c1", {});
  t.same(ops(), ["lockContainer", "readState", "alive", "undo", "removeContainer", "runHooks", "runHooks", "close"]);
  t.same(context.logged, [
    'warning: poststop hook of "c1": hook "/a": exit status 1',
    'warning: poststop hook of "c1": hook "/a": exit status 1',
  ]);
});

t.test("delete refuses what is not stopped and leaves it alone", async (t) => {
  const { context, ops } = created();
  t.throws(() => deleteContainer(context, "c1", {}), {
    code: "wrongStatus",
    message: 'delete "c1": cannot delete container c1 that is not stopped: created',
  });
  t.notOk(ops().includes("kill"));
  t.throws(() => deleteContainer(created({ atGate: false }).context, "c1", {}), {
    code: "wrongStatus",
    message: 'delete "c1": cannot delete container c1 that is not stopped: running',
  });
  t.throws(() => deleteContainer(created({ frozen: true }).context, "c1", {}), {
    message: 'delete "c1": cannot delete container c1 that is not stopped: paused',
  });
});

t.test("delete --force kills a running container, and everything in it where its pid namespace is another's", async (t) => {
  const { context, ops } = created({ atGate: false });
  deleteContainer(context, "c1", { force: true });
  t.same(
    ops().filter((op) => op.startsWith("kill") || op === "waitGone"),
    ["kill", "waitGone"],
  );
  const shared = created({ atGate: false, namespaces: [{ type: "mount" }, { type: "uts" }] });
  deleteContainer(shared.context, "c1", { force: true });
  t.ok(shared.ops().includes("killCgroup"));
});

t.test("delete keeps the state of a container that does not die", async (t) => {
  const { context, ops } = created({ answers: { waitGone: () => flag(false) } });
  t.throws(() => deleteContainer(context, "c1", { force: true }), {
    message: 'delete "c1": kill process 4321: container init still running',
  });
  t.notOk(ops().includes("removeContainer"));
});

t.test("delete keeps the state when something cannot be undone", async (t) => {
  const { context, ops } = created({ alive: false, answers: { undo: () => failed("other", "remove cgroup", "EBUSY") } });
  t.throws(() => deleteContainer(context, "c1", { force: true }), { message: 'delete "c1": remove cgroup: EBUSY' });
  t.notOk(ops().includes("removeContainer"));
});

t.test("an unknown id is an error, but not with --force", async (t) => {
  const { context } = created();
  t.throws(() => deleteContainer(context, "gone", {}), { code: "notFound", message: 'delete "gone": container does not exist' });
  t.doesNotThrow(() => deleteContainer(context, "gone", { force: true }));
  t.throws(() => deleteContainer(context, "..", { force: true }), { code: "invalidArgument" }, "a bad id is an error all the same");
});

t.test("a damaged state.json is named, and delete --force takes the directory away", async (t) => {
  const { context, files, ops } = created();
  files.set("/run/test/c1/state.json", '{"version":');
  for (const use of [() => containerState(context, "c1"), () => startContainer(context, "c1"), () => deleteContainer(context, "c1", {})]) {
    t.throws(use, { code: "corruptState", message: /"c1": read "\/run\/test\/c1\/state.json": the file is damaged: / });
  }
  deleteContainer(context, "c1", { force: true });
  t.ok(ops().includes("removeContainer"));
  t.notOk(ops().includes("undo"));
  t.match(context.logged, [/the file is damaged/]);
});

t.test("state shows what is to be seen without waiting for a lock", async (t) => {
  t.match(containerState(created().context, "c1"), {
    id: "c1",
    pid: 4321,
    status: "created",
    bundle: "/work",
    rootfs: "/work/rootfs",
    owner: "",
    ociVersion: "1.3.0",
  });
  t.match(containerState(created({ alive: false }).context, "c1"), { status: "stopped", pid: 0 });
  const { context } = created({
    answers: { lockContainer: () => failed("locked", "lock", "held") },
  });
  t.match(containerState(context, "c1"), { status: "created" }, "while somebody starts it");
});

t.test("a container whose creator was killed is stopped, one in the making is creating", async (t) => {
  const { context, files, requests } = created();
  const record = JSON.parse(files.get("/run/test/c1/state.json") ?? "") as object;
  files.set("/run/test/c1/state.json", JSON.stringify({ ...record, status: "creating", process: undefined }));
  t.match(containerState(context, "c1"), { status: "stopped" });
  t.notOk(only(requests, "alive").length, "there is no process to ask about");
  const busy = created({ answers: { lockContainer: () => failed("locked", "lock", "held") } });
  busy.files.set("/run/test/c1/state.json", JSON.stringify({ ...record, status: "creating", process: undefined }));
  t.match(containerState(busy.context, "c1"), { status: "creating" });
});

t.test("list leaves out what is no container and warns of what cannot be read", async (t) => {
  const { context, files } = created({ answers: { listContainers: () => ({ kind: "names", names: ["#c2.17", "c1", "gone", "torn"] }) } });
  files.set("/run/test/torn/state.json", "x");
  t.same(containerIds(context), ["c1", "gone", "torn"]);
  t.match(listContainers(context), [{ id: "c1", owner: "root" }]);
  t.match(context.logged, [/^warning: list "torn": read "\/run\/test\/torn\/state.json"/]);
});

t.test("list of a directory that is not there is empty", async (t) => {
  const { context } = created({ answers: { listContainers: () => failed("notFound", "list", "ENOENT") } });
  t.same(listContainers(context), []);
  const denied = created({ answers: { listContainers: () => failed("other", "list directory", "EACCES") } });
  t.throws(() => listContainers(denied.context), { message: "list: list directory: EACCES" });
});

/** What `run` needs: a host with a configuration. */
function runnable(hooks: object = {}, answers: Answers = {}) {
  const spec = defaultSpec({});
  const fake = fakeDoor({ files: { "/work/config.json": JSON.stringify({ ...spec, hooks }) }, answers });
  return { ...fake, context: fakeContext(fake.door) };
}

t.test("run in the foreground gives the lock back, stays, deletes, and returns the program's status", async (t) => {
  const { context, ops, requests } = runnable({}, { foreground: () => ({ kind: "exit", status: 137 }), alive: () => flag(false) });
  t.equal(runContainer(context, "c1", { subreaper: false }), 137);
  t.same(ops().slice(ops().indexOf("reserve")), [
    "reserve",
    "create",
    "release",
    "close",
    "foreground",
    "takeOver",
    "readState",
    "alive",
    "undo",
    "removeContainer",
    "close",
    "close",
  ]);
  t.match(only(requests, "foreground")[0], { subreaper: false });
  t.match(only(requests, "create")[0]?.plan, { console: { kind: "keep" }, gate: { kind: "channel" } });
  t.match(only(requests, "create")[0]?.record, { status: "running" });
});

t.test("with startContainer hooks the program is said to run only when it does", async (t) => {
  const { context, requests } = runnable({ startContainer: [{ path: "/h" }] });
  runContainer(context, "c1", {});
  t.match(only(requests, "create")[0]?.record, { status: "created" });
  t.match(only(requests, "saveState")[0]?.record, { status: "running" });
});

t.test("run --keep leaves the stopped container", async (t) => {
  const { context, ops } = runnable();
  runContainer(context, "c1", { keep: true });
  t.notOk(ops().includes("removeContainer"));
});

t.test("run --detach returns once the program runs", async (t) => {
  const spec = defaultSpec({});
  const fake = fakeDoor({ files: { "/work/config.json": JSON.stringify({ ...spec, process: { ...spec.process, terminal: false } }) } });
  t.equal(runContainer(fakeContext(fake.door), "c1", { detach: true }), 0);
  t.same(fake.ops().slice(fake.ops().indexOf("release")), ["release", "close", "close"]);
});

t.test("a container that somebody else deleted meanwhile is no error; one that cannot be deleted is a warning", async (t) => {
  const gone = runnable({}, { takeOver: () => failed("notFound", "lock", "ENOENT"), foreground: () => ({ kind: "exit", status: 3 }) });
  t.equal(runContainer(gone.context, "c1", {}), 3);
  t.same(gone.context.logged, []);
  const stuck = runnable({}, { takeOver: () => failed("other", "lock", "EIO") });
  t.equal(runContainer(stuck.context, "c1", {}), 0);
  t.same(stuck.context.logged, ['warning: delete "c1": lock: EIO']);
});

t.test("run tells what failed", async (t) => {
  const { context } = runnable({}, { release: () => failed("exec", 'exec: "sh"', "permission denied") });
  t.throws(() => runContainer(context, "c1", {}), { code: "exec", message: 'run "c1": exec: "sh": permission denied' });
});
