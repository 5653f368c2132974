import t from "tap";
import { statsOf } from "./collect.js";
import { pageSizes } from "./hugetlb.js";
import { eventJson } from "./json.js";

const empty = () => statsOf({ cgroups: [], pageSizes: [] }, new Map());

/** What runc 1.1.5 writes for a container without cgroups. */
const NOTHING =
  '{"type":"stats","id":"c1","data":{"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},' +
  '"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,' +
  '"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},' +
  '"memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0}},' +
  '"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}';

t.test("zero and empty members are left out where runc leaves them out", async (t) => {
  t.equal(eventJson({ type: "stats", id: "c1", data: empty() }), NOTHING);
});

t.test("an oom event has no data", async (t) => {
  t.equal(eventJson({ type: "oom", id: "c1" }), '{"type":"oom","id":"c1"}');
});

t.test("numbers have all their digits, and members runc's order", async (t) => {
  const data = empty();
  data.cpu.usage.total = 18_446_744_073_709_551_615n;
  data.cpu.usage.percpu = [0n, 9_007_199_254_740_993n];
  data.cpuset.cpus = [0, 1];
  data.cpuset.mems = [0];
  data.memory.usage.usage = 5n;
  data.memory.raw = { rss: 0n, cache: 9_007_199_254_740_993n };
  data.memory.psi = {
    some: { avg10: 0.25, avg60: 0, avg300: 12.5, total: 2n },
    full: { avg10: 0, avg60: 0, avg300: 0, total: 0n },
  };
  data.blkio.ioServicedRecursive = [{ major: 8n, minor: 0n, op: "Read", value: 0n }];
  data.hugetlb = { "2MB": { usage: 0n, max: 1n, failcnt: 0n }, "1GB": { usage: 3n, max: 0n, failcnt: 0n } };
  const text = eventJson({ type: "stats", id: "c1", data });
  for (const part of [
    '"usage":{"total":18446744073709551615,"percpu":[0,9007199254740993],"kernel":0,"user":0}',
    '"cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,',
    '"usage":{"limit":0,"usage":5,"failcnt":0}',
    '"raw":{"cache":9007199254740993,"rss":0},"psi":{"some":{"avg10":0.25,"avg60":0,"avg300":12.5,"total":2},"full":{"avg10":0,"avg60":0,"avg300":0,"total":0}}}',
    '"blkio":{"ioServicedRecursive":[{"major":8,"op":"Read"}]}',
    '"hugetlb":{"1GB":{"usage":3,"failcnt":0},"2MB":{"max":1,"failcnt":0}}',
  ]) {
    t.ok(text.includes(part), part);
  }
  t.doesNotThrow(() => JSON.parse(text) as unknown);
});

t.test("sizes of huge pages have the names of the controller's files", async (t) => {
  const directories = ["hugepages-64kB", "hugepages-2048kB", "hugepages-1048576kB", "hugepages-16777216kB", "other"];
  t.same(pageSizes(directories), ["64KB", "2MB", "1GB", "16GB"]);
});
