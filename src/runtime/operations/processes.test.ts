import t from "tap";
import { containerProcesses, processTable } from "./processes.js";
import type { Request } from "../generated/plan.js";
import { created } from "../testing/created.js";
import { failed } from "../testing/fake-door.js";
import type { Answers } from "../testing/fake-door.js";

const path = "/sys/fs/cgroup/user.slice/c1";
const pids =
  (...pids: number[]) =>
  () =>
    ({ kind: "pids", pids }) as const;
const finished = (stdout: string, status = 0, stderr = "") => ({ kind: "finished", status, stdout, stderr }) as const;

function programs(requests: readonly Request[]) {
  return requests.filter((request) => request.op === "runProgram");
}

t.test("the pids are those of the container's cgroup, sorted, each once", async (t) => {
  const { context, requests } = created({ answers: { cgroupProcesses: pids(30, 4, 200, 4) } });
  t.same(containerProcesses(context, "c1"), [4, 30, 200]);
  t.match(requests.at(-1), { op: "cgroupProcesses", path });
});

t.test("a stopped container has none, unless its pid namespace is another's", async (t) => {
  t.same(containerProcesses(created({ alive: false, answers: { cgroupProcesses: pids(4) } }).context, "c1"), []);
  const shared = created({ alive: false, namespaces: [{ type: "mount" }, { type: "uts" }], answers: { cgroupProcesses: pids(4) } });
  t.same(containerProcesses(shared.context, "c1"), [4]);
});

t.test("an unknown container and one without a cgroup are refused", async (t) => {
  const { context, files } = created();
  t.throws(() => containerProcesses(context, "gone"), { code: "notFound", message: 'ps "gone": container does not exist' });
  t.throws(() => processTable(context, "gone"), { code: "notFound", message: 'ps "gone": container does not exist' });
  t.throws(() => processTable(context, ".."), { code: "invalidArgument" });
  const file = "/run/test/c1/state.json";
  files.set(file, JSON.stringify({ ...(JSON.parse(files.get(file) ?? "") as object), cgroups: [] }));
  t.throws(() => containerProcesses(context, "c1"), { code: "unsupported", message: /^ps "c1": the container has no cgroup of its own: / });
});

t.test("ps gets the arguments as they are, -ef without any, and is found in absolute directories alone", async (t) => {
  const { context, requests } = created();
  processTable(context, "c1");
  processTable(context, "c1", { args: ["-o", "pid, comm"], searchPath: "bin::/a:./b:/b" });
  t.same(programs(requests), [
    { op: "runProgram", candidates: ["/usr/bin/ps", "/bin/ps"], args: ["-ef"] },
    { op: "runProgram", candidates: ["/a/ps", "/b/ps"], args: ["-o", "pid, comm"] },
  ]);
});

t.test("a pid that is another process's by the end is not in the table", async (t) => {
  const listed = [
    [4, 5],
    [5, 6],
  ];
  const answers: Answers = {
    cgroupProcesses: () => ({ kind: "pids", pids: listed.shift() ?? [] }),
    runProgram: () => finished("PID CMD\n  4 a\n  5 b\n  6 c\n  7 d\n"),
  };
  t.equal(processTable(created({ answers }).context, "c1"), "PID CMD\n  5 b\n");
});

t.test("errors of ps are reported, and a missing ps", async (t) => {
  const table = (answers: Answers, args: string[] = []) => processTable(created({ answers }).context, "c1", { args });
  const usage = () => finished("", 1, "\nerror: unknown gnu long option\n\nUsage:\n ps [options]\n");
  t.throws(() => table({ runProgram: usage }, ["--bad"]), {
    message: 'ps "c1": run "ps --bad": exit status 1: error: unknown gnu long option',
  });
  t.throws(() => table({ runProgram: () => finished("", 137) }), { message: 'ps "c1": run "ps -ef": exit status 137' });
  t.throws(() => table({ runProgram: () => failed("notFound", "run a program", "x") }), {
    code: "notFound",
    message: 'ps "c1": run "ps": executable file not found in $PATH',
  });
  t.throws(() => table({ runProgram: () => failed("other", 'run "/bin/ps"', "EACCES (permission denied)") }), {
    message: 'ps "c1": run "/bin/ps": EACCES (permission denied)',
  });
  t.equal(table({ runProgram: () => finished("  PID CMD\n", 1) }), "  PID CMD\n", "it found no process");
});
