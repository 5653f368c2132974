/** The error that a refused configuration ends in. */

import { RuntimeError } from "../errors.js";
import { faultText, type Fault } from "./fault.js";
import { OTHER_PLATFORM } from "./rules/platform.js";

/**
 * A configuration that was refused, with every fault at once. `message` tells them all. `code` is `unsupported` where each
 * fault is a field for another platform, `invalidConfig` otherwise.
 */
export class SpecError extends RuntimeError {
  readonly faults: readonly Fault[];

  /** @param name how the file is called in the text, such as `config.json` */
  constructor(name: string, faults: readonly Fault[]) {
    const unsupported = faults.every(({ rule }) => rule === OTHER_PLATFORM);
    super(faultText(name, faults), { code: unsupported ? "unsupported" : "invalidConfig", path: name });
    this.name = "SpecError";
    this.faults = faults;
  }
}
