/**
 * The location of the clients that `go/install` builds from Go modules.
 */

/** The folder of the programs, set by test/clients/run. */
export const programs = process.env["TSRUNC_CLIENTS_GO"] ?? "/nonexistent";
