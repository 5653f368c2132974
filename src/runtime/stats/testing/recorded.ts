/** Files of cgroups as kernels have them, with numbers that tell them apart. */

/** Linux 6.18, by controller; without memory.kmem, as a kernel without accounting of its own memory has it. */
export const VERSION1: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpuacct: {
    "cpuacct.stat": "user 3\nsystem 2\n",
    "cpuacct.usage": "12340147\n",
    "cpuacct.usage_percpu": "5409607 6930540 \n",
    "cpuacct.usage_all": "cpu user system\n0 1000000 4000000\n1 4000000 3000000\n",
  },
  cpu: {
    "cpu.stat": "nr_periods 12\nnr_throttled 3\nthrottled_time 456789\nnr_bursts 0\nburst_time 0\n",
  },
  cpuset: {
    "cpuset.cpus": "0-3,8\n",
    "cpuset.cpu_exclusive": "0\n",
    "cpuset.mems": "0\n",
    "cpuset.mem_hardwall": "0\n",
    "cpuset.mem_exclusive": "0\n",
    "cpuset.memory_migrate": "0\n",
    "cpuset.memory_spread_page": "0\n",
    "cpuset.memory_spread_slab": "0\n",
    "cpuset.memory_pressure": "0\n",
    "cpuset.sched_load_balance": "1\n",
    "cpuset.sched_relax_domain_level": "-1\n",
  },
  memory: {
    "memory.stat": "cache 12288\nrss 57344\npgfault 660\nhierarchical_memory_limit 9223372036854771712\ntotal_pgfault 663\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.usage_in_bytes": "557056\n",
    "memory.max_usage_in_bytes": "2244608\n",
    "memory.failcnt": "7\n",
    "memory.memsw.limit_in_bytes": "9223372036854771712\n",
    "memory.memsw.usage_in_bytes": "557057\n",
    "memory.memsw.max_usage_in_bytes": "2244609\n",
    "memory.memsw.failcnt": "0\n",
  },
  pids: { "pids.current": "3\n", "pids.max": "32\n" },
  blkio: {
    "blkio.throttle.io_service_bytes": "",
    "blkio.throttle.io_service_bytes_recursive": "254:0 Read 4096\n254:0 Write 0\n254:0 Total 4096\nTotal 4096\n",
    "blkio.throttle.io_serviced_recursive": "254:0 Read 1\nTotal 1\n",
  },
  hugetlb: {
    "hugetlb.2MB.usage_in_bytes": "2097152\n",
    "hugetlb.2MB.max_usage_in_bytes": "4194304\n",
    "hugetlb.2MB.failcnt": "1\n",
  },
};

/** Linux 6.1. */
export const VERSION2: Readonly<Record<string, string>> = {
  "cgroup.procs": "812\n",
  "cpu.stat":
    "usage_usec 4722\nuser_usec 1000\nsystem_usec 3722\nnr_periods 9\nnr_throttled 2\nthrottled_usec 1234\nnr_bursts 0\nburst_usec 0\n",
  "cpu.pressure": "some avg10=1.50 avg60=0.25 avg300=0.00 total=18446744073709551615\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
  "memory.stat": "anon 57344\nfile 4096\nkernel 299008\npgfault 661\nworkingset_nodereclaim 0\n",
  "memory.max": "8388608\n",
  "memory.current": "360448\n",
  "memory.peak": "1155072\n",
  "memory.swap.max": "4194304\n",
  "memory.swap.current": "4096\n",
  "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2\n",
  "pids.current": "1\n",
  "pids.max": "64\n",
  "io.stat": "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n",
  "io.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=11\n",
  "hugetlb.2MB.current": "2097152\n",
  "hugetlb.2MB.events": "max 5\n",
};
