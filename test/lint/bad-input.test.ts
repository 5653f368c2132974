import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";
import t from "tap";

interface Schema {
  $ref?: string;
  type?: string;
  enum?: string[];
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  allOf?: Schema[];
  anyOf?: Schema[];
}

/** Sections of other platforms, which tsrunc refuses as a whole. */
const OTHER_PLATFORMS = ["solaris", "windows", "vm", "zos", "freebsd"];

/** A node of the schema, and the file to which its references are relative. */
interface Node {
  schema: Schema;
  file: string;
}

function follow({ schema, file }: Node): Node {
  if (schema.$ref === undefined) return { schema, file };
  const [name, pointer = ""] = schema.$ref.split("#");
  const target = name || file;
  const document = JSON.parse(readFileSync(`schema/${target}`, "utf8")) as Schema;
  const found = pointer
    .split("/")
    .slice(1)
    .reduce((at, step) => (at as Record<string, Schema>)[step] as Schema, document);
  return follow({ schema: found, file: target });
}

/** Pointers to all scalar values (`*` stands for any index or name), and whether they are numbers. */
function fields(node: Node, pointer = ""): [pointer: string, isNumber: boolean][] {
  const { schema, file } = follow(node);
  const below = (inner: Schema, step: string): ReturnType<typeof fields> => fields({ schema: inner, file }, `${pointer}${step}`);
  const members = Object.entries(schema.properties ?? {}).filter(([name]) => pointer !== "" || !OTHER_PLATFORMS.includes(name));
  const isScalar = schema.enum !== undefined || (schema.type !== undefined && schema.type !== "object" && schema.type !== "array");
  if (isScalar) return [[pointer, schema.type === "integer"]];
  return [
    ...[...(schema.allOf ?? []), ...(schema.anyOf ?? [])].flatMap((part) => below(part, "")),
    ...members.flatMap(([name, member]) => below(member, `/${name}`)),
    ...Object.values(schema.patternProperties ?? {}).flatMap((member) => below(member, "/*")),
    ...(typeof schema.additionalProperties === "object" ? below(schema.additionalProperties, "/*") : []),
    ...(schema.items ? below(schema.items, "/*") : []),
  ];
}

/** Loads the table of the integration tests. It works because the file has no imports. */
async function badValues(): Promise<readonly { name: string; message: string }[]> {
  const { code } = transformSync(readFileSync("test/integration/bad-values.ts", "utf8"), { loader: "ts", format: "esm" });
  const loaded: unknown = await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
  return (loaded as { badValueCases: { name: string; message: string }[] }).badValueCases;
}

t.test("every field of the schema has a bad value in the tests, and every number one beyond its range", async (t) => {
  const all = fields({ schema: { $ref: "config-schema.json#" }, file: "" });
  t.ok(all.length > 150, "the schema was read");
  const cases = await badValues();
  for (const [kind, required] of [
    ["values of the wrong kind", all],
    ["numbers beyond their range", all.filter(([, isNumber]) => isNumber)],
  ] as const) {
    const messages = cases.filter(({ name }) => name.startsWith(kind)).map(({ message }) => message);
    const reported = messages.flatMap((message) => [...message.matchAll(/(?<= )(\/[^:\n]+): found /g)].map(([, pointer]) => pointer ?? ""));
    const isReported = (field: string): boolean => {
      const pattern = new RegExp(`^${field.replaceAll("*", "[^/]+")}$`);
      return reported.some((pointer) => pattern.test(pointer));
    };
    const missing = new Set(required.map(([field]) => field).filter((field) => !isReported(field)));
    t.same([...missing], [], kind);
  }
});
