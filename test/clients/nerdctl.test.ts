/**
 * nerdctl 1.7 on Debian's containerd 1.6, with the stock shim.
 */
import assert from "node:assert/strict";
import { existsSync, symlinkSync } from "node:fs";
import { describe } from "../integration/harness/execute.js";
import { sharing } from "../integration/harness/suite.js";
import { cacheDirectory } from "../integration/harness/environment.js";
import { Containerd } from "./containerd-steps.js";
import { Engine, environmentOf } from "./engine.js";
import { engineSteps } from "./engine-steps.js";
import { programs } from "./go-programs.js";
import type { Context } from "../integration/harness/context.js";

const containerd = `${cacheDirectory}/containerd/usr/bin`;

/** The tests that nerdctl 1.7 cannot pass with any runtime, and why. */
const unsupported = new Map([
  ["run returns 127 for a missing program, 126 for one that cannot be executed, 125 for a fault of its own", "it always returns 1"],
  ["create and start are two steps, and start --attach returns the exit status", "inspect has no status of a created container"],
  ["--restart on-failure:2 starts a failing container twice more", "it knows `always` alone"],
  ["--restart always and unless-stopped start what ended again, until stop", "it knows `always` alone"],
  ["--pid and --ipc container: join another container's namespaces", "--ipc knows `private` and `host` alone"],
  ["exec of a program that is missing or cannot be executed fails with 127 or 126", "it always returns 1"],
  ["a health check by exec makes the container healthy, then unhealthy", "it has no health checks"],
  ["attach shows the output of a running container and detaches by its key", "it has no -it with --detach"],
  ["--ulimit, --oom-score-adj, --hostname and --group-add reach the process", "it sets no host name without a network"],
  ["--device makes a device with the rights given", "it cannot name a device anew"],
]);

async function startNerdctl(c: Context): Promise<Engine> {
  const nerdctl = `${programs}/nerdctl`;
  if (!existsSync(nerdctl)) c.skip(`${nerdctl} is missing: test/clients/go/install`);
  const daemon = await Containerd.start(c, {
    programs: containerd,
    installer: "test/integration/prepare",
    configVersion: 2,
    disabledPlugins: ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"],
  });
  const init = c.folder("init"); // nerdctl mounts the `tini` from PATH into the container, which has no libraries, so it must be static
  symlinkSync(`${cacheDirectory}/tini/usr/bin/tini-static`, `${init}/tini`);
  const folders = ["--data-root", c.folder("data"), "--cni-netconfpath", c.folder("cni")];
  return new Engine({
    name: "nerdctl",
    program: [nerdctl, "--address", daemon.address, "--namespace", daemon.namespace, "--cgroup-manager", "cgroupfs", ...folders],
    env: environmentOf(c, containerd, init),
    runFlags: ["--net", "none", "--cgroup-parent", `/${c.id}`, "--runtime", c.program, "--pull", "never"],
    removeFlags: [],
  });
}

sharing("nerdctl", startNerdctl, (test) => {
  const known = new Set<string>();
  engineSteps((name, body) => {
    known.add(name);
    if (!unsupported.has(name)) test(name, body);
  });
  for (const name of unsupported.keys()) assert.equal(known.has(name), true, `no step is called "${name}"`);

  test("run and exec say that a program is missing or cannot be executed", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.detached([], "probe", "wait");
    for (const [program, message] of [
      ["nosuch", /exec: \\?"nosuch\\?": executable file not found in \$PATH/],
      ["/etc/passwd", /permission denied/],
    ] as const) {
      for (const result of [await e.run([], program), await e.call(["exec", name, program])]) {
        assert.match(result.stderr, message, describe(result));
        assert.equal(result.status, 1, describe(result));
      }
    }
  });

  test("create and start are two steps", async (c, engine) => {
    const e = engine.in(c);
    const name = await e.created([], "probe", "wait");
    await e.ok("start", name);
    assert.equal(await e.inspect(name, "{{.State.Status}}"), "running");
  });

  test("--pid container: joins another container's namespace", async (c, engine) => {
    const e = engine.in(c);
    const first = await e.detached([], "probe", "wait");
    const line = "readlink /proc/self/ns/pid; readlink /proc/1/ns/pid; tr '\\0' ' ' </proc/1/cmdline";
    const [own, ofFirst, command] = await e.lines(["--pid", `container:${first}`], line);
    assert.equal(own, ofFirst);
    assert.match(command ?? "", /^probe wait/);
  });

  test("--device gives a device, --ulimit and --oom-score-adj reach the process", async (c, engine) => {
    const flags = ["--device", "/dev/fuse:/dev/fuse:rw", "--ulimit", "nofile=512:1024", "--oom-score-adj", "500"];
    const line = "stat -c '%F %t:%T' /dev/fuse; : <>/dev/fuse && echo opened; ulimit -n; cat /proc/self/oom_score_adj";
    assert.deepEqual(await engine.in(c).lines(flags, line), ["character special file a:e5", "opened", "512", "500"]);
  });
});
