/**
 * io.weight and io.bfq.weight as IOWeight and IODeviceWeight (systemd.resource-control(5)). systemd sets both files from one weight: io.weight
 * to the weight itself, io.bfq.weight to the weight on BFQ's scale (systemd, src/core/cgroup.c, BFQ_WEIGHT).
 */

import type { RuntimeError } from "../errors.js";
import type { CgroupWrite, UnitProperty } from "../generated/plan.js";
import { quote } from "../spec/fault.js";
import { parseWeightLine } from "./cgroup-values.js";
import { refused } from "./limit-error.js";
import { lastComponent } from "./paths.js";

/** The greatest weight of each file; the default is 100 in both. */
const GREATEST: Readonly<Record<string, bigint>> = { "io.weight": 10_000n, "io.bfq.weight": 1000n };
const DEFAULT_WEIGHT = 100n;

/** The weight in one file, converted to systemd's scale. */
interface FileWeight {
  weight: bigint;
  write: CgroupWrite;
}

type WeightByFile = Map<string, FileWeight>;

/**
 * The weights among `writes`. For single devices only those of BFQ: setting the default resets them, which io.weight does not do.
 * @throws RuntimeError on an invalid line, and if the files contradict each other
 */
export function weightProperties(writes: readonly CgroupWrite[]): UnitProperty[] {
  const properties: UnitProperty[] = [];
  const deviceWeights: [path: string, weight: string][] = [];
  let pointer = "";
  for (const [device, said] of weightsByDevice(writes)) {
    const [bfq, other] = [said.get("io.bfq.weight"), said.get("io.weight")];
    const one = bfq ?? other;
    if (!one) continue;
    if (bfq && other && bfq.weight !== other.weight) throw contradiction(bfq, other, writes);
    if (device === undefined) {
      properties.push({ name: "IOWeight", signature: "t", value: String(one.weight), pointer: one.write.pointer });
    } else if (bfq) {
      deviceWeights.push([`/dev/block/${device}`, String(bfq.weight)]);
      pointer ||= bfq.write.pointer;
    }
  }
  if (deviceWeights.length > 0) properties.push({ name: "IODeviceWeight", signature: "a(st)", value: deviceWeights, pointer });
  return properties;
}

/** The last line of each file for each device; undefined is the default of all. */
function weightsByDevice(writes: readonly CgroupWrite[]): Map<string | undefined, WeightByFile> {
  const devices = new Map<string | undefined, WeightByFile>();
  for (const write of writes) {
    const file = lastComponent(write.path);
    const greatest = GREATEST[file];
    if (greatest === undefined) continue;
    const line = parseWeightLine(write.value);
    const weight = line?.weight;
    if (!line || (weight !== undefined && (weight < 1n || weight > greatest))) {
      throw refused(
        write.pointer,
        `systemd does not take ${quote(write.value)}: allowed is a weight from 1 to ${greatest}, or one of a device`,
      );
    }
    const said: WeightByFile = devices.get(line.device) ?? new Map();
    if (weight === undefined) said.delete(file);
    else said.set(file, { weight: file === "io.weight" ? weight : fromBfq(weight), write });
    devices.set(line.device, said);
  }
  return devices;
}

/** The weight of systemd (1 to 10000) that becomes this one of BFQ (1 to 1000). */
function fromBfq(weight: bigint): bigint {
  return weight <= DEFAULT_WEIGHT ? weight : DEFAULT_WEIGHT + (weight - DEFAULT_WEIGHT) * 11n;
}

function contradiction(bfq: FileWeight, other: FileWeight, writes: readonly CgroupWrite[]): RuntimeError {
  const isLater = writes.indexOf(bfq.write) > writes.indexOf(other.write);
  const [first, second] = isLater ? [other.write, bfq.write] : [bfq.write, other.write];
  return refused(
    second.pointer,
    `systemd has one weight for io.weight and io.bfq.weight: ${quote(second.value)} contradicts ${quote(first.value)} of ${first.pointer}`,
  );
}
