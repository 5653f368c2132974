/** Filters the table that ps(1) prints by processes. Pure. */

import { RuntimeError } from "./errors.js";

/**
 * The header and the lines of these processes.
 * @throws RuntimeError if no column is called PID.
 */
export function selectRows(table: string, pids: ReadonlySet<number>): string {
  const [header = "", ...rows] = table.split("\n");
  const column = findColumn(header);
  // With --headers ps repeats the header on every page.
  const kept = rows.filter((row) => {
    const pid = pidIn(row, column);
    return pid !== undefined && pids.has(pid);
  });
  return `${[header, ...kept].join("\n")}\n`;
}

/** The column of the pids. */
interface Column {
  /** Offset of the end of the word PID. In the tables of procps the numbers below it end there too. */
  end: number;
  /** Its index among the words of the header. */
  index: number;
}

function findColumn(header: string): Column {
  const found = /(?<=^|\s)PID(?=\s|$)/.exec(header);
  if (!found) throw new RuntimeError("it has no column PID", { code: "invalidArgument", operation: "read the output of ps" });
  return { end: found.index + found[0].length, index: words(header.slice(0, found.index)).length };
}

/**
 * The pid in a line, found by its offset, because a column before it may hold several words (lstart) or none. If no number ends there, as in
 * tables with another alignment, it is found by its index among the words. Undefined if the line has no pid.
 */
function pidIn(row: string, { end, index }: Column): number | undefined {
  const placed = /(?<=^|\s)[0-9]+$/.exec(row.slice(0, end))?.[0];
  const isWhole = /^(\s|$)/.test(row.slice(end));
  const text = placed !== undefined && isWhole ? placed : words(row)[index];
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
