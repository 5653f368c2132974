import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import {
  OCI_VERSION,
  type RuntimeContext,
  containerState,
  createContainer,
  defaultSpec,
  deleteContainer,
  isRuntimeError,
  killContainer,
  listContainers,
  nodeContext,
  startContainer,
} from "tsrunc";

/** The state of this process that the library must not change. */
function processState(): unknown {
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    cwd: process.cwd(),
    umask: process.umask(),
    signals: /^SigBlk.*\nSigIgn.*\nSigCgt.*$/m.exec(status)?.[0],
    listeners: process.eventNames(),
    oomScoreAdj: readFileSync("/proc/self/oom_score_adj", "utf8"),
  };
}

/** A bundle whose program writes a file and waits. */
function makeBundle(directory: string): void {
  const bin = join(directory, "rootfs/bin");
  mkdirSync(bin, { recursive: true });
  copyFileSync("/bin/busybox", join(bin, "busybox"));
  symlinkSync("busybox", join(bin, "sh"));
  const spec = defaultSpec({ rootless: undefined });
  const script = "echo from the container >/shared/out; exec /bin/busybox sleep 60";
  Object.assign(spec.process ?? {}, { terminal: false, args: ["/bin/sh", "-c", script], oomScoreAdj: 500 });
  mkdirSync(join(directory, "shared"));
  spec.mounts = [...(spec.mounts ?? []), { destination: "/shared", type: "bind", source: join(directory, "shared"), options: ["bind"] }];
  writeFileSync(join(directory, "config.json"), JSON.stringify(spec));
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition();) {
    if (Date.now() > end) throw new Error(`wait: ${condition.toString()} did not come true`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test("a container lives and ends through the library, and the caller notices nothing", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "tsrunc-library-"));
  const id = `library-${process.pid}`;
  const context: RuntimeContext = nodeContext({ root: join(directory, "state") });
  t.teardown(() => {
    deleteContainer(context, id, { force: true });
    rmSync(directory, { recursive: true });
  });
  makeBundle(directory);
  const before = processState();

  createContainer(context, id, {
    bundle: directory,
    consoleSocket: undefined,
    pidfdSocket: undefined,
    pidFile: undefined,
    pivot: true,
    newKeyring: true,
    preserveFds: 0,
    listenFds: 0,
    rootless: undefined,
  });
  t.match(containerState(context, id), { ociVersion: OCI_VERSION, id, status: "created", bundle: directory });
  startContainer(context, id);
  t.equal(containerState(context, id).status, "running");
  await until(() => existsSync(join(directory, "shared/out")));
  await until(() => readFileSync(join(directory, "shared/out"), "utf8") === "from the container\n");
  t.strictSame(
    listContainers(context).map((container) => container.id),
    [id],
  );
  killContainer(context, id, { signal: "KILL", all: false });
  await until(() => containerState(context, id).status === "stopped");
  deleteContainer(context, id, { force: false });

  t.strictSame(listContainers(context), []);
  t.strictSame(processState(), before);
});

t.test("a container's oom_score_adj is not its caller's, however soon it is set", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "tsrunc-library-"));
  const id = `library-oom-${process.pid}`;
  const context = nodeContext({ root: join(directory, "state") });
  t.teardown(() => {
    deleteContainer(context, id, { force: true });
    rmSync(directory, { recursive: true });
  });
  makeBundle(directory);
  const before = processState();
  // Without cgroups, tsrunc sets the child's oom_score_adj right after the clone, when the child may still share our memory.
  createContainer(context, id, { bundle: directory, rootless: true });
  t.strictSame(processState(), before);
  t.end();
});

t.test("an error can be told by its code", async (t) => {
  const context = nodeContext({ root: "/nonexistent" });
  try {
    containerState(context, "nobody");
    t.fail("a container that does not exist has a state");
  } catch (error) {
    t.ok(isRuntimeError(error));
    t.match(error, { message: 'state "nobody": container does not exist', code: "notFound" });
  }
});

t.test("a reply larger than the buffer arrives whole", async (t) => {
  const file = join(t.testdir({ large: "ä".repeat(300_000) }), "large");
  const reply = JSON.parse(nodeContext().door.call(JSON.stringify({ op: "readFile", path: file, maxBytes: 1_000_000 }))) as {
    text: string;
  };
  t.equal(reply.text, "ä".repeat(300_000));
});

t.test("importing the library prints nothing and leaves the process free to end", async (t) => {
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", 'import { nodeContext } from "tsrunc"; nodeContext();'], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.equal(output, "");
});
