/** The context of every operation of the library: the host, and the directory that holds the containers' states. */

import type { Door } from "../../door.js";
import type { Warning } from "../generated/plan.js";
import { RuntimeError } from "../errors.js";
import { askText, hostFacts } from "../native.js";
import { cleanAbsolute } from "../plan/paths.js";

/** The parts of `Door` that the library uses: it reads no argv, prints nothing and never exits. */
export type LibraryDoor = Pick<Door, "call" | "part">;

export interface RuntimeContext {
  door: LibraryDoor;
  /** Absolute path of the directory with one directory per container. */
  root: string;
  /** Mode of `root` if it has to be created. */
  rootMode: number;
  /**
   * The process runs only this operation. A signal such as SIGTERM then makes a create, run or start undo what it has done and throw
   * `interrupted`, and a `delete` with `force` of another process may end this one. Default: false, for programs that embed the library.
   */
  interruptible?: boolean | undefined;
  /**
   * Receives problems that do not stop the operation (`warning`) and details for troubleshooting (`debug`). `about`: for
   * a warning about config.json, the field concerned.
   */
  log(level: "warning" | "debug", message: string, about?: Warning): void;
}

/** The directory that holds the containers' states, and its mode. */
export interface StateRoot {
  root: string;
  rootMode: number;
}

const SYSTEM_ROOT: StateRoot = { root: "/run/tsrunc", rootMode: 0o700 };

/**
 * The default directory: /run/tsrunc, or below $XDG_RUNTIME_DIR for a caller who is not the host's root. There it is
 * sticky: the XDG base directory specification lets others remove what is old and not sticky.
 */
export function defaultStateRoot(door: LibraryDoor, env: Readonly<Record<string, string | undefined>>): StateRoot {
  const directory = env["XDG_RUNTIME_DIR"];
  if (!directory) return SYSTEM_ROOT;
  const { euid, inUserNamespace } = hostFacts(door);
  const privileged = euid === 0 && (!inUserNamespace || env["USER"] === "root");
  return privileged ? SYSTEM_ROOT : { root: cleanAbsolute(`${directory}/tsrunc`), rootMode: 0o1700 };
}

/** The directory that a caller has chosen. @throws RuntimeError on `/`, whose directories are not containers. */
export function namedStateRoot(door: LibraryDoor, path: string): StateRoot {
  if (path === "") throw new RuntimeError("it is empty", { code: "invalidArgument", operation: "use the state directory" });
  const root = cleanAbsolute(path.startsWith("/") ? path : askText(door, { op: "absolutePath", path }));
  if (root === "/")
    throw new RuntimeError("the root of the file system cannot hold states", {
      code: "invalidArgument",
      operation: 'use the state directory "/"',
    });
  return { root, rootMode: SYSTEM_ROOT.rootMode };
}
