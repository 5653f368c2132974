import { existsSync, readFileSync, readdirSync } from "node:fs";
import t from "tap";
import { cpuWeight, ioWeight } from "../../src/runtime/plan/cgroup-v2.js";

/** Finds the titles of the tests in an integration file. Omits the substitutions of template strings. */
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

t.test("every file that ARCHITECTURE.md names for a field exists", async (t) => {
  const section = readFileSync("ARCHITECTURE.md", "utf8").split("\n## Where a field is decided\n")[1]?.split("\n## ")[0] ?? "";
  const rows = section
    .split("\n")
    .filter((line) => /^\| [^-]/.test(line))
    .slice(1);
  t.ok(rows.length > 20, "the table has its rows");
  for (const row of rows) {
    const [, field = "", ...cells] = row.split("|").map((cell) => cell.trim());
    for (const [index, base] of ["src/runtime/spec", "src/runtime/plan", "native"].entries()) {
      const files = [...(cells[index] ?? "").matchAll(/`([^`]+\.(?:ts|rs))`/g)].map(([, file]) => `${base}/${file}`);
      for (const file of files) t.ok(existsSync(file), `${field}: ${file}`);
    }
  }
});

t.test("the files of unit tests that README.md names exist", async (t) => {
  const rows = readFileSync("README.md", "utf8")
    .split("\n")
    .filter((line) => line.includes("unit tests alone"));
  const files = rows.flatMap((row) => [...row.matchAll(/`([^`]+\.(?:ts|rs))`/g)].map(([, file = ""]) => file));
  t.ok(files.length > 0, "there are some");
  for (const file of files) t.ok(existsSync(file), file);
});

t.test("every source file that ARCHITECTURE.md names exists", async (t) => {
  const sources = ["src", "native"].flatMap((directory) =>
    readdirSync(directory, { recursive: true, encoding: "utf8" }).map((file) => `/${directory}/${file}`),
  );
  // Skip the table of fields, whose paths have other bases; an earlier test checks them.
  const lines = readFileSync("ARCHITECTURE.md", "utf8").split("\n");
  const text = lines.filter((line) => !/^\|.*\|$/.test(line) || line.includes("native, ")).join("\n");
  const files = new Set([...text.matchAll(/`([\w./-]+\.(?:ts|rs))`/g)].map(([, file = ""]) => file));
  t.ok(files.size > 40, "there are some");
  for (const file of files) {
    const exists = sources.some((source) => source.endsWith(`/${file}`));
    t.ok(exists, file);
  }
});
