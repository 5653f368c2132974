/** A container for tests, in some situation. */

import type { Reply } from "../generated/plan.js";
import { createContainer } from "../operations/create.js";
import { defaultSpec } from "../operations/default-spec.js";
import { fakeContext, fakeDoor } from "./fake-door.js";
import type { Answers } from "./fake-door.js";

/** What is to be seen of a container. */
export interface Situation {
  hooks?: object;
  /** Namespaces of the container; the default ones when absent. */
  namespaces?: { type: string }[];
  alive?: boolean;
  atGate?: boolean;
  frozen?: boolean;
  answers?: Answers;
}

export const flag = (value: boolean): Reply => ({ kind: "flag", flag: value });

/** A host with a created container c1 whose process is in some situation; requests made so far are forgotten. */
export function created({ hooks, namespaces, alive = true, atGate = true, frozen = false, answers }: Situation = {}) {
  const spec = defaultSpec({});
  const config = {
    ...spec,
    hooks,
    process: { ...spec.process, terminal: false },
    linux: { ...spec.linux, namespaces: namespaces ?? spec.linux?.namespaces },
  };
  const fake = fakeDoor({
    files: { "/work/config.json": JSON.stringify(config) },
    answers: {
      alive: () => flag(alive),
      atGate: () => flag(atGate),
      frozen: () => flag(frozen),
      ...answers,
    },
  });
  const context = fakeContext(fake.door);
  createContainer(context, "c1", {});
  fake.requests.length = 0;
  return { ...fake, context };
}
