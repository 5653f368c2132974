/**
 * linux.timeOffsets (runtime-spec, config-linux.md#time-namespace-offsets; time_namespaces(7)).
 */
import assert from "node:assert/strict";
import { readFileSync, readlinkSync } from "node:fs";
import { test } from "./harness/suite.js";
import { isTsrunc } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import type { Config } from "./harness/config.js";

type Offsets = NonNullable<Config["linux"]["timeOffsets"]>;

const withOffsets =
  (timeOffsets: Offsets) =>
  (config: Config): void => {
    setNamespace(config, "time");
    config.linux.timeOffsets = timeOffsets;
  };

const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

/** Lines of timens_offsets as words. */
const lines = (text: string): string[] => text.split("\n").map((line) => line.trim().replaceAll(/\s+/g, " "));

test("the program and its children see the clocks with their offsets", async (c) => {
  const script = "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime";
  const output = await c.shell(script, withOffsets({ monotonic: { secs: 86_400, nanosecs: 5 }, boottime: { secs: 1_000_000 } }));
  const [monotonic, boottime, seconds] = lines(output);
  assert.deepEqual([monotonic, boottime], ["monotonic 86400 5", "boottime 1000000 0"]);
  assert.ok(Math.abs(Number(seconds) - 1_000_000 - uptime()) < 30, seconds);
});

test("the program itself is in the new namespace, not only its children", async (c) => {
  const bundle = c.bundle({ config: withOffsets({ boottime: { secs: 5000 } }) });
  await c.createAndStart(bundle);
  const { pid } = await c.state();
  const [own, children] = ["time", "time_for_children"].map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));
  assert.equal(own, children);
  assert.notEqual(own, readlinkSync("/proc/self/ns/time"));
});

test("a clock may go back, but not beyond zero", async (c) => {
  assert.deepEqual(lines(await c.shell("cat /proc/self/timens_offsets", withOffsets({ monotonic: { secs: -10 } }))), [
    "monotonic -10 0",
    "boottime 0 0",
  ]);
  const bundle = c.bundle({ config: withOffsets({ boottime: { secs: -9_000_000_000 } }) });
  const { stderr } = await c.fails(["create", "-b", bundle.directory, c.id], /numerical result out of range/);
  if (isTsrunc)
    assert.equal(
      stderr,
      `create "${c.id}": write "/proc/self/timens_offsets" (/linux/timeOffsets): ERANGE (numerical result out of range)\n`,
    );
});

test("offsets work in a new user namespace", async (c) => {
  const output = await c.shell("cat /proc/self/timens_offsets", (config) => {
    withOffsets({ monotonic: { secs: 7 } })(config);
    setNamespace(config, "user");
    config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  });
  assert.equal(lines(output)[0], "monotonic 7 0");
});

test("offsets work in a user namespace that is joined", async (c) => {
  const mappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  await c.createAndStart(
    c.bundle({
      config: (config) => {
        setNamespace(config, "user");
        config.linux.uidMappings = config.linux.gidMappings = mappings;
      },
    }),
  );
  const { pid } = await c.state();
  const bundle = c.bundle({
    args: ["cat", "/proc/self/timens_offsets"],
    config: (config) => {
      withOffsets({ boottime: { secs: 77 } })(config);
      setNamespace(config, "user", `/proc/${pid}/ns/user`);
      config.linux.uidMappings = config.linux.gidMappings = mappings;
    },
  });
  const result = await c.ok(["run", "-b", bundle.directory, c.otherId("b")]);
  assert.equal(lines(result.stdout)[1], "boottime 77 0");
});

test("a time namespace without offsets, or with offsets of zero, shows the host's clocks", async (c) => {
  for (const timeOffsets of [undefined, {}, { monotonic: { secs: 0 } }]) {
    const output = await c.shell("cat /proc/self/timens_offsets; readlink /proc/self/ns/time", (config) => {
      setNamespace(config, "time");
      if (timeOffsets) config.linux.timeOffsets = timeOffsets;
    });
    const [monotonic, boottime, namespace] = lines(output);
    assert.deepEqual([monotonic, boottime], ["monotonic 0 0", "boottime 0 0"]);
    assert.notEqual(namespace, readlinkSync("/proc/self/ns/time"));
  }
});

test("a container may join the time namespace of another one", async (c) => {
  await c.createAndStart(c.bundle({ config: withOffsets({ boottime: { secs: 5000 } }) }));
  const { pid } = await c.state();
  const bundle = c.bundle({
    args: ["cat", "/proc/self/timens_offsets"],
    config: (config) => setNamespace(config, "time", `/proc/${pid}/ns/time`),
  });
  const result = await c.ok(["run", "-b", bundle.directory, c.otherId("b")]);
  assert.equal(lines(result.stdout)[1], "boottime 5000 0");
});
