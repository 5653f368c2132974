/** Rules for annotations that ask something of the runtime. */

import { segment } from "../fault.js";
import { crunAnnotation, crunAnnotationsOf } from "../crun-annotations.js";
import { CRUN_PREFIX } from "../rare-fields.js";
import type { Rules } from "../rule.js";

export const annotationRules: Rules = {
  "crun-annotations": ({ spec: { annotations } }, report) => {
    for (const [name, value] of crunAnnotationsOf(annotations)) {
      const known = crunAnnotation(name);
      if (known?.is === "refused" || (known?.is === "done" && !known.fits(value)))
        report(`/annotations/${CRUN_PREFIX}${segment(name)}`, value, known.allowed);
    }
  },
};
