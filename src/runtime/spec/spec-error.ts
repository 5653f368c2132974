/** The error that a refused configuration ends in. */

import { RuntimeError } from "../errors.js";
import { faultText, type Fault } from "./fault.js";
import { isUnbuilt } from "./unbuilt.js";

/**
 * A configuration that was refused, with every fault at once. `message` tells them all. `code` is `unsupported` where each
 * fault is a field that this version does not carry out, `invalidConfig` otherwise.
 */
export class SpecError extends RuntimeError {
  readonly faults: readonly Fault[];

  /** @param name how the file is called in the text, such as `config.json` */
  constructor(name: string, faults: readonly Fault[]) {
    const unsupported = faults.every(isUnbuilt);
    super(faultText(name, faults), { code: unsupported ? "unsupported" : "invalidConfig", path: name });
    this.name = "SpecError";
    this.faults = faults;
  }
}
