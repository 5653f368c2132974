/** The table that ps(1) prints, reduced to some processes. Pure. */

import { RuntimeError } from "./errors.js";

/**
 * The header and the lines of these processes.
 * @throws RuntimeError where no column is called PID.
 */
export function selectRows(table: string, pids: ReadonlySet<number>): string {
  const [header = "", ...rows] = table.split("\n");
  const column = findColumn(header);
  // A header that is repeated on every page (--headers) is no process.
  const kept = rows.filter((row) => {
    const pid = pidIn(row, column);
    return pid !== undefined && pids.has(pid);
  });
  return `${[header, ...kept].join("\n")}\n`;
}

/** Where the pids are. */
interface Column {
  /** Where the header's word ends, as do the numbers below it in the tables of procps. */
  end: number;
  /** The how manyth word it is. */
  index: number;
}

function findColumn(header: string): Column {
  const found = /(?<=^|\s)PID(?=\s|$)/.exec(header);
  if (!found) throw new RuntimeError("it has no column PID", { code: "invalidArgument", operation: "read the output of ps" });
  return { end: found.index + found[0].length, index: words(header.slice(0, found.index)).length };
}

/**
 * The pid in a line. By its place: a column before it may hold several words (lstart) or none. By its number among the words where nothing ends
 * there, as in tables that align otherwise. A line without one is of no process.
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
