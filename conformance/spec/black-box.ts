/**
 * What the tests ask of any runtime: they look at exit statuses and effects, never at texts.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe } from "../../test/integration/harness/execute.js";
import { toJson } from "../../test/integration/harness/config.js";
import type { Config } from "../../test/integration/harness/config.js";
import type { Bundle, BundleOptions, Context } from "../../test/integration/harness/context.js";
import type { Result } from "../../test/integration/harness/execute.js";

/** A configuration as JSON: what the harness's types do not know, or must not be there. */
export type Json = Record<string, unknown>;

/** An operation that has to generate an error. A container that is made in spite of that goes with the test. */
export async function refused(c: Context, ...args: string[]): Promise<Result> {
  const result = await c.runtime(args);
  if (result.status === 0 && args[0] === "create") c.deleteLater(args.at(-1));
  assert.notEqual(result.status, 0, describe(result));
  return result;
}

/** There is no container of that id. */
export async function absent(c: Context, id = c.id): Promise<void> {
  await refused(c, "state", id);
}

/** `create` of a bundle has to generate an error and make no container. */
export async function createRefused(c: Context, bundle: Bundle, id = c.id): Promise<void> {
  await refused(c, "create", "-b", bundle.directory, id);
  await absent(c, id);
}

/** A configuration, changed as JSON, has to be refused by `create`. */
export async function configRefused(c: Context, change: (config: Config & Json) => void): Promise<void> {
  await createRefused(c, c.bundle({ args: ["true"], config: (config) => change(config as Config & Json) }));
}

/** A bundle whose configuration is written as it is given. */
export function rawBundle(c: Context, config: unknown, options: BundleOptions = {}): Bundle {
  const bundle = c.bundle(options);
  writeFileSync(`${bundle.directory}/config.json`, toJson(config));
  return bundle;
}

/** The configuration of a bundle. */
export function configOf(bundle: Bundle): Config & Json {
  return JSON.parse(readFileSync(`${bundle.directory}/config.json`, "utf8")) as Config & Json;
}

/** What a shell command line prints in a container that has to run well. */
export async function printed(c: Context, line: string, change: (config: Config & Json) => void = () => undefined): Promise<string> {
  return c.shell(line, (config) => change(config as Config & Json));
}

/** Sets a member that the harness's types do not have. */
export function set(object: object, name: string, value: unknown): void {
  Object.assign(object, { [name]: value });
}

/** Removes the member at `path`. Throws where it is not there: then there is nothing to test. */
export function remove(document: unknown, path: readonly (string | number)[]): void {
  const holder = path.slice(0, -1).reduce<unknown>((value, name) => (value as Record<string | number, unknown>)[name], document) as object;
  const name = path.at(-1) as string;
  assert.ok(name in holder, `${path.join("/")} is there to be removed`);
  Reflect.deleteProperty(holder, name);
}
