/** Reads a file with the `linux.resources` of a configuration, for an existing container. */

import type { Resources, Spec } from "./generated/spec-types.js";
import type { CarefulLoader } from "./load.js";
import { each, type Rules } from "./rule.js";
import { deviceCgroupRules } from "./rules/device-cgroup.js";
import { resourceRules } from "./rules/resources.js";
import { SpecError } from "./spec-error.js";
import type { Fault } from "./fault.js";

const PLACE = "/linux/resources";

/** The only rule that differs from those for a whole configuration: an omitted limit of memory stays in force. */
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
  /** Its name in errors: `limits.json`. */
  name: string;
  /** Name in errors of a field, which is given by its JSON pointer in config.json. */
  nameOf(pointer: string): string;
}

/**
 * @param careful loads any text and describes every fault
 * @throws RuntimeError `invalidConfig` if the text is not JSON
 * @throws SpecError with all faults at once
 */
export function loadResources({ text, name, nameOf }: ResourcesText, careful: CarefulLoader): Resources {
  // Parsed by itself first, which throws if it is not JSON. Spliced into a document it could close that document and add members.
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
