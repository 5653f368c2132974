/** The version of the OCI runtime specification that this runtime follows. */

export const OCI_VERSION = "1.3.0";

/** The oldest version whose configurations are understood. */
export const OCI_VERSION_MIN = "1.0.0";
