/** Annotations that ask something of the runtime, by what their names begin with. */

/** What annotations of crun begin with that a runtime acts on (crun-annotations.ts). */
export const CRUN_PREFIX = "run.oci.";
/** What annotations begin with that are properties of systemd's unit (src/runtime/plan/systemd-properties.ts). */
export const SYSTEMD_PREFIX = "org.systemd.property.";
