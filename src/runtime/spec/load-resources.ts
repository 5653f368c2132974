/** Reads resources on their own: the `linux.resources` of a configuration, for a container that exists. */

import type { Resources, Spec } from "./generated/spec-types.js";
import type { CarefulLoader } from "./load.js";
import { each, type Rules } from "./rule.js";
import { deviceCgroupRules } from "./rules/device-cgroup.js";
import { resourceRules } from "./rules/resources.js";
import { SpecError } from "./spec-error.js";
import type { Fault } from "./fault.js";

const PLACE = "/linux/resources";

/** Of the rules for a whole configuration only this one is different: what is not named stays, so a limit of memory may be there already. */
const rules: readonly Rules[] = [
  deviceCgroupRules,
  {
    ...resourceRules,
    "memory-swap": ({ spec: { linux } }, report) => {
      each([linux?.resources?.memory], (memory) => {
        const { limit = 0, swap = 0 } = memory ?? {};
        if (limit > 0 && swap > 0 && swap < limit)
          report(`${PLACE}/memory/swap`, swap, `at least ${PLACE}/memory/limit, ${limit}: it counts memory and swap`);
      });
    },
  },
];

export interface ResourcesText {
  /** JSON, decoded from UTF-8. */
  text: string;
  /** How errors call it: `limits.json`. */
  name: string;
  /** How errors call a field, which is given by its JSON pointer in config.json. */
  nameOf(pointer: string): string;
}

/**
 * @param careful loads any text, with every fault in words
 * @throws RuntimeError `invalidConfig` where the text is no JSON
 * @throws SpecError with all faults at once
 */
export function loadResources({ text, name, nameOf }: ResourcesText, careful: CarefulLoader): Resources {
  // By itself first: as a part of a document it could end that and go on. Where it is no JSON this throws.
  if (!isJson(text)) careful(text, [], { rootless: false, name });
  try {
    const spec: Spec = careful(`{"ociVersion":"1.0.0","linux":{"resources":${text}}}`, rules, { rootless: false, name });
    return spec.linux?.resources ?? {};
  } catch (error) {
    const { faults } = error as Partial<SpecError>;
    if (!faults) throw error;
    const renamed = faults.map((fault): Fault => {
      const allowed = fault.allowed.replaceAll(/\/linux\/resources\/[A-Za-z/]+/g, nameOf);
      return { ...fault, allowed, pointer: nameOf(fault.pointer) };
    });
    throw new SpecError(name, renamed);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
