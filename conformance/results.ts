/**
 * What runs of the suites left in build/conformance for the tables: those of this host, and those of the guest (scripts/guest), which
 * shows what this host cannot.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";

/** The suites, by their folders. */
export type Suite = "runtime-tools" | "spec";

const folder = "build/conformance";

/** Both hosts of tsrunc: their verdicts are held against the tables. */
export const ours: readonly string[] = ["tsrunc", "tsrunc-node"];

/** The columns of the tables. */
export const runtimes: readonly string[] = [...ours, "runc", "crun"];

/** The results of the last run with a runtime on this host. */
export function hostResults<T>(suite: Suite, runtime: string): T | undefined {
  const file = `${folder}/${suite}/${runtime}.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : undefined;
}

/** The same in the guest, of each boot that has the suite. */
export function guestResults<T>(suite: Suite, runtime: string): T[] {
  const guest = `${folder}/guest`;
  const boots = existsSync(guest) ? readdirSync(guest).sort() : [];
  return boots.flatMap((boot) => {
    const file = `${guest}/${boot}/${suite}/${runtime}.json`;
    return existsSync(file) ? [JSON.parse(readFileSync(file, "utf8")) as T] : [];
  });
}

/** A column's heading. The version of our own hosts changes with every release, which says nothing about the verdicts. */
export function heading(runtime: string, version: string | undefined): string {
  return ours.includes(runtime) ? runtime : (version?.replace(" version ", " ").split("+")[0] ?? runtime);
}
