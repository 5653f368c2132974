import t from "tap";
import { pauseContainer, resumeContainer } from "./pause.js";
import { created, flag } from "../testing/created.js";
import type { Situation } from "../testing/created.js";
import { failed } from "../testing/fake-door.js";

const path = "/sys/fs/cgroup/user.slice/c1";

/** A host whose freezer works. */
function freezable({ frozen = false, ...situation }: Situation = {}) {
  let isFrozen = frozen;
  const set = (value: boolean) => () => {
    isFrozen = value;
    return { kind: "done" } as const;
  };
  return created({
    ...situation,
    answers: { frozen: () => flag(isFrozen), freeze: set(true), thaw: set(false), ...situation.answers },
  });
}

t.test("pause freezes a container that runs or waits for its start", async (t) => {
  for (const atGate of [false, true]) {
    const { context, requests } = freezable({ atGate });
    pauseContainer(context, "c1");
    t.same(
      requests.filter(({ op }) => op === "freeze" || op === "thaw"),
      [{ op: "freeze", path, timeoutMilliseconds: 10_000 }],
    );
  }
});

t.test("resume thaws a paused container", async (t) => {
  const { context, requests } = freezable({ frozen: true });
  resumeContainer(context, "c1");
  t.same(
    requests.filter(({ op }) => op === "freeze" || op === "thaw"),
    [{ op: "thaw", path }],
  );
});

t.test("pause and resume refuse other containers in runc's words, and change nothing", async (t) => {
  const refused = (change: typeof pauseContainer, situation: Situation, message: string): void => {
    const { context, ops } = freezable(situation);
    t.throws(() => change(context, "c1"), { code: "wrongStatus", message }, message);
    t.notOk(ops().includes("freeze") || ops().includes("thaw"));
    t.equal(ops().at(-1), "close", "the lock is given back");
  };
  refused(pauseContainer, { alive: false }, 'pause "c1": container not running');
  refused(pauseContainer, { frozen: true }, 'pause "c1": container not running: it is paused');
  refused(resumeContainer, {}, 'resume "c1": container not paused');
  refused(resumeContainer, { atGate: false }, 'resume "c1": container not paused');
  refused(resumeContainer, { alive: false, frozen: true }, 'resume "c1": container not paused');
  t.throws(() => pauseContainer(freezable().context, "gone"), { code: "notFound", message: 'pause "gone": container does not exist' });
  t.throws(() => resumeContainer(freezable().context, ".."), { code: "invalidArgument" });
});

t.test("a container that ends while it freezes is not running, and its cgroup is thawed", async (t) => {
  let alive = true;
  const { context, ops } = freezable({
    answers: {
      alive: () => flag(alive),
      freeze: () => {
        alive = false;
        return { kind: "done" };
      },
    },
  });
  t.throws(() => pauseContainer(context, "c1"), { code: "wrongStatus", message: 'pause "c1": container not running' });
  t.ok(ops().includes("thaw"));
});

t.test("an error of the kernel is reported", async (t) => {
  const { context } = freezable({ answers: { freeze: () => failed("other", 'freeze cgroup "/x"', "it is not frozen after 10 seconds") } });
  t.throws(() => pauseContainer(context, "c1"), { message: 'pause "c1": freeze cgroup "/x": it is not frozen after 10 seconds' });
});

t.test("a container without a cgroup of its own cannot be paused", async (t) => {
  const { context, files } = freezable();
  const file = "/run/test/c1/state.json";
  const record = JSON.parse(files.get(file) ?? "") as object;
  files.set(file, JSON.stringify({ ...record, cgroups: [] }));
  t.throws(() => pauseContainer(context, "c1"), { code: "unsupported", message: /^pause "c1": the container has no cgroup of its own: / });
});
