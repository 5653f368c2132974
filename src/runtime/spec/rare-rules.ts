/** The rules for the fields of `hasRareFields`, and for seccomp profiles. */

import type { Rules } from "./rule.js";
import { annotationRules } from "./rules/annotations.js";
import { kernelViewRules } from "./rules/kernel-view.js";
import { memoryPolicyRules } from "./rules/memory-policy.js";
import { schedulingRules } from "./rules/scheduling.js";
import { seccompRules } from "./rules/seccomp.js";

/** By subject. */
export const rareRules: readonly Rules[] = [schedulingRules, memoryPolicyRules, kernelViewRules, annotationRules, seccompRules];
