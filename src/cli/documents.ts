/** The files that are generated from the table (scripts/generate-cli.mjs). Not part of the program. */

import { commandNames } from "./grammars.js";
import { commandManPage, pageName, programManPage } from "./man-page.js";
import { reference } from "./reference.js";
import type { TestLists } from "./test-hosts.js";

/** Paths of the lists in the repository. */
export const TEST_LISTS = { guest: "scripts/guest.d/tests", failsOnNode: "test/integration/expected/tsrunc-node.txt" } as const;

/** Texts by their paths in the repository. */
export function documents(lists: TestLists): Record<string, string> {
  return {
    "docs/cli.md": reference(lists),
    "docs/man/tsrunc.8": programManPage(),
    ...Object.fromEntries(commandNames().map((name) => [`docs/man/${pageName(name)}.8`, commandManPage(name)])),
  };
}
