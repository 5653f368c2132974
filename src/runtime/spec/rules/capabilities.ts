/** Rules for `process.capabilities` (config.md, "Linux Process"; capabilities(7)). */

import { capabilityNumbers, capabilitySets, isCapability } from "../capability-names.js";
import { nearest } from "../nearest.js";
import type { Rules } from "../rule.js";

export const capabilityRules: Rules = {
  // The specification has an unknown name logged and passed over. A name that nobody knows is a mistake more often than
  // a newer kernel, and a container that lacks what its configuration asks for fails later and elsewhere.
  "capability-names": ({ spec }, report) => {
    for (const set of capabilitySets) {
      spec.process?.capabilities?.[set]?.forEach((name, i) => {
        if (!isCapability(name)) report(`/process/capabilities/${set}/${i}`, name, `a capability such as "${meant(name)}"`);
      });
    }
  },

  // capset(2) refuses with EPERM what these two would let through.
  "effective-permitted": ({ spec }, report) => {
    const capabilities = spec.process?.capabilities;
    reportOutside(capabilities?.effective, capabilities?.permitted, (name, i) => {
      report(`/process/capabilities/effective/${i}`, name, 'one of those in "permitted"');
    });
  },

  "ambient-permitted": ({ spec }, report) => {
    const capabilities = spec.process?.capabilities;
    reportOutside(capabilities?.ambient, capabilities?.permitted, (name, i) => {
      report(`/process/capabilities/ambient/${i}`, name, 'one of those in "permitted"');
    });
  },
};

/** The kernel raises no ambient capability that is not inheritable; `runc spec` (1.1) writes such, so it is no fault. */
export const capabilityWarnings: Rules = {
  "ambient-inheritable": ({ spec }, report) => {
    const capabilities = spec.process?.capabilities;
    reportOutside(capabilities?.ambient, capabilities?.inheritable, (name, i) => {
      report(`/process/capabilities/ambient/${i}`, name, 'one of those in "inheritable": without that it is not raised');
    });
  },
};

function reportOutside(
  names: readonly string[] = [],
  allowed: readonly string[] = [],
  outside: (name: string, index: number) => void,
): void {
  names.forEach((name, i) => {
    // Those that do not exist have a rule of their own.
    if (!allowed.includes(name) && isCapability(name)) outside(name, i);
  });
}

/** The capability that a mistyped name may mean: in any case, with or without CAP_. */
function meant(name: string): string {
  const upper = name.toUpperCase();
  return nearest(upper.startsWith("CAP_") ? upper : `CAP_${upper}`, Object.keys(capabilityNumbers)) ?? "CAP_CHOWN";
}
