/**
 * Black-box checks for any runtime: they look only at exit statuses and effects, never at texts.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe } from "../../test/integration/harness/execute.js";
import { toJson } from "../../test/integration/harness/config.js";
import type { Config } from "../../test/integration/harness/config.js";
import type { Bundle, BundleOptions, Context } from "../../test/integration/harness/context.js";
import type { Result } from "../../test/integration/harness/execute.js";

/** A configuration as plain JSON, for members that the harness's types lack or require. */
export type Json = Record<string, unknown>;

/** Runs an operation, which must generate an error. Deletes a container that it creates nevertheless. */
export async function refused(c: Context, ...args: string[]): Promise<Result> {
  const result = await c.runtime(args);
  if (result.status === 0 && args[0] === "create") c.deleteLater(args.at(-1));
  assert.notEqual(result.status, 0, describe(result));
  return result;
}

/** Asserts that there is no container with this ID. */
export async function absent(c: Context, id = c.id): Promise<void> {
  await refused(c, "state", id);
}

/** Asserts that `create` of a bundle generates an error and makes no container. */
export async function createRefused(c: Context, bundle: Bundle, id = c.id): Promise<void> {
  await refused(c, "create", "-b", bundle.directory, id);
  await absent(c, id);
}

/** Asserts that `create` refuses the default configuration with a change. */
export async function configRefused(c: Context, change: (config: Config & Json) => void): Promise<void> {
  await createRefused(c, c.bundle({ args: ["true"], config: (config) => change(config as Config & Json) }));
}

/** Makes a bundle with exactly this configuration. */
export function rawBundle(c: Context, config: unknown, options: BundleOptions = {}): Bundle {
  const bundle = c.bundle(options);
  writeFileSync(`${bundle.directory}/config.json`, toJson(config));
  return bundle;
}

/** Reads the configuration of a bundle. */
export function configOf(bundle: Bundle): Config & Json {
  return JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8")) as Config & Json;
}

/** The output of a shell command line in a container, which must succeed. */
export async function printed(c: Context, line: string, change: (config: Config & Json) => void = () => undefined): Promise<string> {
  return c.shell(line, (config) => change(config as Config & Json));
}

/** Sets a member that the harness's types lack. */
export function set(object: object, name: string, value: unknown): void {
  Object.assign(object, { [name]: value });
}

/** Removes the member at `path`. Throws if it does not exist, since the test would test nothing. */
export function remove(document: unknown, path: readonly (string | number)[]): void {
  const parent = path.slice(0, -1).reduce<unknown>((value, name) => (value as Record<string | number, unknown>)[name], document) as object;
  const name = path.at(-1) as string;
  assert.ok(name in parent, `${path.join("/")} is there to be removed`);
  Reflect.deleteProperty(parent, name);
}
