/** Rules for annotations that configure the runtime. */

import { segment } from "../fault.js";
import { crunAnnotation, crunAnnotationNames } from "../crun-annotations.js";
import { CRUN_PREFIX } from "../rare-fields.js";
import { each, type Rules } from "../rule.js";

export const annotationRules: Rules = {
  "crun-annotations": ({ spec: { annotations } }, report) => {
    each(crunAnnotationNames(annotations), (name) => {
      const known = crunAnnotation(name);
      const value = annotations?.[CRUN_PREFIX + name] as string;
      if (known?.is === "refused" || (known?.is === "supported" && !known.fits(value)))
        report(`/annotations/${CRUN_PREFIX}${segment(name)}`, value, known.allowed);
    });
  },
};
