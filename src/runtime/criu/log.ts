/** Extracts errors from CRIU's log. Pure. */

/** More lines would hide the important ones. */
const MAX_LINES = 5;

/** The last errors in order, without time stamps. */
export function errorLines(text: string): string[] {
  const lines = text.split("\n").filter((line) => /\bError\b/.test(line));
  return lines.slice(-MAX_LINES).map((line) =>
    line
      .replace(/^\([0-9.]+\)\s*/, "")
      .replace(/\s+/g, " ")
      .trim(),
  );
}
