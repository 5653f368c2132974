import t from "tap";
import { restoring } from "./update-restore.js";

/** What brings a file back, as values; files are those of one cgroup. */
function restored(file: string, value: string, files: Record<string, string>): string[] {
  const texts = new Map(Object.entries(files).map(([name, text]) => [`/cg/${name}`, text]));
  return restoring({ path: `/cg/${file}`, value, pointer: "/p" }, texts).map(({ path, value }) => `${path.slice(4)}=${value}`);
}

void t.test("a file of one value gets it back", (t) => {
  t.same(restored("memory.max", "5", { "memory.max": "max" }), ["memory.max=max"]);
  t.same(restored("cpu.max", "1000 5000", { "cpu.max": "max 100000" }), ["cpu.max=max 100000"]);
  t.same(restored("cpuset.cpus", "0", { "cpuset.cpus": "" }), ["cpuset.cpus=\n"]);
  t.same(restored("memory.oom_control", "1", { "memory.oom_control": "oom_kill_disable 0\nunder_oom 0" }), ["memory.oom_control=0"]);
  t.same(restored("cgroup.kill", "1", {}), []);
  t.end();
});

void t.test("a file of lines gets back the line of the key that was written", (t) => {
  const max = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=max wbps=2 riops=max wiops=max";
  t.same(restored("io.max", "8:16 wbps=9", { "io.max": max }), ["io.max=8:16 rbps=max wbps=2 riops=max wiops=max"]);
  t.same(restored("io.max", "8:32 wbps=9", { "io.max": "" }), ["io.max=8:32 rbps=max wbps=max riops=max wiops=max"]);
  const weights = { "io.weight": "default 100\n8:0 200" };
  t.same(restored("io.weight", "default 500", weights), ["io.weight=default 100"]);
  t.same(restored("io.weight", "8:0 500", weights), ["io.weight=8:0 200"]);
  t.same(restored("io.weight", "8:16 500", weights), ["io.weight=8:16 default"]);
  t.same(restored("blkio.throttle.read_bps_device", "8:0 5", { "blkio.throttle.read_bps_device": "" }), [
    "blkio.throttle.read_bps_device=8:0 0",
  ]);
  t.same(restored("misc.max", "a 5", { "misc.max": "a 4\nb max" }), ["misc.max=a 4"]);
  t.end();
});

void t.test("a cgroup that was not idle gets its weight back, one that was none", (t) => {
  t.same(restored("cpu.idle", "1", { "cpu.idle": "0", "cpu.weight": "59" }), ["cpu.idle=0", "cpu.weight=59"]);
  t.same(restored("cpu.idle", "0", { "cpu.idle": "1", "cpu.weight": "0" }), ["cpu.idle=1"]);
  t.same(restored("cpu.weight", "59", { "cpu.idle": "1", "cpu.weight": "0" }), []);
  t.end();
});
