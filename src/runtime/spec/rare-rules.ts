/** The rules for the fields of `hasRareFields`. */

import type { Rules } from "./rule.js";
import { kernelViewRules } from "./rules/kernel-view.js";
import { memoryPolicyRules } from "./rules/memory-policy.js";
import { schedulingRules } from "./rules/scheduling.js";

/** By subject. */
export const rareRules: readonly Rules[] = [schedulingRules, memoryPolicyRules, kernelViewRules];
