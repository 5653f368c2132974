import t from "tap";
import { createContainer } from "./create.js";
import { defaultSpec } from "./default-spec.js";
import type { Request } from "../generated/plan.js";
import { FACTS, failed, fakeContext, fakeDoor } from "../testing/fake-door.js";
import type { Answers, FakeDoorOptions } from "../testing/fake-door.js";

const plain = () => {
  const spec = defaultSpec({});
  return { ...spec, process: { ...spec.process, terminal: false } };
};

function setUp(spec: object = plain(), options: FakeDoorOptions = {}) {
  const fake = fakeDoor({ files: { "/work/config.json": JSON.stringify(spec) }, ...options });
  return { ...fake, context: fakeContext(fake.door) };
}

const only = <Op extends Request["op"]>(requests: readonly Request[], op: Op): Extract<Request, { op: Op }>[] =>
  requests.filter((request): request is Extract<Request, { op: Op }> => request.op === op);

t.test("descriptors that the program keeps are looked at before create opens its own", async (t) => {
  const { context, ops, requests } = setUp();
  createContainer(context, "c1", { preserveFds: 2, listenFds: 1 });
  t.match(only(requests, "requireOpen"), [{ count: 3 }]);
  t.equal(ops()[ops().indexOf("requireOpen") + 1], "reserve");
});

t.test("create reserves before it clones, records before it lets go", async (t) => {
  const { context, ops, requests, files } = setUp();
  createContainer(context, "c1", {});
  t.same(ops(), [
    "resolveDirectory",
    "hostFacts",
    "readConfig",
    "missing",
    "pathKind",
    "now",
    "reserve",
    "create",
    "release",
    "close",
    "close",
  ]);
  const [reserved] = only(requests, "reserve");
  t.match(reserved?.record, { id: "c1", status: "creating", bundle: "/work", rootfs: "/work/rootfs", version: 2 });
  const saved = files.get("/run/test/c1/state.json");
  t.match(JSON.parse(saved ?? ""), { status: "created", process: { pid: 4321 }, ownPidNamespace: true });
});

t.test("options reach the plan", async (t) => {
  const { context, requests } = setUp(
    { ...plain(), process: { ...plain().process, terminal: true } },
    { answers: { pathKind: ({ path }) => ({ kind: "text", text: path === "/s" ? "socket" : "directory" }) } },
  );
  createContainer(context, "c1", {
    bundle: "/work",
    consoleSocket: "/s",
    pidfdSocket: "/p",
    pidFile: "/f",
    pivot: false,
    newKeyring: false,
    preserveFds: 3,
    listenFds: 1,
  });
  const [create] = only(requests, "create");
  t.match(create?.plan, {
    console: { kind: "socket", path: "/s" },
    gate: { kind: "socket" },
    pidfdSocket: "/p",
    pidFile: "/f",
    process: { keyring: null, preserveFds: 4, terminal: true },
  });
  t.ok(create?.plan.operations.some(({ op }) => op === "moveRoot"));
});

t.test("nothing is reserved for what is refused", async (t) => {
  const terminal = { ...plain(), process: { ...plain().process, terminal: true } };
  const kinds = (kind: string): FakeDoorOptions => ({ answers: { pathKind: () => ({ kind: "text", text: kind }) } });
  const cases: [name: string, spec: object, options: object, door: FakeDoorOptions, message: string][] = [
    [
      "a terminal without a socket",
      terminal,
      {},
      {},
      "cannot allocate tty if tsrunc will detach without setting console socket: name one with --console-socket, or set /process/terminal to false",
    ],
    [
      "a socket without a terminal",
      plain(),
      { consoleSocket: "/s" },
      {},
      "cannot use console socket if tsrunc will not detach or allocate tty: --console-socket is for create or --detach, with /process/terminal",
    ],
    [
      "a console socket that is missing",
      terminal,
      { consoleSocket: "/s" },
      kinds("missing"),
      'use the console socket "/s": it does not exist',
    ],
    ["a console socket that is a file", terminal, { consoleSocket: "/s" }, kinds("file"), 'use the console socket "/s": it is a file'],
    ["a rootfs that is missing", plain(), {}, kinds("missing"), 'use the rootfs "/work/rootfs": it does not exist'],
    ["a rootfs that is a link", plain(), {}, kinds("symlink"), 'use the rootfs "/work/rootfs": it is a symlink'],
    ["no config.json", plain(), { bundle: "/other" }, {}, 'open "/other/config.json": ENOENT (no such file or directory)'],
    [
      "a huge config.json",
      plain(),
      {},
      { answers: { readConfig: () => failed("tooLarge", "read", "x") } },
      'read "/work/config.json": it is larger than 16777216 bytes',
    ],
    [
      "no bundle",
      plain(),
      { bundle: "/gone" },
      { answers: { resolveDirectory: () => failed("notFound", 'resolve directory "/gone"', "ENOENT") } },
      'resolve directory "/gone": ENOENT',
    ],
    [
      "a bad limit",
      { ...plain(), linux: { ...plain().linux, resources: { memory: { swappiness: 5 } } } },
      {},
      {},
      "/linux/resources/memory/swappiness: cgroup v2 has no swappiness",
    ],
  ];
  for (const [name, spec, options, door, message] of cases) {
    const { context, ops } = setUp(spec, door.answers ? { answers: door.answers } : {});
    t.throws(() => createContainer(context, "c1", options), { message: `create "c1": ${message}` }, name);
    t.notOk(ops().includes("reserve"), name);
  }
});

t.test("a bad id is refused before anything is looked at", async (t) => {
  const { context, ops } = setUp();
  t.throws(() => createContainer(context, "..", {}), { code: "invalidArgument" });
  t.same(ops(), []);
});

t.test("an id that is taken is refused in runc's words", async (t) => {
  const { context } = setUp(plain(), { answers: { reserve: () => failed("exists", "make state directory", "EEXIST") } });
  t.throws(() => createContainer(context, "c1", {}), { code: "exists", message: 'create "c1": container with given ID already exists' });
});

const withPoststop = { ...plain(), hooks: { poststop: [{ path: "/a" }, { path: "/b" }] } };

t.test("a failed create leaves cgroups to the native layer, forgets the container, runs poststop hooks", async (t) => {
  const { context, ops, requests } = setUp(withPoststop, {
    answers: { create: () => failed("other", 'mount "proc" on "/proc"', "EPERM (operation not permitted)") },
  });
  t.throws(() => createContainer(context, "c1", {}), { message: 'create "c1": mount "proc" on "/proc": EPERM (operation not permitted)' });
  // A cgroup of that name is another container's by then.
  t.same(ops().slice(ops().indexOf("create")), ["create", "removeContainer", "close", "runHooks", "runHooks"]);
  t.match(only(requests, "runHooks")[0]?.state, { id: "c1", status: "stopped", pid: 0 });
});

t.test("a cgroup that was there before is left alone when create fails", async (t) => {
  const answers: Answers = {
    create: () => failed("exists", "use cgroup", "it is not empty"),
    missing: () => ({ kind: "names", names: [] }),
  };
  const { context, requests } = setUp(plain(), { answers });
  t.throws(() => createContainer(context, "c1", {}), { message: 'create "c1": use cgroup: it is not empty' });
  t.same(only(requests, "undo"), []);
});

t.test("a container that cannot be let go is killed and undone", async (t) => {
  const { context, ops, requests } = setUp(plain(), { answers: { release: () => failed("other", "release", "EPIPE") } });
  t.throws(() => createContainer(context, "c1", {}), { message: 'create "c1": release: EPIPE' });
  t.same(ops().slice(ops().indexOf("release")), ["release", "close", "undo", "removeContainer", "close"]);
  t.equal(only(requests, "close")[0]?.handle, 2, "the process first");
});

t.test("a class of service that create made goes when the container cannot be let go", async (t) => {
  const spec = { ...plain(), linux: { ...plain().linux, intelRdt: { closID: "gold", memBwSchema: "MB:0=50" } } };
  const { context, requests } = setUp(spec, {
    answers: {
      findMount: () => ({ kind: "text", text: "/resctrl" }),
      missing: () => ({ kind: "names", names: ["/resctrl/gold"] }),
      release: () => failed("other", "release", "EPIPE"),
    },
  });
  t.throws(() => createContainer(context, "c1", {}), { message: 'create "c1": release: EPIPE' });
  const steps = only(requests, "undo").flatMap((request) => request.steps);
  t.same(
    steps.filter(({ op }) => op === "removeResctrlGroup"),
    [{ op: "removeResctrlGroup", path: "/resctrl/gold" }],
  );
});

t.test("what cannot be undone is reported too, and every step is tried", async (t) => {
  const { context, ops } = setUp(plain(), {
    answers: {
      release: () => failed("other", "", "boom"),
      undo: () => failed("other", 'remove cgroup "/x"', "EBUSY"),
      removeContainer: () => failed("other", "remove", "EIO"),
    },
  });
  t.throws(() => createContainer(context, "c1", {}), {
    message: 'create "c1": boom; undoing it failed too: remove cgroup "/x": EBUSY; remove: EIO',
  });
  t.equal(ops().at(-1), "close");
});

t.test("a caller without privilege makes no cgroups where nothing asks for them", async (t) => {
  const spec = defaultSpec({ rootless: { uid: 1000, gid: 1000 } });
  const { context, requests } = setUp({ ...spec, process: { ...spec.process, terminal: false } }, { facts: { ...FACTS, euid: 1000 } });
  createContainer(context, "c1", {});
  t.match(only(requests, "create")[0]?.plan, { cgroup: { directories: [], cloneInto: null }, spawn: { rootless: true } });
});

t.test("what exec will need of config.json is recorded", async (t) => {
  const execCPUAffinity = { initial: "0-1", final: "3" };
  const { context, requests } = setUp({ ...plain(), process: { ...plain().process, execCPUAffinity } });
  createContainer(context, "c1", {});
  t.match(only(requests, "create")[0]?.record, { execAffinity: execCPUAffinity });
});
