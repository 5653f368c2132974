import t from "tap";
import { check, commonRules } from "./check.js";
import { cases as linuxCases } from "./fixtures/linux-cases.js";
import { cases as seccompCases } from "./fixtures/seccomp-cases.js";
import { cases as processCases, type Case } from "./fixtures/process-cases.js";
import { rareRules } from "./rare-rules.js";
import { cases as rareCases } from "./fixtures/rare-cases.js";
import { configuration, runcRootlessSpecText, runcSpecText } from "./fixtures/configurations.js";
import { faultText } from "./fault.js";
import type { Spec } from "./generated/spec-types.js";

const allRules = [...commonRules, ...rareRules];

const cases: readonly Case[] = [...processCases, ...linuxCases, ...rareCases, ...seccompCases];

t.test("what runc writes has no fault", async (t) => {
  t.strictSame(check(JSON.parse(runcSpecText) as Spec, allRules, { rootless: false }), []);
  t.strictSame(check(JSON.parse(runcRootlessSpecText) as Spec, allRules, { rootless: true }), []);
  t.strictSame(check(JSON.parse(runcRootlessSpecText) as Spec, allRules, { rootless: false }), []);
});

for (const { rule, good, bad } of cases) {
  t.test(`${rule} takes the good and refuses the bad`, async (t) => {
    for (const [change, context] of good) {
      t.strictSame(check(configuration(change), allRules, { rootless: false, ...context }), [], change.toString());
    }
    for (const [change, expected, context] of bad) {
      const faults = check(configuration(change), allRules, { rootless: false, ...context });
      const lines = faults
        .filter((fault) => fault.rule === rule)
        .map(({ pointer, found, allowed }) => `${pointer}: found ${found}, allowed: ${allowed}`);
      t.strictSame(lines, expected, change.toString());
    }
  });
}

t.test("every rule has a good and a bad case", async (t) => {
  const names = allRules.flatMap((group) => Object.keys(group));
  t.equal(new Set(names).size, names.length, "no name twice");
  t.strictSame(cases.map(({ rule }) => rule).sort(), names.sort());
  for (const { rule, good, bad } of cases) t.ok(good.length > 0 && bad.length > 0, rule);
});

t.test("all faults are told at once, in the order of the document", async (t) => {
  const spec = configuration((spec) => {
    spec.hostname = "h".repeat(65);
    spec.process.cwd = "tmp";
    spec.process.args = [];
    spec.linux.namespaces = [{ type: "mount" }, { type: "mount" }];
    spec.root.path = "";
  });
  t.equal(
    faultText("config.json", check(spec, allRules, { rootless: false })),
    `config.json: 6 faults:
  /process/args: found an empty array, allowed: at least the name of a program
  /process/cwd: found "tmp", allowed: an absolute path
  /root/path: found "", allowed: the path of a directory
  /hostname: found "${"h".repeat(65)}", allowed: nothing, or an entry of type "uts" in /linux/namespaces
  /hostname: found "${"h".repeat(65)}", allowed: at most 64 bytes
  /linux/namespaces/1/type: found "mount", allowed: each type once: it stands in /linux/namespaces/0 too`,
  );
});
