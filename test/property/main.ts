/**
 * What must hold for any configuration, tried with many that chance makes of the vendored schema.
 * PROPERTY_RUNS: how many, default 100000. PROPERTY_SEED: repeats a run; it is printed each time. The last line is
 * `N passed, N failed`.
 */
import * as fc from "fast-check";
import { configurations } from "./configurations.ts";
import { checkConfiguration } from "./properties.ts";

const runs = Number(process.env["PROPERTY_RUNS"] ?? 100_000);
const seed = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);
const start = Date.now();
let planned = 0;

const result = fc.check(
  fc.property(configurations, (configuration) => {
    if (checkConfiguration(configuration)) planned += 1;
  }),
  { numRuns: runs, seed },
);

console.log(`# ${result.numRuns} configurations, ${planned} planned, seed ${seed}, ${((Date.now() - start) / 1000).toFixed(1)} s`);
// Else the properties of plans say nothing.
const enough = planned * 10 >= result.numRuns;
if (!enough) console.log("not ok of ten configurations not even one was sound");
if (result.failed) {
  console.log(`not ok ${String(result.errorInstance)}`);
  console.log(`    ${JSON.stringify(result.counterexample)}`);
  console.log(`    again: PROPERTY_SEED=${seed} ./scripts/test property`);
}
const failed = Number(result.failed) + Number(!enough);
console.log(`${2 - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
