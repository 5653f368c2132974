/** The error for an invalid configuration. */

import { RuntimeError } from "../errors.js";
import { faultText, type Fault } from "./fault.js";
import { OTHER_PLATFORM } from "./rules/platform.js";

/**
 * An invalid configuration, with every fault at once. `message` lists them all. `code` is `unsupported` if each
 * fault is a field for another platform, `invalidConfig` otherwise.
 */
export class SpecError extends RuntimeError {
  readonly faults: readonly Fault[];

  /** @param name the file's name in the text, such as `config.json` */
  constructor(name: string, faults: readonly Fault[]) {
    const unsupported = faults.every(({ rule }) => rule === OTHER_PLATFORM);
    super(faultText(name, faults), { code: unsupported ? "unsupported" : "invalidConfig", path: name });
    this.name = "SpecError";
    this.faults = faults;
  }
}
