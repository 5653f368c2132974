/**
 * Where `go/install` put the clients that are built from Go modules.
 */

/** Folder of the programs; test/clients/run names it. */
export const programs = process.env["TSRUNC_CLIENTS_GO"] ?? "/nonexistent";
