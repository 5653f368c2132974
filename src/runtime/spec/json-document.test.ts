import t from "tap";
import { deepestNesting } from "./json-depth.js";
import { isTooDeep } from "./json-document.js";

const nested = (depth: number, open: string, close: string): string => `{"x":${open.repeat(depth - 1)}${close.repeat(depth - 1)}}`;
const inspect = (text: string): boolean => isTooDeep(text, JSON.parse(text));

t.test("arrays and objects may nest 128 deep", async (t) => {
  t.equal(inspect(nested(deepestNesting, "[", "]")), false);
  t.equal(inspect(nested(deepestNesting + 1, "[", "]")), true);
  const mixed = (pairs: number): string => `${'{"a":['.repeat(pairs)}${"]}".repeat(pairs)}`;
  t.equal(inspect(mixed(deepestNesting / 2)), false);
  t.equal(inspect(mixed(deepestNesting / 2 + 1)), true);
});

t.test("many brackets beside each other, or in strings, are not deep", async (t) => {
  t.equal(inspect(JSON.stringify({ x: Array.from({ length: 500 }, () => [{}]) })), false);
  t.equal(inspect(JSON.stringify({ x: "[{".repeat(500) })), false);
});
