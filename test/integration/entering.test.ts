/**
 * Processes of the runtime inside a container, before they execute its program: the container can name them, and must not be able to open
 * their memory, executable, root, descriptors or environment, nor trace them (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626). Every command that makes
 * such a process is stopped at each system call, and a program of the container is asked what it can open (harness/native/entering.c).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, closeSync, copyFileSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { setNamespace, withoutNamespaces } from "./harness/config.js";
import { binaries, isTsrunc } from "./harness/environment.js";
import { describe } from "./harness/execute.js";
import { capabilities } from "./harness/report.js";
import { test } from "./harness/suite.js";
import { base, mappedBundle } from "./harness/user-namespace.js";
import type { Config } from "./harness/config.js";
import type { Bundle, Context } from "./harness/context.js";

/** Everything that probe tries. */
const everything = "mem environ exe root cwd ns/mnt fd trace";

/** Those of the tests; a machine may lack some. */
const all = capabilities(/^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0");
const allButTrace = all.filter((name) => name !== "CAP_SYS_PTRACE");

function grant(config: Config, names: string[]): void {
  config.process.capabilities = { bounding: names, permitted: names, effective: names };
}

/** The containers whose program looks, and what the runtime is started by. */
interface View {
  name: string;
  make: (c: Context, options: { args: string[]; config?: (config: Config) => void }) => Bundle;
  launcher: string[];
}

const ordinary: View = { name: "a container's root", make: (c, options) => c.bundle(options), launcher: [] };

/** The runtime's executable is unreadable there, so that this capability is of no use. */
const mapped: View = {
  name: "the root of a user namespace with all capabilities",
  make: (c, { args, config }) =>
    mappedBundle(c, {
      args,
      config: (one) => {
        grant(one, all);
        config?.(one);
      },
    }),
  launcher: [],
};

/** It can trace what has no more privilege than itself. */
const tracing: View = {
  name: "a container's root with CAP_SYS_PTRACE",
  make: (c, { args }) => c.bundle({ args, config: (config) => grant(config, ["CAP_KILL", "CAP_SYS_PTRACE"]) }),
  launcher: [],
};

/** Arguments of setpriv(1). */
const withoutTrace = ["--bounding-set=-sys_ptrace", "--inh-caps=-all"];

/** What joins namespaces before it goes into the container's pid namespace is seen in the host's. */
const onHost: View = {
  name: "a container in the host's pid namespace with all capabilities but CAP_SYS_PTRACE, which the runtime lacks too",
  make: (c, { args, config }) =>
    c.bundle({
      args,
      config: (one) => {
        grant(one, allButTrace);
        withoutNamespaces(one, "pid");
        config?.(one);
      },
    }),
  launcher: ["/usr/bin/setpriv", ...withoutTrace],
};

/** Starts the container that looks. Returns the pid of its first process. */
async function startLooking(c: Context, { make }: View): Promise<number> {
  const bundle = make(c, { args: ["probe", "look"] });
  for (const name of ["ask", "answer"]) {
    execFileSync("mkfifo", ["-m", "666", `${bundle.rootfs}/${name}`]);
    if (make === mapped.make) chownSync(`${bundle.rootfs}/${name}`, base, base);
  }
  const started = await c.createAndStart(bundle);
  await c.printed(started, everything); // of a child of its own: it sees what there is to see
  return (await c.state()).pid;
}

/** A command that makes processes in the container `c.id`. */
interface Command {
  name: string;
  /** The command line, after what it needs has been made. */
  args: (c: Context) => Promise<string[]> | string[];
  /** It makes no process in the container's pid namespace. */
  unseen?: boolean;
}

const execs: Command[] = [
  { name: "exec", args: (c) => ["exec", c.id, "true"] },
  { name: "exec --detach", args: (c) => ["exec", "--detach", "--pid-file", `${c.directory}/pid`, c.id, "true"] },
  {
    name: "exec --process as a user, with an OOM score and an I/O priority",
    args: (c) => {
      const process = { args: ["true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0, additionalGids: [5] } };
      const rest = {
        oomScoreAdj: 500,
        ioPriority: { class: "IOPRIO_CLASS_BE", priority: 5 },
        rlimits: [{ type: "RLIMIT_NOFILE", hard: 64, soft: 64 }],
      };
      return ["exec", "--process", c.file("process.json", JSON.stringify({ ...process, ...rest })), c.id];
    },
  },
  {
    name: "exec --tty --console-socket",
    args: async (c) => {
      const socket = `${c.directory}/console`;
      await c.printed(await c.helper("recvfd", ["terminal", socket]), "listening");
      return ["exec", "--detach", "--tty", "--console-socket", socket, c.id, "true"];
    },
  },
];

if (isTsrunc) {
  // runc 1.1 has no such flag.
  execs.push({
    name: "exec --pidfd-socket",
    args: async (c) => {
      const socket = `${c.directory}/pidfd`;
      await c.printed(await c.helper("recvfd", ["pidfd", socket]), "listening");
      return ["exec", "--pidfd-socket", socket, c.id, "true"];
    },
  });
}

/** A procfs, and a copy of what a mount covers, are made by a process in the container's pid namespace. */
const mountsCommands: Command[] = ["add", "remove"].map((verb) => ({
  name: `mounts ${verb}`,
  unseen: verb === "remove",
  args: (c) => {
    const mounts = [
      { destination: "/mnt", type: "tmpfs", source: "tmpfs" },
      { destination: "/mnt/proc", type: "proc", source: "proc" },
      { destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] },
      { destination: "/mnt/bind", type: "bind", source: c.folder("source"), options: ["bind"] },
    ];
    return ["mounts", verb, c.id, c.file("mounts.json", JSON.stringify(mounts))];
  },
}));

/** Runs a command, whose containers and hooks have their programs in the folders `programs`, separated by colons; it must succeed. Returns what was found, each a line, and how often was looked. */
async function watch(
  c: Context,
  view: View,
  pid: number,
  programs: string,
  args: readonly string[],
): Promise<{ lines: string[]; looks: number }> {
  const leaked = openSync("/", "r"); // by whoever calls the runtime
  const started = await c.startBelow([`${binaries}/entering`, String(pid), programs, ...view.launcher], args, { descriptors: [leaked] });
  closeSync(leaked);
  const result = await started.wait();
  assert.equal(result.status, 0, describe(result));
  const lines = result.stdout.trim().split("\n");
  const looks = Number(/^looked (\d+) times$/.exec(lines.pop() ?? "")?.[1]);
  // CAP_SYS_ADMIN alone reads the environment of any process of the same user namespace.
  const isAllowed = (line: string): boolean => view === onHost && line.endsWith(": opened environ");
  return { looks, lines: lines.filter((line) => !isAllowed(line)) };
}

/** Runs the commands one after the other beside one container. Returns what was found, by the command's name. */
async function watchAll(c: Context, view: View, commands: readonly Command[]): Promise<Record<string, string[]>> {
  const pid = await startLooking(c, view);
  const found: Record<string, string[]> = {};
  for (const { name, args, unseen } of commands) {
    const { lines, looks } = await watch(c, view, pid, `/proc/${pid}/root/bin`, await args(c));
    assert.equal(looks > 0, !unseen || view === onHost, `${name}: looked ${looks} times`);
    found[name] = lines;
  }
  return found;
}

async function assertNothingFound(c: Context, view: View, commands: readonly Command[]): Promise<void> {
  assert.deepEqual(await watchAll(c, view, commands), Object.fromEntries(commands.map(({ name }) => [name, []])));
}

/** The programs of hooks outside of a container: what they allow is theirs to say. */
const hooksFolder = (c: Context): string => `${c.directory}/hooks`;

/** Another container in the pid namespace of the one that looks, or beside the one that sees them all. */
async function neighbour(c: Context, view: View, pid: number): Promise<Bundle> {
  mkdirSync(hooksFolder(c));
  copyFileSync("/bin/true", `${hooksFolder(c)}/true`);
  const joined = view === onHost ? await holder(c) : pid;
  return view.make(c, {
    args: ["true"],
    config: (config) => {
      setNamespace(config, "pid", `/proc/${joined}/ns/pid`);
      setNamespace(config, "network", `/proc/${joined}/ns/net`);
      if (view === mapped) setNamespace(config, "user", `/proc/${joined}/ns/user`);
      const hook = { path: `${hooksFolder(c)}/true` };
      config.hooks = { createRuntime: [hook], createContainer: [hook], startContainer: [{ path: "/bin/true" }] };
    },
  });
}

/** A process in a pid namespace and a network namespace of its own. */
async function holder(c: Context): Promise<number> {
  const started = await c.companion("/usr/bin/setpriv", [
    ...withoutTrace,
    "unshare",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "sh",
    "-c",
    "echo up; exec sleep 1000",
  ]);
  await c.printed(started, "up");
  return Number(readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, "utf8"));
}

test(`exec's process has nothing of the host's that ${tracing.name} could find`, async (c) => {
  const found = await watchAll(c, tracing, execs);
  for (const lines of Object.values(found)) {
    assert.ok(lines.some((line) => /: opened mem (environ )?exe root cwd ns\/mnt fd trace$/.test(line)));
    assert.deepEqual(
      lines.filter((line) => !line.includes(": opened ")),
      [],
    );
  }
});

for (const view of [ordinary, mapped, onHost]) {
  test(`exec's process can be neither opened nor traced by ${view.name}`, async (c) => {
    await assertNothingFound(c, view, execs);
  });
  if (isTsrunc) {
    test(`who changes the mounts can be neither opened nor traced by ${view.name}`, async (c) => {
      await assertNothingFound(c, view, mountsCommands);
    });
  }
  test(`a container's init can be neither opened nor traced by ${view.name} in its pid namespace`, async (c) => {
    const pid = await startLooking(c, view);
    const bundle = await neighbour(c, view, pid);
    const id = c.otherId("neighbour");
    c.deleteLater(id);
    const { lines, looks } = await watch(c, view, pid, [`${bundle.rootfs}/bin`, hooksFolder(c)].join(":"), [
      "run",
      "--bundle",
      bundle.directory,
      id,
    ]);
    assert.ok(looks > 0, "the init was not seen");
    // It needs files of the host until it has joined its cgroups and changed its root. "no descriptor of the runtime ..." (security.test.ts) is about
    // the time after that.
    assert.deepEqual(
      lines.filter((line) => !line.includes(": holds ")),
      [],
    );
  });
}
