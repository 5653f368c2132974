/** `list`: prints all containers. */

import { containerIds, listContainers } from "../../runtime/runtime.js";
import type { ContainerState } from "../../runtime/runtime.js";
import type { CommandCall } from "../command.js";
import { EXIT_STATUS } from "../exit-status.js";

export function run({ door, values, switches, context }: CommandCall): number {
  if (switches.has("quiet")) {
    door.write(
      1,
      containerIds(context())
        .map((id) => `${id}\n`)
        .join(""),
    );
  } else {
    const states = listContainers(context());
    door.write(1, values["format"] === "json" ? `${JSON.stringify(states)}\n` : table(states));
  }
  return EXIT_STATUS.success;
}

const MIN_WIDTH = 12;
const GAP = 3;

/** Columns are as wide as their widest cell and a gap, at least `MIN_WIDTH`; the last one is not padded. */
export function table(states: readonly ContainerState[]): string {
  const rows = [
    ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    ...states.map(({ id, pid, status, bundle, created, owner }) => [id, String(pid), status, bundle, created, owner]),
  ];
  // Loops: with hundreds of containers, closures for each cell would take a tenth of the time.
  const widths = [MIN_WIDTH, MIN_WIDTH, MIN_WIDTH, MIN_WIDTH, MIN_WIDTH, 0];
  for (const row of rows) {
    for (let column = 0; column < 5; column++) {
      const width = (row[column] as string).length + GAP;
      if (width > (widths[column] as number)) widths[column] = width;
    }
  }
  return rows
    .map((row) => {
      let line = "";
      for (let column = 0; column < 6; column++) line += (row[column] as string).padEnd(widths[column] as number);
      return `${line}\n`;
    })
    .join("");
}
