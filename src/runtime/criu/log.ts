/** What CRIU's log says of a failure. Pure. */

/** More would hide what matters. */
const MAX_LINES = 5;

/** The last errors, without time stamps, in their order. */
export function errorLines(text: string): string[] {
  const lines = text.split("\n").filter((line) => /\bError\b/.test(line));
  return lines.slice(-MAX_LINES).map((line) =>
    line
      .replace(/^\([0-9.]+\)\s*/, "")
      .replace(/\s+/g, " ")
      .trim(),
  );
}
