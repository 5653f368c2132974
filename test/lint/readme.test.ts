import { readFileSync } from "node:fs";
import t from "tap";
import { cpuWeight, ioWeight } from "../../src/runtime/plan/cgroup-v2.js";

/** Titles of the tests of an integration file; of a title with parts in it, the parts around them. */
function titles(file: string): string[] {
  const text = ["test.ts", "cases.ts"]
    .map((ending) => `test/integration/${file}.${ending}`)
    .map((path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return "";
      }
    })
    .join("\n");
  return [...text.matchAll(/(?:test|text|bundled|fault)\(\s*(?:"((?:[^"\\]|\\.)+)"|`([^`]+)`)/g)].map(([, plain, template]) =>
    (plain ?? template ?? "").replaceAll('\\"', '"').replaceAll(/\$\{[^}]*\}/g, ""),
  );
}

t.test("every test that the README's support matrix names is there", async (t) => {
  const rows = readFileSync("README.md", "utf8")
    .split("\n")
    .filter((line) => / > .* \|$/.test(line));
  t.ok(rows.length > 40, "the matrix has its rows");
  for (const row of rows) {
    const [file = "", title = ""] = (row.split(" | ").at(-1) ?? "").replace(/ \|$/, "").split(" > ");
    const fits = titles(file).some((known) => known.includes(title.replace(/"[a-z]+" /, "")));
    t.ok(fits, `${file} > ${title}`);
  }
});

t.test("the README's examples of limits on cgroup v2 are what the plan has", async (t) => {
  const readme = readFileSync("README.md", "utf8");
  for (const [field, convert] of [
    ["cpu.shares", cpuWeight],
    ["blockIO.weight", ioWeight],
  ] as const) {
    const row = readme.split("\n").find((line) => line.startsWith(`| ${field} |`)) ?? "";
    const examples = [...(row.split(" | ").at(-1) ?? "").matchAll(/(\d+) is (\d+)/g)].map(([, from, to]) => [Number(from), Number(to)]);
    t.ok(examples.length > 3, field);
    t.same(
      examples.map(([from = 0]) => [from, convert(from)]),
      examples,
    );
  }
});
