/** The slow validator, which describes every fault: a bundle of its own, which hosts load on demand. */

import type { CarefulLoader } from "./spec/load.js";
import validateReport from "./spec/generated/validate-config-report.js";
import { loadCarefully } from "./spec/load-carefully.js";

/** Validates what the fast validator of `loadSpec` rejects. @throws SpecError with all faults at once. */
export const readCarefully: CarefulLoader = (text, rules, options) => loadCarefully(text, rules, validateReport, options);
