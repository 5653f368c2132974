/**
 * The differences of a runtime that are known: expected/<runtime>.txt, a line for each test, `file > test # reason`.
 * A listed test must fail, or the list is out of date. `?file > test # reason` is for a race: such a test may do either.
 */
import { existsSync, readFileSync } from "node:fs";
import { isTsrunc, runtimeName, suiteDirectory } from "./environment.js";

export interface Difference {
  reason: string;
  racy: boolean;
}

/** The lists that hold for the runtime under test: its own and, for the second host of tsrunc, that of tsrunc. */
export function expectedFiles(): string[] {
  const names = isTsrunc && runtimeName !== "tsrunc" ? ["tsrunc", runtimeName] : [runtimeName];
  return names.map((name) => `${suiteDirectory}/expected/${name}.txt`);
}

/** The known differences; no file means none. Throws on a line without a reason. */
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
