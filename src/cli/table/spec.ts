import type { Grammar, Manual } from "../table.js";

export function grammar(): Grammar {
  return { arguments: [], flags: [{ name: "bundle", short: "b", value: "DIR" }, { name: "rootless" }] };
}

export function manual(): Manual {
  return {
    summary: "write a default config.json",
    description: `
      Writes a configuration that runs a shell in ./rootfs. An existing file is left alone.`,
    flags: {
      bundle: "Directory that gets config.json. Default: the working directory.",
      rootless: "Write one for a caller without privilege: a user namespace that maps the caller to root.",
    },
    example: ["tsrunc spec --rootless --bundle ~/bundle"],
  };
}
