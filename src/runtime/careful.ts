/** The slow way to read a configuration, with every fault in words: a bundle of its own, which hosts load when it is needed. */

import type { CarefulLoader } from "./spec/load.js";
import validateReport from "./spec/generated/validate-config-report.js";
import { loadCarefully } from "./spec/load-carefully.js";

/** `loadSpec` for what its quick way does not take. @throws SpecError with all faults at once. */
export const readCarefully: CarefulLoader = (text, rules, options) => loadCarefully(text, rules, validateReport, options);
