/**
 * Derives the verdict on a validation program from its exit status and its TAP output.
 */
import type { Result } from "../../test/integration/harness/execute.js";

export interface Verdict {
  outcome: "pass" | "fail" | "skip";
  /** Why it did not pass: its first complaint, in one line. */
  detail: string;
}

/**
 * The exit status is not enough: the programs exit with 0 after `not ok`. Those about hooks and refused limits assert nothing: they print
 * the plan `1..0` on success, and a diagnostic with an `error` on failure.
 */
export function verdictOf({ status, signal, timedOut, stdout, stderr }: Result): Verdict {
  if (timedOut) return { outcome: "fail", detail: "took too long" };
  const lines = stdout.split("\n").map((line) => line.trim());
  const failed = lines.find((line) => line.startsWith("not ok"));
  if (failed !== undefined) {
    const what = failed.replace(/^not ok \d+ - /, "");
    return { outcome: "fail", detail: /exit status \d+$/.test(what) ? lastLine(stderr) || what : what };
  }
  if (status !== 0) return { outcome: "fail", detail: lastLine(stderr) || (signal ?? `exit status ${status}`) };
  const passed = lines.filter((line) => /^ok\b/.test(line));
  const error = /"error": "((?:[^"\\]|\\.)*)"/.exec(stdout)?.[1];
  if (passed.length === 0 && error !== undefined) return { outcome: "fail", detail: error.split("\\n")[0] ?? error };
  if (passed.length > 0 && passed.every((line) => line.includes("# SKIP"))) return { outcome: "skip", detail: passed[0] ?? "" };
  return { outcome: "pass", detail: "" };
}

/** The last line of the runtime's own message, which the programs follow with `exit status 1`. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line !== "" && !/^exit status \d+$|^failed to /.test(line));
  return (lines.at(-1) ?? "").replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID").replaceAll(/ocitest\d+/g, "ocitest");
}
