/**
 * What must hold for any configuration, tried with many that chance makes of the vendored schema.
 * PROPERTY_RUNS: how many, default 100000. PROPERTY_SEED: repeats a run; it is printed each time. The last line is
 * `N passed, N failed`.
 */
import * as fc from "fast-check";
import { configurations, damagedConfigurations } from "./configurations.js";
import { checkConfiguration, checkDamage } from "./properties.js";
import { checkNumberList, numberLists } from "./number-lists.js";
import { checkProfile, profiles } from "./seccomp.js";

const runs = Number(process.env["PROPERTY_RUNS"] ?? 100_000);
const seed = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);

// First: what chance makes may break the maker itself.
console.log(`# PROPERTY_SEED=${seed}`);

/** Tries a check with many values. @returns how many of its tests failed: the check itself, and that enough values were such that it says something */
function tryAll<T>(what: string, values: fc.Arbitrary<T>, numRuns: number, check: (value: T) => boolean): number {
  const start = Date.now();
  let meant = 0;
  const result = fc.check(
    fc.property(values, (value) => {
      if (check(value)) meant += 1;
    }),
    { numRuns, seed },
  );
  console.log(`# ${result.numRuns} ${what}, ${meant} of use, seed ${seed}, ${((Date.now() - start) / 1000).toFixed(1)} s`);
  // Else the properties, of plans or of faults, say nothing.
  const enough = meant * 10 >= result.numRuns;
  if (!enough) console.log(`not ok of ten ${what} not even one was of use`);
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
