/**
 * CRI-O 1.34 through crictl, with Debian's conmon. Pods use the host's network, so they need no CNI plugin.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { describe, until } from "../../integration/harness/execute.js";
import { sharing } from "../../integration/harness/suite.js";
import { cgroupDirectory, cgroupMode, hierarchies, readCgroup } from "../../integration/harness/cgroups.js";
import { image, imageArchive } from "../../integration/harness/image.js";
import { Terminal } from "../../integration/harness/terminal.js";
import { stopLater, environmentOf, checkResize, makeParentCgroups, checkStateRootLater } from "../engine.js";
import { programs } from "../go-programs.js";
import type { Context } from "../../integration/harness/context.js";
import type { Result } from "../../integration/harness/execute.js";

/** Parts of the CRI's messages PodSandboxConfig and ContainerConfig. */
interface PodConfig {
  linux?: { security_context?: { namespace_options?: Record<string, number> } };
}
interface ContainerConfig {
  linux?: { resources?: Record<string, unknown>; security_context?: Record<string, unknown> };
  [field: string]: unknown;
}

/** The image of a pod's infra container, which only waits. */
const pauseImage = "example.org/pause:test";

/** The CRI's namespace modes. */
const mode = { pod: 0, container: 1, node: 2 };

/**
 * Makes a wrapper of the runtime that replaces a negative oomScoreAdj by 0. CRI-O always gives a pod's infra container -998, which no runtime
 * may set without CAP_SYS_RESOURCE.
 */
function clampedRuntime(c: Context): string {
  const program = c.file(
    "clamped",
    `#!/bin/sh
bundle=
for argument; do
  if [ "$bundle" = next ]; then bundle=$argument; break; fi
  if [ "$argument" = --bundle ] || [ "$argument" = -b ]; then bundle=next; fi
done
if [ -n "$bundle" ]; then sed -i 's/"oomScoreAdj": *-[0-9]*/"oomScoreAdj":0/' "$bundle/config.json"; fi
exec ${c.program} "$@"
`,
  );
  chmodSync(program, 0o755);
  return program;
}

function configuration(c: Context): string {
  const d = c.directory;
  const runtime = (name: string, program: string): string =>
    `[crio.runtime.runtimes.${name}]\nruntime_path = "${program}"\nruntime_type = "oci"\nruntime_root = "/run/tested"\n` +
    `monitor_path = "/usr/bin/conmon"\nmonitor_cgroup = "pod"\n`;
  return `[crio]
root = "${d}/root"
runroot = "/run/crio-storage"
storage_driver = "overlay"
storage_option = ["overlay.skip_mount_home=true"]
log_dir = "${d}/log"
version_file = "${d}/version"
clean_shutdown_file = "${d}/clean.shutdown"
[crio.api]
listen = "${d}/crio.sock"
[crio.runtime]
default_runtime = "tested"
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
apparmor_profile = "unconfined"
hooks_dir = []
cdi_spec_dirs = []
irqbalance_config_file = ""
irqbalance_config_restore_file = "disable"
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
container_exits_dir = "${d}/exits"
container_attach_socket_dir = "/run/crio-attach"
namespaces_dir = "/run/crio-ns"
pinns_path = "${programs}/pinns"
enable_criu_support = false
disable_hostport_mapping = true
${runtime("tested", c.program)}${runtime("clamped", clampedRuntime(c))}[crio.image]
pause_image = "${pauseImage}"
pause_command = ""
signature_policy = "${c.file("policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')}"
[crio.network]
network_dir = "${c.folder("cni")}"
plugin_dirs = ["${c.folder("cni-plugins")}"]
[crio.nri]
enable_nri = false
`;
}

/** Adds the tests' image and the pause image to CRI-O's store, with podman, which uses the same format. */
async function makeImages(c: Context, env: Record<string, string>): Promise<void> {
  const storage = ["--root", `${c.directory}/root`, "--runroot", "/run/crio-storage", "--storage-driver", "overlay"];
  const flags = [...storage, "--storage-opt", "overlay.skip_mount_home=true", "--events-backend", "file", "--tmpdir", c.folder("tmpdir")];
  for (const args of [
    ["load", "--input", imageArchive(c)],
    ["create", "--network", "none", "--name", "pause", image],
    ["commit", "--quiet", "--change", 'CMD ["/bin/probe", "wait"]', "pause", pauseImage],
    ["rm", "pause"],
  ]) {
    const result = await (await c.spawn("/usr/bin/podman", [...flags, ...args], { env })).wait();
    assert.equal(result.status, 0, describe(result));
  }
}

class CriO {
  private constructor(
    readonly socket: string,
    readonly env: Record<string, string>,
    /** The parent cgroup of all pods. */
    readonly parent: string,
  ) {}

  static async start(c: Context): Promise<CriO> {
    for (const program of [`${programs}/crio`, `${programs}/crictl`]) {
      if (!existsSync(program)) c.skip(`${program} is missing: test/clients/go/install`);
    }
    makeParentCgroups(c);
    c.defer(() => removePodCgroups(c.id));
    checkStateRootLater(c, "/run/tested");
    const env = environmentOf(c);
    await makeImages(c, env);
    const config = c.file("crio.conf", configuration(c));
    const daemon = await c.spawn(`${programs}/crio`, ["--config", config, "--config-dir", c.folder("crio.conf.d")], { env });
    stopLater(c, daemon);
    const crio = new CriO(`unix://${c.directory}/crio.sock`, env, c.id);
    await until(
      "CRI-O answers",
      async () => {
        assert.equal(daemon.process.exitCode, null, daemon.errors().slice(-3000));
        return (await crio.in(c).crictl("version")).status === 0;
      },
      30,
    );
    return crio;
  }

  in(c: Context): Crictl {
    return new Crictl(c, this);
  }
}

/** Removes the cgroups of conmon and of the pod, which CRI-O leaves in hierarchies that it does not know. */
function removePodCgroups(parent: string): void {
  const remove = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      remove(`${directory}/${entry.name}`);
      rmdirSync(`${directory}/${entry.name}`);
    }
  };
  for (const { mountPoint } of hierarchies()) remove(`${mountPoint}/${parent}`);
}

/** `crictl` in one test. */
class Crictl {
  #files = 0;

  constructor(
    readonly c: Context,
    readonly crio: CriO,
  ) {}

  get #options(): string[] {
    return ["--config", "/dev/null", "--runtime-endpoint", this.crio.socket, "--timeout", "30s"];
  }

  async crictl(...args: readonly string[]): Promise<Result> {
    const result = await (await this.c.spawn(`${programs}/crictl`, [...this.#options, ...args], { env: this.crio.env })).wait();
    assert.equal(result.timedOut, false, describe(result));
    return result;
  }

  /** Runs a command, which must exit with 0. Returns its trimmed output. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.crictl(...args);
    assert.equal(result.status, 0, describe(result));
    return result.stdout.trim();
  }

  terminal(...args: readonly string[]): Terminal {
    return new Terminal(this.c, `${programs}/crictl`, [...this.#options, ...args]);
  }

  #json(value: unknown): string {
    this.#files += 1;
    return this.c.file(`cri-${this.#files}.json`, JSON.stringify(value));
  }

  /** Starts a pod, and stops and removes it after the test. */
  async pod(config: PodConfig = {}, flags: readonly string[] = []): Promise<Pod> {
    const { id } = this.c;
    const options = { network: mode.node, pid: mode.container, ...config.linux?.security_context?.namespace_options };
    const file = this.#json({
      metadata: { name: id, namespace: "default", uid: id, attempt: 1 },
      log_directory: this.c.folder("logs"),
      linux: { cgroup_parent: `/${this.crio.parent}`, security_context: { namespace_options: options } },
    });
    this.c.defer(() => removePodCgroups(this.crio.parent)); // CRI-O leaves conmon's cgroup if it cannot create a container
    const pod = await this.ok("runp", ...flags, file);
    this.c.defer(async () => {
      await this.ok("stopp", pod);
      await this.ok("rmp", "--force", pod);
    });
    return new Pod(this, pod, file, options, (config_) => this.#json(config_));
  }

  async state(container: string): Promise<{ state: string; exitCode: number; pid: number }> {
    const { status, info } = JSON.parse(await this.ok("inspect", container)) as {
      status: { state: string; exitCode: number };
      info: { pid: number };
    };
    return { state: status.state, exitCode: status.exitCode, pid: info.pid };
  }

  async ends(container: string): Promise<number> {
    await until("the container has ended", async () => (await this.state(container)).state === "CONTAINER_EXITED");
    return (await this.state(container)).exitCode;
  }

  exec(container: string, ...command: readonly string[]): Promise<Result> {
    return this.crictl("exec", "--sync", container, ...command);
  }
}

class Pod {
  #containers = 0;

  constructor(
    readonly client: Crictl,
    readonly id: string,
    readonly file: string,
    readonly namespaces: Record<string, number>,
    readonly json: (config: unknown) => string,
  ) {}

  /** Creates a container, which is removed with its pod. */
  create(config: ContainerConfig, ...command: readonly string[]): Promise<string> {
    this.#containers += 1;
    const name = `c${this.#containers}`;
    const { linux, ...rest } = config;
    const security = { namespace_options: this.namespaces, ...linux?.security_context };
    return this.client.ok(
      "create",
      this.id,
      this.json({
        metadata: { name },
        image: { image },
        command,
        log_path: `${name}.log`,
        linux: { resources: linux?.resources ?? {}, security_context: security },
        ...rest,
      }),
      this.file,
    );
  }

  async started(config: ContainerConfig, ...command: readonly string[]): Promise<string> {
    const container = await this.create(config, ...command);
    await this.client.ok("start", container);
    return container;
  }

  /** Runs a shell command line in a new container, which must exit with 0. Returns the lines of its output. */
  async lines(config: ContainerConfig, line: string): Promise<string[]> {
    const container = await this.started(config, "sh", "-c", line);
    const status = await this.client.ends(container);
    const logs = await this.client.crictl("logs", container);
    assert.equal(status, 0, describe(logs));
    return logs.stdout.replaceAll("\t", " ").trim().split("\n");
  }
}

sharing("CRI-O", CriO.start, (test) => {
  test("a container of a pod is created, started, ends and tells its exit status and output", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod();
    const line = "echo out $A $FROM_IMAGE $(pwd); echo problem >&2; exit 23";
    const container = await pod.create({ envs: [{ key: "A", value: "b" }] }, "sh", "-c", line);
    assert.equal((await client.state(container)).state, "CONTAINER_CREATED");
    await client.ok("start", container);
    assert.equal(await client.ends(container), 23);
    const logs = await client.crictl("logs", container);
    assert.equal(logs.stdout, "out b yes /home/worker\n", describe(logs));
    assert.equal(logs.stderr, "problem\n", describe(logs));
    await client.ok("rm", container);
  });

  test("crictl create of a program that is missing or cannot be executed says so", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod();
    for (const [program, message] of [
      ["nosuch", /executable file .*not found in \$PATH/],
      ["/etc/passwd", /[Pp]ermission denied/],
    ] as const) {
      await assert.rejects(pod.started({}, program), message);
    }
  });

  test("crictl exec --sync prints the output and returns the exit status", async (c, crio) => {
    const client = crio.in(c);
    const container = await (await client.pod()).started({ envs: [{ key: "A", value: "b" }] }, "probe", "wait");
    const result = await client.exec(container, "sh", "-c", "echo out $A $(pwd)");
    assert.equal(result.stdout.trim(), "out b /home/worker", describe(result));
    // If the command fails, crictl prints its standard error and status in a message, but not its output.
    const failed = await client.exec(container, "sh", "-c", "echo problem >&2; exit 23");
    assert.match(failed.stderr, /exited with 23: problem/, describe(failed));
    assert.match((await client.exec(container, "nosuch")).stderr, /executable file .*not found in \$PATH/);
    const namespaces = "for n in pid mnt ipc uts; do readlink /proc/$p/ns/$n; done; cat /proc/$p/cgroup";
    const [of1, ofExec] = await Promise.all(["1", "self"].map((p) => client.exec(container, "sh", "-c", `p=${p}; ${namespaces}`)));
    assert.equal(ofExec?.stdout, of1?.stdout);
  });

  test("ten crictl exec at once lose no output and no exit status", async (c, crio) => {
    const client = crio.in(c);
    const container = await (await client.pod()).started({}, "probe", "wait");
    const calls = Array.from({ length: 10 }, (_, number) =>
      client.exec(container, "sh", "-c", `echo told ${number} >&2; exit ${number + 1}`),
    );
    for (const [number, result] of (await Promise.all(calls)).entries())
      assert.match(result.stderr, new RegExp(`exited with ${number + 1}: told ${number}`), describe(result));
  });

  test("crictl exec -it gives a terminal, which follows the size of the caller's", async (c, crio) => {
    const client = crio.in(c);
    const container = await (await client.pod()).started({}, "probe", "wait");
    const terminal = client.terminal("exec", "-it", container, "sh", "-c", "echo on $(tty); read line; echo got $line; probe winsize");
    await terminal.shows(/on \/dev\/pts\/\d+\s/);
    terminal.type("typed\r");
    await terminal.shows("got typed");
    await checkResize(terminal);
    terminal.type("\r");
    assert.equal(await terminal.end(), "exited 0");
  });

  test("crictl stop asks by SIGTERM and kills when the time is over", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod();
    const willing = await pod.started({}, "probe", "wait");
    await client.ok("stop", "--timeout", "10", willing);
    assert.equal(await client.ends(willing), 0); // probe wait exits with 0 on SIGTERM
    const unwilling = await pod.started({}, "sleep", "1000");
    await client.ok("stop", "--timeout", "1", unwilling);
    assert.equal(await client.ends(unwilling), 137);
    assert.equal(await client.ok("ps", "--quiet", "--pod", pod.id), "");
  });

  test("limits of a container are its cgroup's, and crictl update changes them", async (c, crio) => {
    const client = crio.in(c);
    const resources = { memory_limit_in_bytes: 64 << 20, cpu_period: 100000, cpu_quota: 50000, cpu_shares: 100, cpuset_cpus: "0" };
    const container = await (await client.pod()).started({ linux: { resources } }, "probe", "wait");
    const { pid } = await client.state(container);
    const v2 = cgroupMode() === "v2";
    const read = (controller: string, file: string): string | undefined => readCgroup(cgroupDirectory(pid, controller), file);
    const limits = (): (string | undefined)[] => [
      read("memory", v2 ? "memory.max" : "memory.limit_in_bytes"),
      read("cpuset", "cpuset.cpus"),
      read("cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us"),
    ];
    assert.deepEqual(limits(), [String(64 << 20), "0", v2 ? "50000 100000" : "50000"]);
    await client.ok(
      "update",
      "--memory",
      String(96 << 20),
      "--cpuset-cpus",
      "1",
      "--cpu-quota",
      "25000",
      "--cpu-period",
      "100000",
      container,
    );
    assert.deepEqual(limits(), [String(96 << 20), "1", v2 ? "25000 100000" : "25000"]);
  });

  test("a container that takes more memory than it may is OOM-killed", async (c, crio) => {
    const client = crio.in(c);
    const linux = { resources: { memory_limit_in_bytes: 16 << 20 } };
    const container = await (await client.pod()).started({ linux }, "tail", "/dev/zero");
    assert.equal(await client.ends(container), 137);
    assert.match(await client.ok("inspect", container), /"reason": "OOMKilled"/);
  });

  test("crictl stats and statsp tell the use of a container and of its pod", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod();
    const container = await pod.started({}, "probe", "wait");
    await until("there are statistics", async () => {
      const { stats } = JSON.parse(await client.ok("stats", "--output", "json", "--id", container)) as {
        stats: { memory?: { workingSetBytes?: { value?: string } } }[];
      };
      return Number(stats[0]?.memory?.workingSetBytes?.value ?? 0) > 0;
    });
    await until("there are statistics of the pod", async () =>
      (await client.ok("statsp", "--output", "json", "--id", pod.id)).includes(pod.id),
    );
  });

  test("a container's user, capabilities, read-only root and no_new_privs are its configuration's", async (c, crio) => {
    const pod = await crio.in(c).pod();
    const line = "id -u; id -g; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; touch /x 2>&1; true";
    const security = {
      run_as_user: { value: 1000 },
      run_as_group: { value: 1001 },
      capabilities: { drop_capabilities: ["ALL"], add_capabilities: ["CHOWN"] },
      readonly_rootfs: true,
      no_new_privs: true,
    };
    const lines = await pod.lines({ linux: { security_context: security } }, line);
    assert.deepEqual(lines.slice(0, 4), ["1000", "1001", "CapBnd: 0000000000000001", "NoNewPrivs: 1"]);
    assert.match(lines[4] ?? "", /Read-only file system/);
  });

  test("a mount, masked and read-only paths and a sysctl of a container", async (c, crio) => {
    const source = c.folder("source");
    chmodSync(source, 0o755);
    const pod = await crio.in(c).pod();
    const mounts = [{ host_path: source, container_path: "/srv" }];
    const line = "echo new >/srv/g; cat /proc/timer_list | wc -c; sh -c 'echo x >/proc/sys/kernel/hostname' 2>&1; true";
    const security = { masked_paths: ["/proc/timer_list"], readonly_paths: ["/proc/sys"] };
    const [core, refused] = await pod.lines({ mounts, linux: { security_context: security } }, line);
    assert.equal(readFileSync(`${source}/g`, "utf8"), "new\n");
    assert.equal(statSync(`${source}/g`).uid, 0);
    assert.equal(core, "0");
    assert.match(refused ?? "", /Read-only file system/);
  });

  test("the containers of a pod share its ipc and uts namespaces", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod();
    const [first, second] = [await pod.started({}, "probe", "wait"), await pod.started({}, "probe", "wait")];
    const namespaces = (container: string): Promise<string[]> =>
      client.exec(container, "sh", "-c", "for n in ipc uts pid; do readlink /proc/1/ns/$n; done").then(({ stdout }) => stdout.split("\n"));
    const [ofFirst, ofSecond] = [await namespaces(first), await namespaces(second)];
    assert.deepEqual(ofFirst.slice(0, 2), ofSecond.slice(0, 2));
    assert.notEqual(ofFirst[2], ofSecond[2]);
  });

  test("the containers of a pod with one pid namespace see the pod's first process", async (c, crio) => {
    const client = crio.in(c);
    const pod = await client.pod({ linux: { security_context: { namespace_options: { pid: mode.pod } } } }, ["--runtime", "clamped"]);
    assert.deepEqual(
      await pod.lines(
        {},
        "tr '\\0' ' ' </proc/1/cmdline; echo; readlink /proc/1/ns/pid >/tmp/1; readlink /proc/self/ns/pid | cmp - /tmp/1 && echo same",
      ),
      ["/bin/probe wait ", "same"],
    );
    const exec = await client.exec(await pod.started({}, "probe", "wait"), "sh", "-c", "kill -0 1 && echo seen");
    assert.equal(exec.stdout.trim(), "seen", describe(exec));
  });
});
