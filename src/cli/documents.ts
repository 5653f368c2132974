/** The files that are made of the table (scripts/generate-cli.mjs). No part of the program. */

import { commandNames } from "./grammars.js";
import { commandManPage, pageName, programManPage } from "./man-page.js";
import { reference } from "./reference.js";

/** Texts by their paths in the repository. */
export function documents(): Record<string, string> {
  return {
    "docs/cli.md": reference(),
    "docs/man/tsrunc.8": programManPage(),
    ...Object.fromEntries(commandNames().map((name) => [`docs/man/${pageName(name)}.8`, commandManPage(name)])),
  };
}
