import t from "tap";
import type { LazyParts } from "../door.js";
import type { LibraryDoor } from "./container/context.js";
import { createContainer } from "./operations/create.js";
import { defaultSpec } from "./operations/default-spec.js";
import type { Reply, Request } from "./generated/plan.js";
import report from "./spec/generated/validate-config-report.js";
import { loadCarefully } from "./spec/load-carefully.js";
import { failed, fakeContext, fakeDoor } from "./testing/fake-door.js";
import type { Answers } from "./testing/fake-door.js";

const plain = defaultSpec({});
const process = { ...plain.process, terminal: false };
const withProfile = (seccomp: object): object => ({ ...plain, process, linux: { ...plain.linux, seccomp } });
const standIn = withProfile({ defaultAction: "SCMP_ACT_KILL_PROCESS" });

/** A configuration as the native layer replies it. */
const config = (spec: object, seccomp: { handle: number; isCached: boolean } | null): Answers => ({
  readConfig: (): Reply => ({ kind: "config", text: JSON.stringify(spec), seccomp }),
});

function create(answers: Answers, files: Record<string, string> = {}): { requests: Request[]; error: unknown } {
  const { door, requests } = fakeDoor({ answers, files });
  const careful: LazyParts["careful"] = { readCarefully: (text, rules, options) => loadCarefully(text, rules, report, options) };
  const part: LibraryDoor["part"] = (name) => (name === "careful" ? (careful as LazyParts[typeof name]) : door.part(name));
  try {
    createContainer(fakeContext({ ...door, part }), "c1", {});
    return { requests, error: undefined };
  } catch (error) {
    return { requests, error };
  }
}

const of = <Op extends Request["op"]>(requests: readonly Request[], op: Op): Extract<Request, { op: Op }>[] =>
  requests.filter((request): request is Extract<Request, { op: Op }> => request.op === op);

t.test("a filter that is kept is used as it is, and let go", async (t) => {
  const { requests } = create(config(standIn, { handle: 90, isCached: true }));
  t.same(of(requests, "readConfig"), [{ op: "readConfig", path: "/work/config.json", maxBytes: 1 << 24, root: "/run/test", input: false }]);
  t.equal(of(requests, "compileSeccomp").length, 0);
  t.match(of(requests, "create"), [{ seccomp: 90, plan: { process: { seccomp: true } } }]);
  t.equal(of(requests, "close").filter(({ handle }) => handle === 90).length, 1);
});

t.test("a filter that is not kept is compiled from the text it was found in", async (t) => {
  const profile = { defaultAction: "SCMP_ACT_LOG", syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_TRAP" }] };
  for (const [found, handle] of [
    [{ handle: 90, isCached: false }, 90],
    [null, null],
  ] as const) {
    const { requests, error } = create(config(withProfile(profile), found));
    t.equal(error, undefined);
    t.match(of(requests, "compileSeccomp"), [{ handle, profile: { defaultAction: { kind: "log" }, rules: [{ names: ["mkdir"] }] } }]);
    const filter = of(requests, "create")[0]?.seccomp;
    t.type(filter, "number");
    t.equal(of(requests, "close").filter(({ handle }) => handle === filter).length, 1);
  }
});

t.test("a container without profile has no filter", async (t) => {
  const { requests } = create(config({ ...plain, process }, null));
  const made = of(requests, "create");
  t.match(made, [{ seccomp: null }]);
  t.equal(made[0]?.plan.process.seccomp, undefined);
});

t.test("with a cached filter the faults of a configuration are reported from its own text", async (t) => {
  const faulty = (profile: object): string => JSON.stringify({ ...withProfile(profile), hostname: 5 });
  const { requests, error } = create(
    config(JSON.parse(faulty({ defaultAction: "SCMP_ACT_ALLOW" })) as object, { handle: 90, isCached: true }),
    {
      "/work/config.json": faulty({ defaultAction: "SCMP_ACT_LOG" }),
    },
  );
  t.match(error, { message: 'create "c1": config.json: /hostname: found 5, allowed: a string' });
  t.equal(of(requests, "readFile").length, 1);
  t.equal(of(requests, "close").filter(({ handle }) => handle === 90).length, 1);
  t.equal(of(requests, "reserve").length, 0);
});

t.test("nothing stays of a profile whose configuration cannot be carried out", async (t) => {
  const { requests, error } = create({
    ...config(standIn, { handle: 90, isCached: true }),
    reserve: () => failed("exists", "reserve", "taken"),
  });
  t.match(error, { code: "exists" });
  t.equal(of(requests, "close").filter(({ handle }) => handle === 90).length, 1);
});
