import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return {
    arguments: [
      { name: "shell", placeholder: "SHELL", choices: ["bash", "zsh", "fish"] },
      { name: "word", placeholder: "WORD", optional: true, repeatable: true },
    ],
    flags: [],
  };
}

export function manual(): Manual {
  return {
    summary: "print a script that completes command lines",
    description: `
      Prints a script for the shell. It completes commands, flags, their values, ids of containers and signals by asking this
      program, so it is never older than the program and need not be made anew with each version.

      With words, which is how the script asks, prints what the last of them may become: words, files or directories in the first
      line, then the words, one a line.`,
    flags: {},
    example: [
      "tsrunc completion bash > /usr/share/bash-completion/completions/tsrunc",
      "tsrunc completion zsh > /usr/share/zsh/vendor-completions/_tsrunc",
      "tsrunc completion fish > /usr/share/fish/vendor_completions.d/tsrunc.fish",
    ],
  };
}
