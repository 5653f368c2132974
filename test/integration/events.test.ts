/**
 * `events`: statistics as the kernel has them, at an interval or once; when memory runs out; and how it ends.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { cgroupDirectory, hierarchyOf, readCgroup } from "./harness/cgroups.js";
import { isTsrunc } from "./harness/environment.js";
import { describe, until } from "./harness/execute.js";
import { limit } from "./harness/limits.js";
import { test, testOn } from "./harness/suite.js";
import { prefix, start, systemctl, testOnV2 } from "./harness/systemd.js";
import type { Context } from "./harness/context.js";
import type { Started } from "./harness/execute.js";

const megabyte = 1024 * 1024;

interface Data {
  cpu: { usage: { total?: number; kernel: number; user: number; percpu?: number[] }; throttling: object; psi?: object };
  cpuset: { cpus?: number[] };
  memory: { usage: { limit: number; usage?: number; max?: number; failcnt: number }; raw: Record<string, number>; psi?: object };
  pids: { current?: number; limit?: number };
}

interface Event {
  type: "stats" | "oom";
  id: string;
  data?: Data;
}

/** The whole lines that were printed by now. */
function eventsOf(text: string): Event[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Event);
}

async function statsOf(c: Context): Promise<{ data: Data; text: string }> {
  const { stdout } = await c.ok(["events", "--stats", c.id]);
  const [event, ...more] = eventsOf(stdout);
  assert.equal(more.length, 0, stdout);
  assert.equal(event?.type, "stats");
  assert.equal(event?.id, c.id);
  assert.ok(event?.data, stdout);
  return { data: event.data, text: stdout };
}

/** Starts `events`, which is killed after the test if it is still there. */
async function watch(c: Context, ...flags: string[]): Promise<Started> {
  return c.companion(c.program, ["--root", c.root, "events", ...flags, c.id]);
}

function types(started: Started): string[] {
  return eventsOf(started.output()).map(({ type }) => type);
}

test("the statistics have runc's members in runc's order", async (c) => {
  await c.createAndStart(c.bundle());
  const { data } = await statsOf(c);
  const members = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"];
  assert.deepEqual(Object.keys(data), members);
  assert.deepEqual(
    Object.keys(data.cpu).filter((name) => name !== "psi"),
    ["usage", "throttling"],
  );
  const memory = Object.keys(data.memory).filter((name) => name !== "cache" && name !== "psi");
  assert.deepEqual(memory, ["usage", "swap", "kernel", "kernelTCP", "raw"]);
  assert.deepEqual(Object.keys(data.memory.raw), Object.keys(data.memory.raw).sort());
});

test("the statistics of a paused container are what its cgroups' files say", async (c) => {
  const bundle = c.bundle({
    config: (config) => Object.assign(config.linux.resources, { memory: { limit: 64 * megabyte }, pids: { limit: 17 } }),
  });
  const started = await c.createAndStart(bundle);
  await c.printed(started, "ready");
  const { pid } = await c.state();
  await c.ok(["pause", c.id]);
  const memoryOf = (): { usage: string | undefined; stat: string } => ({
    usage: limit(pid, "memory", "memory.usage_in_bytes", "memory.current"),
    stat: readCgroup(cgroupDirectory(pid, "memory"), "memory.stat") ?? "",
  });
  // The kernel adds up what its processors have counted some time later: only what is the same before and after can be compared.
  const { data, usage, stat } = await until("the counters of memory stand still", async () => {
    const before = memoryOf();
    const { data } = await statsOf(c);
    return isDeepStrictEqual(memoryOf(), before) ? { ...before, data } : undefined;
  });
  assert.equal(data.memory.usage.limit, 64 * megabyte);
  assert.equal(data.memory.usage.usage, Number(usage));
  assert.match(stat, /^\w+ \d+$/m);
  assert.equal(data.pids.current, Number(limit(pid, "pids", "pids.current")));
  assert.equal(data.pids.limit, 17);
  const nanoseconds = hierarchyOf("cpuacct")
    ? Number(limit(pid, "cpuacct", "cpuacct.usage"))
    : Number(/^usage_usec (\d+)$/m.exec(limit(pid, "cpu", "", "cpu.stat") ?? "")?.[1]) * 1000;
  assert.equal(data.cpu.usage.total, nanoseconds);
  assert.ok(nanoseconds > 0);
  for (const line of stat.split("\n")) {
    const [name = "", value] = line.split(" ");
    assert.equal(data.memory.raw[name], Number(value), name);
  }
  if (hierarchyOf("cpuset")) assert.equal(data.cpuset.cpus?.[0], Number(/^\d+/.exec(limit(pid, "cpuset", "cpuset.cpus") ?? "")?.[0]));
});

test("a number beyond 2^53 has all its digits", async (c) => {
  await c.create(c.bundle());
  const { text } = await statsOf(c);
  const unlimited = hierarchyOf("memory") ? limit((await c.state()).pid, "memory", "memory.limit_in_bytes") : "18446744073709551615";
  assert.ok(Number(unlimited) > Number.MAX_SAFE_INTEGER);
  assert.ok(text.includes(`"usage":{"limit":${unlimited},`), text);
});

testOn(["hybrid", "v2"], "pressure is reported if the container has a v2 cgroup", async (c) => {
  await c.createAndStart(c.bundle());
  const pressure = readCgroup(cgroupDirectory((await c.state()).pid, ""), "memory.pressure");
  if (pressure === undefined) c.skip("this kernel measures no pressure");
  const { data } = await statsOf(c);
  assert.deepEqual(Object.keys(data.memory.psi ?? {}), ["some", "full"]);
  assert.deepEqual(Object.keys(data.cpu.psi ?? {}), ["some", "full"]);
});

test("statistics come at each interval and grow with what the container uses", async (c) => {
  await c.createAndStart(c.bundle({ args: ["sh", "-c", "while :; do :; done"] }));
  const started = await watch(c, "--interval", "100ms");
  const stats = await until("three statistics", () => {
    const events = eventsOf(started.output());
    return events.length >= 3 && events;
  });
  const totals = stats.map(({ data }) => data?.cpu.usage.total ?? 0);
  for (const [at, total] of totals.slice(1).entries()) assert.ok(total > (totals[at] ?? 0), totals.join(" "));
  assert.ok(stats.every(({ type, id }) => type === "stats" && id === c.id));
});

test("memory that runs out is reported at once, before the interval is over", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "read go </go; tail -c 100m /dev/zero; exec sleep 1000"],
    config: (config) => (config.linux.resources.memory = { limit: 8 * megabyte, swap: 8 * megabyte }),
  });
  assert.equal((await (await c.spawn("mkfifo", [`${bundle.rootfs}/go`])).wait()).status, 0);
  await c.createAndStart(bundle);
  const started = await watch(c, "--interval", "1h");
  await until("the events are watched", () => isWatching(started.pid));
  await (await c.spawn("sh", ["-c", `echo >${bundle.rootfs}/go`])).wait();
  await until("the event", () => types(started).length > 0);
  assert.equal((await c.state()).status, "running", "one process of it was killed");
  assert.deepEqual([...new Set(types(started))], ["oom"]);
  assert.equal(eventsOf(started.output())[0]?.id, c.id);
  assert.equal("data" in (eventsOf(started.output())[0] ?? {}), false);
});

/** Whether `events` waits: it has opened what it waits for, the container's process or (runc) what tells of memory. */
function isWatching(pid: number): boolean {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  const isWaitedFor = isTsrunc ? /\[pidfd\]/ : /\[eventfd\]|inotify/;
  return links.some((link) => isWaitedFor.test(link)) && /^State:\s+S/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

test("events of a container that the OOM killer ended include the OOM kill", async (c) => {
  const bundle = c.bundle({
    args: ["sh", "-c", "exec tail -c 100m /dev/zero"],
    config: (config) => (config.linux.resources.memory = { limit: 8 * megabyte, swap: 8 * megabyte }),
  });
  await c.create(bundle);
  const started = await watch(c, "--interval", "1h");
  await until("the events are watched", () => isWatching(started.pid));
  await c.ok(["start", c.id]);
  await c.status("stopped");
  await until("the event", () => types(started).length > 0);
  await c.ok(["delete", c.id]);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  assert.deepEqual([...new Set(types(started))], ["oom"]);
});

test("events end when the container stops", async (c) => {
  await c.createAndStart(c.bundle());
  const started = await watch(c, "--interval", "50ms");
  await until("statistics", () => types(started).length > 0);
  await c.ok(["kill", c.id, "KILL"]);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stderr, "");
});

test("events end when a container is deleted by force", async (c) => {
  await c.createAndStart(c.bundle());
  const started = await watch(c, "--interval", "50ms");
  await until("statistics", () => types(started).length > 0);
  await c.ok(["delete", "-f", c.id]);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
});

test("events end when nobody reads them", async (c) => {
  await c.createAndStart(c.bundle());
  const result = await (await c.startBelowShell('"$@" | head -n 1', ["events", "--interval", "50ms", c.id])).wait();
  assert.equal(result.timedOut, false, describe(result));
  assert.equal(eventsOf(result.stdout).length, 1);
});

test("events end at once when nobody reads them, whatever the interval", async (c) => {
  await c.createAndStart(c.bundle());
  const result = await (await c.startBelowShell('"$@" | true', ["events", "--interval", "1h", c.id], { timeoutSeconds: 5 })).wait();
  assert.equal(result.timedOut, false, describe(result));
});

for (const [signal, status] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`events end by ${signal}`, async (c) => {
    await c.createAndStart(c.bundle());
    const started = await watch(c, "--interval", "50ms");
    await until("statistics", () => types(started).length > 0);
    started.process.kill(signal);
    const result = await started.wait();
    assert.ok(result.status === status || result.signal === signal, describe(result));
    assert.equal(result.stderr, "");
    assert.equal((await c.state()).status, "running");
  });
}

test("events of a container that has stopped are refused", async (c) => {
  await c.createAndStart(c.bundle({ args: ["true"] }));
  await c.status("stopped");
  await c.fails(["events", c.id], new RegExp(`container with id ${c.id} is not running`));
  await c.fails(["events", "--stats", c.id], new RegExp(`container with id ${c.id} is not running`));
});

test("events of a created container are reported", async (c) => {
  await c.create(c.bundle());
  const { data } = await statsOf(c);
  assert.ok((data.pids.current ?? 0) >= 1, "runc's init has threads");
});

test("an interval is a duration greater than 0", async (c) => {
  await c.create(c.bundle());
  for (const interval of ["0", "0s", "-1s"]) {
    await c.fails(["events", `--interval=${interval}`, c.id], /duration interval must be greater than 0/);
  }
  await c.fails(["events", "--interval", "5", c.id], /--?interval/);
});

testOnV2("the statistics of a unit follow its limits, and its end is the end of the events", async (c) => {
  await start(c, { config: (config) => Object.assign(config.linux.resources, { memory: { limit: 64 * megabyte }, pids: { limit: 17 } }) });
  const before = (await statsOf(c)).data;
  assert.deepEqual([before.memory.usage.limit, before.pids], [64 * megabyte, { current: 1, limit: 17 }]);
  const unit = `${prefix}-${c.id}.scope`;
  systemctl("set-property", "--runtime", unit, "MemoryMax=80M");
  await c.ok(["update", "--pids-limit", "18", c.id]);
  const after = (await statsOf(c)).data;
  assert.deepEqual([after.memory.usage.limit, after.pids.limit], [80 * megabyte, 18]);
  const started = await watch(c, "--interval", "50ms");
  await until("statistics", () => types(started).length > 0);
  systemctl("kill", "--signal=KILL", unit);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stderr, "");
});
