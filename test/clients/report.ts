/**
 * Writes the tables of docs/clients.md, between `<!-- table: FILE -->` and `<!-- end -->`, from the outcomes of the last runs in build/clients.
 * The column of a runtime without results stays as it is. With --check it writes nothing, and fails if a table is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Outcome } from "../integration/harness/suite.js";

const document = "docs/clients.md";
const runtimes = ["tsrunc", "tsrunc-node", "runc"] as const;

type Runtime = (typeof runtimes)[number];
/** step -> runtime -> `pass`, `fail` or `skip` */
type Table = Map<string, Partial<Record<Runtime, string>>>;

/** The outcomes of one file's tests in a runtime's last run; undefined if there are none. */
function outcomes(runtime: Runtime, file: string): Outcome[] | undefined {
  const lines = ["", "-go", "-guest"]
    .map((suite) => `build/clients/${runtime}${suite}.jsonl`)
    .filter((results) => existsSync(results))
    .flatMap((results) => readFileSync(results, "utf8").trim().split("\n"));
  const found = lines.map((line) => JSON.parse(line) as Outcome).filter((outcome) => outcome.file === file);
  return found.length > 0 ? found : undefined;
}

/** Parses a table of the document. */
function parse(text: string): Table {
  const table: Table = new Map();
  for (const line of text.trim().split("\n").slice(2)) {
    const [step = "", ...cells] = line.replace(/^\| | \|$/g, "").split(" | ");
    table.set(step, Object.fromEntries(runtimes.map((runtime, index) => [runtime, cells[index]?.trim() ?? ""])));
  }
  return table;
}

function update(before: Table, file: string): Table {
  const table: Table = new Map();
  const results = runtimes.map((runtime) => ({ runtime, found: outcomes(runtime, file) }));
  const first = results.find(({ found }) => found !== undefined)?.found;
  for (const { name } of first ?? []) table.set(name, {});
  for (const { runtime, found } of results) {
    for (const [step, row] of table) {
      row[runtime] = found ? (found.find(({ name }) => name === step)?.outcome ?? "") : (before.get(step)?.[runtime] ?? "");
    }
  }
  return first ? table : before;
}

function render(table: Table): string {
  const rows = [...table].map(([step, row]) => `| ${step} | ${runtimes.map((runtime) => row[runtime] ?? "").join(" | ")} |`);
  return [`| step | ${runtimes.join(" | ")} |`, "|---|---|---|---|", ...rows].join("\n");
}

const before = readFileSync(document, "utf8");
let stale = 0;
const after = before.replaceAll(/<!-- table: (\S+) -->\n(.*?)<!-- end -->/gs, (_, file: string, text: string) => {
  const old = parse(text);
  const table = render(update(old, file));
  if (table !== text.trim()) {
    stale += 1;
    const lines = new Set(text.split("\n"));
    for (const line of table.split("\n")) if (!lines.has(line)) console.log(`${document}, ${file}: ${line}`);
  }
  return `<!-- table: ${file} -->\n${table}\n<!-- end -->`;
});
if (!process.argv.includes("--check")) {
  writeFileSync(document, after);
  console.log("1 passed, 0 failed");
} else {
  if (stale > 0) console.log(`${document} is out of date: test/clients/report writes it`);
  console.log(stale > 0 ? "0 passed, 1 failed" : "1 passed, 0 failed");
  process.exitCode = stale > 0 ? 1 : 0;
}
