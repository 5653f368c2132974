/** The late parts of the core in Node.js, where all of it is one file. */

import { readCarefully } from "../runtime/careful.js";
import { planSeccomp } from "../runtime/plan/seccomp.js";
import { deviceProperties, factsWanted, planScope, planUnitLimits, unitRules } from "../runtime/plan/systemd.js";
import { planRare, rareRules } from "../runtime/rare.js";
import { warningsOf } from "../runtime/warnings.js";
import type { LazyParts } from "../door.js";

const PARTS: LazyParts = {
  careful: { readCarefully },
  rare: { planRare, rareRules },
  seccomp: { planSeccomp },
  warnings: { warningsOf },
  systemd: { deviceProperties, factsWanted, planScope, planUnitLimits, unitRules },
};

/** `Door.part`. */
export function part<Name extends keyof LazyParts>(name: Name): LazyParts[Name] {
  return PARTS[name];
}
