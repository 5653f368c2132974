/**
 * Reads the results of the last runs from build/conformance: runs on this host, and in the guest (scripts/guest), which has features that
 * this host lacks.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";

/** The suites, named after their folders. */
export type Suite = "runtime-tools" | "spec";

const folder = "build/conformance";

/** Both hosts of tsrunc. --check compares their verdicts with the tables. */
export const ours: readonly string[] = ["tsrunc", "tsrunc-node"];

/** The runtimes in the order of the tables' columns. */
export const runtimes: readonly string[] = [...ours, "runc", "crun"];

/** The results of a runtime's last run on this host. */
export function hostResults<T>(suite: Suite, runtime: string): T | undefined {
  const file = `${folder}/${suite}/${runtime}.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : undefined;
}

/** The results of a runtime's last runs in the guest, one for each boot that runs the suite. */
export function guestResults<T>(suite: Suite, runtime: string): T[] {
  const guest = `${folder}/guest`;
  const boots = existsSync(guest) ? readdirSync(guest).sort() : [];
  return boots.flatMap((boot) => {
    const file = `${guest}/${boot}/${suite}/${runtime}.json`;
    return existsSync(file) ? [JSON.parse(readFileSync(file, "utf8")) as T] : [];
  });
}

/** A column's heading. Omits the version of tsrunc, or the tables would change with every release. */
export function heading(runtime: string, version: string | undefined): string {
  return ours.includes(runtime) ? runtime : (version?.replace(" version ", " ").split("+")[0] ?? runtime);
}
