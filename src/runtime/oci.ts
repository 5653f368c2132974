/** The version of the OCI runtime specification that this runtime implements. */

export const OCI_VERSION = "1.3.0";

/** The oldest version whose configurations are supported. */
export const OCI_VERSION_MIN = "1.0.0";
