/**
 * config.json's linux.resources.blockIO, read back from the hierarchies (runtime-spec, config-linux.md#block-io).
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { diskOnBfq } from "./harness/bfq.js";
import { testOn, test } from "./harness/suite.js";
import { cgroupDirectory, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import { exclusive } from "./harness/environment.js";
import { limit, limited } from "./harness/limits.js";

test("throttles and weight", async (c) => {
  const [major, minor] = [statSync("/dev/vda", { throwIfNoEntry: false }) ? 254 : 7, 0];
  const rate = (value: number): object[] => [{ major, minor, rate: value }];
  const pid = await limited(c, {
    blockIO: {
      weight: 300,
      throttleReadBpsDevice: rate(1000001),
      throttleWriteBpsDevice: rate(1000002),
      throttleReadIOPSDevice: rate(1003),
      throttleWriteIOPSDevice: rate(1004),
    },
  });
  if (!hierarchyOf("blkio")) {
    assert.match(
      limit(pid, "io", "", "io.max") ?? "",
      new RegExp(`^${major}:${minor} rbps=1000001 wbps=1000002 riops=1003 wiops=1004$`, "m"),
    );
    const bfq = limit(pid, "io", "", "io.bfq.weight");
    assert.match(bfq ?? limit(pid, "io", "", "io.weight") ?? "", bfq === undefined ? /default 2930/ : /300/);
    return;
  }
  assert.equal(limit(pid, "blkio", "blkio.throttle.read_bps_device"), `${major}:${minor} 1000001`);
  assert.equal(limit(pid, "blkio", "blkio.throttle.write_bps_device"), `${major}:${minor} 1000002`);
  assert.equal(limit(pid, "blkio", "blkio.throttle.read_iops_device"), `${major}:${minor} 1003`);
  assert.equal(limit(pid, "blkio", "blkio.throttle.write_iops_device"), `${major}:${minor} 1004`);
  const directory = cgroupDirectory(pid, "blkio");
  assert.equal(readCgroup(directory, "blkio.weight") ?? readCgroup(directory, "blkio.bfq.weight"), "300");
});

// It changes the machine's disk: only a machine that is the tests' own, the guest, will do.
if (exclusive) {
  testOn(["v2"], "weights of BFQ, for all disks and for one", async (c) => {
    const disk = diskOnBfq(c);
    const pid = await limited(c, { blockIO: { weight: 300, weightDevice: [{ ...disk, weight: 70 }] } });
    assert.equal(limit(pid, "io", "", "io.bfq.weight"), `default 300\n${disk.major}:${disk.minor} 70`);
  });
}
