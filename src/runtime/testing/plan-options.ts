import type { PlanOptions } from "../plan/plan.js";
import { NOTHING_RARE } from "../plan/rare.js";

/** What `create` asks for when its command line says nothing. */
export const PLAN_OPTIONS: PlanOptions = {
  id: "c1",
  bundle: "/bundle",
  makesCgroup: true,
  pivot: true,
  newKeyring: true,
  preserveFds: 0,
  listenFds: 0,
  console: { kind: "none" },
  gate: { kind: "socket" },
  rare: NOTHING_RARE,
};
