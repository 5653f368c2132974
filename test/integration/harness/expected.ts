/**
 * The known differences of a runtime: expected/<runtime>.txt has a line for each test, `file > test # reason`.
 * A listed test must fail, or the list is out of date. `?file > test # reason` marks a race: the test may pass or fail.
 */
import { existsSync, readFileSync } from "node:fs";
import { isTsrunc, runtimeName, suiteDirectory } from "./environment.js";

export interface Difference {
  reason: string;
  racy: boolean;
}

/** The lists for the runtime under test. tsrunc-node also uses the list of tsrunc. */
export function expectedFiles(): string[] {
  const names = isTsrunc && runtimeName !== "tsrunc" ? ["tsrunc", runtimeName] : [runtimeName];
  return names.map((name) => `${suiteDirectory}/expected/${name}.txt`);
}

/** Loads the known differences; a missing file means none. Throws if a line has no reason. */
export function loadExpected(): Map<string, Difference> {
  const differences = new Map<string, Difference>();
  for (const file of expectedFiles()) {
    if (!existsSync(file)) continue;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      const parts = /^(\??)(.+?) # (.+)$/.exec(line);
      const name = parts?.[2];
      const reason = parts?.[3];
      if (!parts || !name || !reason) throw new Error(`${file}: not "file > test # reason": ${line}`);
      differences.set(name, { reason, racy: parts[1] === "?" });
    }
  }
  return differences;
}
