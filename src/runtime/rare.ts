/** What only a configuration with rare fields needs (`hasRareFields`): a script of its own. */

export { planRare } from "./plan/rare.js";
export { rareRules } from "./spec/rare-rules.js";
