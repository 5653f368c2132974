/**
 * Property-based tests: checks invariants with random configurations from the vendored schema.
 * PROPERTY_RUNS: the number of configurations, default 100000. PROPERTY_SEED: the seed; use the printed one to repeat a run. The last line
 * is `N passed, N failed`.
 */
import * as fc from "fast-check";
import { configurations, damagedConfigurations } from "./configurations.js";
import { checkConfiguration, checkDamage } from "./properties.js";
import { checkNumberList, numberLists } from "./number-lists.js";
import { checkProfile, profiles } from "./seccomp.js";

const runs = Number(process.env["PROPERTY_RUNS"] ?? 100_000);
const seed = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);

// Print the seed first, in case a generator itself fails.
console.log(`# PROPERTY_SEED=${seed}`);

/**
 * Runs a check with many random values. The check returns whether a value was useful.
 * @returns how many of two tests failed: the check itself, and that at least a tenth of the values were useful
 */
function tryAll<T>(what: string, values: fc.Arbitrary<T>, numRuns: number, check: (value: T) => boolean): number {
  const start = Date.now();
  let useful = 0;
  const result = fc.check(
    fc.property(values, (value) => {
      if (check(value)) useful += 1;
    }),
    { numRuns, seed },
  );
  console.log(`# ${result.numRuns} ${what}, ${useful} useful, seed ${seed}, ${((Date.now() - start) / 1000).toFixed(1)} s`);
  // With fewer useful values, the check would prove little.
  const enough = useful * 10 >= result.numRuns;
  if (!enough) console.log(`not ok fewer than a tenth of the ${what} were useful`);
  if (result.failed) {
    console.log(`not ok ${String(result.errorInstance)}`);
    console.log(`    ${JSON.stringify(result.counterexample, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item))}`);
    console.log(`    again: PROPERTY_SEED=${seed} ./scripts/test property`);
  }
  return Number(result.failed) + Number(!enough);
}

const failed =
  tryAll("configurations", configurations, runs, checkConfiguration) +
  tryAll("damaged configurations", damagedConfigurations, Math.ceil(runs / 10), checkDamage) +
  tryAll("seccomp profiles", profiles, Math.ceil(runs / 10), checkProfile) +
  tryAll("lists of numbers", numberLists, Math.ceil(runs / 10), checkNumberList);
console.log(`${8 - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
