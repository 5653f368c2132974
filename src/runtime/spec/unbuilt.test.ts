import t from "tap";
import { configuration, runcRootlessSpecText, type Parts } from "./fixtures/configurations.js";
import type { Spec } from "./generated/spec-types.js";
import { isUnbuilt, unbuilt } from "./unbuilt.js";

const context = { rootless: false };
const linesOf = (spec: Spec): string[] =>
  unbuilt(spec, context).map(({ pointer, found, allowed }) => `${pointer}: found ${found}, allowed: ${allowed}`);
const other = "allowed: nothing: it configures a container of another platform, this runtime is for Linux";

const cases: readonly (readonly [change: (spec: Spec & Parts) => unknown, ...lines: string[]])[] = [
  [({ process }) => (process.commandLine = "cmd"), `/process/commandLine: found a command line, ${other}`],
  [(spec) => (spec.vm = { kernel: { path: "/k" } }), `/vm: found a section, ${other}`],
  [(spec) => (spec.windows = {}), `/windows: found a section, ${other}`],
  [(spec) => (spec.solaris = {}), `/solaris: found a section, ${other}`],
  [(spec) => (spec.zos = {}), `/zos: found a section, ${other}`],
  [(spec) => (spec.freebsd = {}), `/freebsd: found a section, ${other}`],
];

t.test("each field that is not carried out is refused by name", async (t) => {
  for (const [change, ...lines] of cases) t.strictSame(linesOf(configuration(change)), lines);
});

t.test("several are told at once, in the order of the document", async (t) => {
  const all = configuration((spec) => {
    for (const [change] of cases) change(spec);
  });
  const pointers = unbuilt(all, context).map(({ pointer }) => pointer);
  t.equal(pointers.length, 6);
  t.equal(pointers[0], "/process/commandLine");
  t.equal(pointers.at(-1), "/freebsd");
  t.ok(unbuilt(all, context).every(isUnbuilt));
});

t.test("an empty value asks for nothing", async (t) => {
  const empty = configuration(({ process, linux, mounts }) => {
    Object.assign(process, { commandLine: "" });
    Object.assign(linux, { netDevices: {} });
    mounts.push({ destination: "/a", source: "/a", options: ["rbind", "rro"], uidMappings: [], gidMappings: [] });
  });
  t.strictSame(linesOf(empty), []);
  t.strictSame(linesOf(JSON.parse(runcRootlessSpecText) as Spec), []);
});
