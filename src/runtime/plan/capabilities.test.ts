import t from "tap";
import { FACTS } from "../testing/fake-door.js";
import { planCapabilities } from "./capabilities.js";

const none = { bounding: "0", effective: "0", inheritable: "0", permitted: "0", ambient: "0" };

t.test("absent sets are empty", async (t) => {
  t.same(planCapabilities(undefined, FACTS), { masks: none, leftOut: [] });
});

t.test("bit n stands for capability n, beyond 32 bits too", async (t) => {
  const { masks } = planCapabilities({ bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_CHECKPOINT_RESTORE", "CAP_KILL"] }, FACTS);
  t.equal(masks.bounding, String(2n ** 40n + 2n ** 5n + 1n));
});

t.test("what cannot be granted is left out of its set alone, with the reason", async (t) => {
  const table: [Parameters<typeof planCapabilities>[0], string[], object][] = [
    [{ permitted: ["CAP_KILL", "CAP_FOO"] }, ["permitted/1 CAP_FOO unknown"], { permitted: "32" }],
    [
      { permitted: ["toString", "cap_kill", ""] },
      ["permitted/0 toString unknown", "permitted/1 cap_kill unknown", "permitted/2  unknown"],
      {},
    ],
    [{ bounding: ["CAP_BPF", "CAP_PERFMON"] }, ["bounding/0 CAP_BPF newer"], { bounding: String(2 ** 38) }],
    [
      { bounding: ["CAP_SYS_TIME"], permitted: ["CAP_SYS_TIME"] },
      ["bounding/0 CAP_SYS_TIME lacked", "permitted/0 CAP_SYS_TIME lacked"],
      {},
    ],
    [{ effective: ["CAP_KILL"], permitted: ["CAP_CHOWN"] }, ["effective/0 CAP_KILL notPermitted"], { permitted: "1" }],
    [{ inheritable: ["CAP_KILL"], permitted: ["CAP_KILL"] }, ["inheritable/0 CAP_KILL notBounding"], { permitted: "32" }],
    [{ ambient: ["CAP_KILL"] }, ["ambient/0 CAP_KILL notPermitted"], {}],
    [{ ambient: ["CAP_KILL"], permitted: ["CAP_KILL"] }, ["ambient/0 CAP_KILL notInheritable"], { permitted: "32" }],
  ];
  for (const [sets, told, masks] of table) {
    const planned = planCapabilities(sets, { lastCapability: 38, missingCapabilities: [25] });
    t.same(
      planned.leftOut.map(({ set, index, name, reason }) => `${set}/${index} ${name} ${reason}`),
      told,
    );
    t.same(planned.masks, { ...none, ...masks });
  }
});

t.test("sets that agree with each other lose nothing", async (t) => {
  const all = ["CAP_CHOWN", "CAP_KILL"];
  const { masks, leftOut } = planCapabilities({ bounding: all, permitted: all, effective: all, inheritable: all, ambient: all }, FACTS);
  t.same(masks, { bounding: "33", permitted: "33", effective: "33", inheritable: "33", ambient: "33" });
  t.same(leftOut, []);
});
