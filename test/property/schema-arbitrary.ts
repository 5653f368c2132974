/**
 * Generates values that fit the vendored JSON schema (draft 4, as far as runtime-spec uses it). A vocabulary provides typical strings for
 * each member, so that many values are meaningful.
 */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";

export type Value = null | boolean | number | bigint | string | Value[] | { [name: string]: Value };

interface Schema {
  $ref?: string;
  type?: string;
  enum?: Value[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema;
  patternProperties?: Record<string, Schema>;
  anyOf?: Schema[];
  allOf?: Schema[];
}

const directory = "schema";
const files = new Map<string, unknown>();

function file(name: string): unknown {
  let content = files.get(name);
  if (content === undefined) files.set(name, (content = JSON.parse(readFileSync(`${directory}/${name}`, "utf8"))));
  return content;
}

/** Resolves a reference. Returns its target, and the file to which the target's references are relative. */
function resolve(reference: string, from: string): { schema: Schema; from: string } {
  const [name = "", pointer = ""] = reference.split("#");
  const target = name === "" ? from : name;
  let found = file(target);
  for (const step of pointer.split("/").slice(1)) found = (found as Record<string, unknown>)[step];
  return { schema: found as Schema, from: target };
}

/** Typical strings, by the name of the member that contains them. */
export type Vocabulary = Readonly<Record<string, readonly string[]>>;

/** Arbitrary strings: also empty, long, with lone surrogates or NUL. */
const anyText = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "\ud800", "\u0000", "a\u0000b", "..", "/", "../..", "__proto__", "x".repeat(300), "%d", "é"),
  },
);

/** Numbers at the limits of the fields' ranges. */
const edges = [0, 1, -1, 2, 10, 100, 1000, 1024, 65535, 65536, 4294967294, 4294967295, 2 ** 31, 2 ** 53 - 1];
const bigEdges = [2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 64n];

/** Makes arbitraries from the vendored schema. */
export class SchemaArbitrary {
  readonly #cache = new Map<Schema, fc.Arbitrary<Value>>();

  constructor(readonly vocabulary: Vocabulary) {}

  /** Values that fit the member at `path` of config-schema.json, such as `linux/resources/cpu`. */
  at(path: string): fc.Arbitrary<Value> {
    let node = this.#follow({ schema: file("config-schema.json") as Schema, from: "config-schema.json" });
    let name = "";
    for (name of path.split("/")) {
      const member = node.schema.properties?.[name];
      if (member === undefined) throw new Error(`the schema has no ${path}`);
      node = this.#follow({ schema: member, from: node.from });
    }
    return this.#value(node.schema, node.from, name);
  }

  #follow(node: { schema: Schema; from: string }): { schema: Schema; from: string } {
    let at = node;
    while (at.schema.$ref !== undefined) at = resolve(at.schema.$ref, at.from);
    return at;
  }

  #value(given: Schema, givenFrom: string, name: string): fc.Arbitrary<Value> {
    const cached = this.#cache.get(given);
    if (cached) return cached;
    const { schema, from } = this.#follow({ schema: given, from: givenFrom });
    const arbitrary = this.#make(schema, from, name);
    this.#cache.set(given, arbitrary);
    return arbitrary;
  }

  #make(schema: Schema, from: string, name: string): fc.Arbitrary<Value> {
    if (schema.enum) return fc.constantFrom(...schema.enum);
    if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => this.#value(one, from, name)));
    if (schema.allOf)
      return fc.tuple(...schema.allOf.map((one) => this.#value(one, from, name))).map((parts) => Object.assign({}, ...parts) as Value);
    switch (schema.type) {
      case "boolean":
        return fc.boolean();
      case "integer":
      case "number":
        return this.#number(schema);
      case "array":
        return fc.array(this.#value(schema.items ?? {}, from, name), { minLength: schema.minItems ?? 0, maxLength: 3 });
      case "string":
        return this.#text(schema, name);
      default:
        return this.#object(schema, from, name);
    }
  }

  #number({ minimum = -Infinity, maximum = Infinity }: Schema): fc.Arbitrary<Value> {
    const fitting = [...edges, ...bigEdges].filter((edge) => edge >= minimum && edge <= maximum);
    const least = Math.max(minimum, -1000);
    return fc.oneof(
      fc.constantFrom(...(fitting.length > 0 ? fitting : [least])),
      fc.integer({ min: least, max: Math.min(maximum, 2_000_000) }),
    );
  }

  #text({ pattern }: Schema, name: string): fc.Arbitrary<Value> {
    const strings = this.vocabulary[name] ?? this.vocabulary[""] ?? [];
    const words = strings.filter((word) => pattern === undefined || new RegExp(pattern).test(word));
    if (pattern !== undefined) return words.length > 0 ? fc.constantFrom(...words) : fc.stringMatching(new RegExp(pattern));
    return words.length > 0 ? fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...words) }, { weight: 1, arbitrary: anyText }) : anyText;
  }

  #object(schema: Schema, from: string, name: string): fc.Arbitrary<Value> {
    const members = Object.entries(schema.properties ?? {}).map(([member, one]) => [member, this.#value(one, from, member)] as const);
    const extra = schema.additionalProperties ?? Object.values(schema.patternProperties ?? {})[0];
    if (extra) {
      const names = this.vocabulary[`${name}:names`];
      const key = names ? fc.constantFrom(...names) : anyText;
      return fc.dictionary(key, this.#value(extra, from, `${name}:values`), { maxKeys: 3, noNullPrototype: true });
    }
    if (members.length === 0) return fc.constantFrom<Value>({}, { unknown: [1] });
    return fc.record(Object.fromEntries(members), { requiredKeys: schema.required ?? [], noNullPrototype: true });
  }
}
