import t from "tap";
import { rdtFiles, rdtStats } from "./intel-rdt.js";
import type { RdtPlan } from "./intel-rdt.js";
import { statsOf } from "./collect.js";
import { eventJson } from "./json.js";

const plan: RdtPlan = {
  mountpoint: "/resctrl",
  group: "/resctrl/gold",
  name: "gold",
  monitor: "/resctrl/gold/mon_groups/c1",
  domains: ["mon_L3_00", "mon_L3_01", "mon_PERF_PKG_00"],
};

/** A host with everything, as Linux 6.1 shows it. */
const TREE: Readonly<Record<string, string>> = {
  "/resctrl/info/L3/cbm_mask": "7ff",
  "/resctrl/info/L3/min_cbm_bits": "1",
  "/resctrl/info/L3/num_closids": "16",
  "/resctrl/info/MB/bandwidth_gran": "10",
  "/resctrl/info/MB/delay_linear": "1",
  "/resctrl/info/MB/min_bandwidth": "10",
  "/resctrl/info/MB/num_closids": "8",
  "/resctrl/info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes",
  "/resctrl/schemata": "    MB:0=100;1=100\n    L3:0=7ff;1=7ff",
  "/resctrl/gold/schemata": "    MB:0= 20;1= 70\n    L3:0=00f;1=7f0",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_00/llc_occupancy": "1064960",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_00/mbm_total_bytes": "9007199254740993",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_00/mbm_local_bytes": "0",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_01/llc_occupancy": "0",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_01/mbm_total_bytes": "Unavailable",
  "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_01/mbm_local_bytes": "7",
};

/** Statistics of a tree whose files are asked for by name alone. */
function stats(tree: Readonly<Record<string, string>>, ofPlan = plan): ReturnType<typeof rdtStats> {
  const asked = new Set(rdtFiles(ofPlan));
  return rdtStats(ofPlan, { text: (path) => (asked.has(path) ? tree[path] : undefined) });
}

/** `intel_rdt` as `events` writes it. */
function json(tree: Readonly<Record<string, string>>): string {
  const data = statsOf({ cgroups: [], pageSizes: [] }, new Map(), { plan, files: { text: (path) => tree[path] } });
  return /"intel_rdt":(.*),"network_interfaces"/.exec(eventJson({ type: "stats", id: "c1", data }))?.[1] ?? "";
}

t.test("what the host offers, and what the container's group has, in runc's words and order", async (t) => {
  t.equal(
    json(TREE),
    [
      '{"l3_cache_info":{"cbm_mask":"7ff","min_cbm_bits":1,"num_closids":16}',
      '"l3_cache_schema_root":"L3:0=7ff;1=7ff","l3_cache_schema":"L3:0=00f;1=7f0"',
      '"mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8}',
      '"mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0= 20;1= 70"',
      '"mbm_stats":[{"mbm_total_bytes":9007199254740993,"mbm_local_bytes":0},{"mbm_total_bytes":0,"mbm_local_bytes":7}]',
      '"cmt_stats":[{"llc_occupancy":1064960},{"llc_occupancy":0}]}',
    ].join(","),
  );
});

t.test("a part that the hardware does not have is left out", async (t) => {
  const without = (part: RegExp): Record<string, string> => Object.fromEntries(Object.entries(TREE).filter(([path]) => !part.test(path)));
  t.same(Object.keys(stats(without(/info\/L3\//))), ["mem_bw_info", "mem_bw_schema_root", "mem_bw_schema", "mbm_stats", "cmt_stats"]);
  t.same(Object.keys(stats(without(/info\/(MB|L3_MON)\//))), ["l3_cache_info", "l3_cache_schema_root", "l3_cache_schema"]);
  t.same(Object.keys(stats({ ...without(/info\/(MB|L3)\//), "/resctrl/info/L3_MON/mon_features": "llc_occupancy" })), ["cmt_stats"]);
  t.equal(json({}), "{}");
});

t.test("without a monitoring group the class counts", async (t) => {
  const tree = { "/resctrl/info/L3_MON/mon_features": "llc_occupancy", "/resctrl/gold/mon_data/mon_L3_00/llc_occupancy": "5" };
  t.same(stats(tree, { ...plan, monitor: plan.group, domains: ["mon_L3_00"] }).cmt_stats, [{ llc_occupancy: 5n }]);
});

t.test("a counter that is no number is an error", async (t) => {
  const path = "/resctrl/gold/mon_groups/c1/mon_data/mon_L3_00/llc_occupancy";
  t.throws(() => stats({ ...TREE, [path]: "x" }), { message: 'read "llc_occupancy": cannot make sense of "x"' });
});
