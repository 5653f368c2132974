/**
 * config-linux.md, Seccomp and The Container Process State.
 */
import assert from "node:assert/strict";
import { createRefused, refused, set } from "./black-box.js";
import { sentence } from "./sentence.js";
import { describe } from "../../test/integration/harness/execute.js";
import type { Json } from "./black-box.js";
import type { Bundle, Context } from "../../test/integration/harness/context.js";

/** Makes a bundle with a profile. Its rules are about `swapoff`, which the program does not call. */
function bundleWithProfile(c: Context, profile: Json): Bundle {
  return c.bundle({
    args: ["true"],
    config: (config) => {
      config.annotations = { "org.example.key": "value" };
      set(config.linux, "seccomp", { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], ...profile });
    },
  });
}

const rule = (action: string, more: Json = {}): Json => ({ syscalls: [{ names: ["swapoff"], action, ...more }] });

interface Agent {
  descriptors: string;
  text: string;
  connection: string;
}

/** Runs a container with a listener. Returns what the agent received. */
async function runWithAgent(c: Context): Promise<{ agent: Agent; state: Json; bundle: Bundle; pid: number }> {
  const socket = `${c.directory}/agent.sock`;
  const listener = await c.helper("seccompagent", [socket, "38"]);
  await c.printed(listener, "listening");
  const bundle = bundleWithProfile(c, { ...rule("SCMP_ACT_NOTIFY"), listenerPath: socket, listenerMetadata: "opaque" });
  await c.create(bundle);
  const { pid } = await c.state();
  // Some runtimes load the filter when the program starts.
  await c.ok(["start", c.id]);
  await c.printed(listener, "closed");
  const [, descriptors = "", text = "", connection = ""] = listener.output().split("\n");
  return { agent: { descriptors, text, connection }, state: JSON.parse(text) as Json, bundle, pid };
}

sentence({ "config-linux.md > Seccomp": [2] }, "defaultErrnoRet with a default action that has no errno is an error", async (c) => {
  await createRefused(c, bundleWithProfile(c, { defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1 }));
});

sentence({ "config-linux.md > Seccomp": [13] }, "errnoRet with an action that has no errno is an error", async (c) => {
  for (const action of ["SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS"])
    await createRefused(c, bundleWithProfile(c, rule(action, { errnoRet: 1 })));
});

sentence(
  { "config-linux.md > Seccomp": [3, 4, 5, 6], "config-linux.md > The Container Process State": [1] },
  "the listener's stream socket gets one container process state as JSON, and the connection is closed",
  async (c) => {
    const { agent, state } = await runWithAgent(c);
    assert.equal(agent.connection, "closed");
    assert.equal(state["metadata"], "opaque");
  },
);

sentence(
  { "config-linux.md > Seccomp": [8], "config-linux.md > The Container Process State": [2, 3] },
  "the descriptor comes with the first part of the message, and is named seccompFd",
  async (c) => {
    const { agent, state } = await runWithAgent(c);
    assert.equal(agent.descriptors, "descriptors 1");
    assert.deepEqual(state["fds"], ["seccompFd"]);
  },
);

sentence(
  { "config-linux.md > The Container Process State": [4, 5, 6] },
  "the container process state has version, pid and the state of the container",
  async (c) => {
    const { state, bundle, pid } = await runWithAgent(c);
    assert.match(String(state["ociVersion"]), /^1\./);
    assert.equal(state["pid"], pid);
    const inner = state["state"] as Json;
    assert.equal(inner["id"], c.id);
    assert.equal(inner["pid"], pid);
    assert.equal(inner["bundle"], bundle.directory);
    assert.deepEqual(inner["annotations"], { "org.example.key": "value" });
  },
);

sentence({ "config-linux.md > Seccomp": [7] }, "a listener that cannot be reached is an error of create or start", async (c) => {
  const bundle = bundleWithProfile(c, { ...rule("SCMP_ACT_NOTIFY"), listenerPath: `${c.directory}/nobody.sock` });
  const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
  if (result.status !== 0) return;
  c.deleteLater();
  await refused(c, "start", c.id);
});

sentence({ "config-linux.md > Seccomp": [9] }, "listenerMetadata without listenerPath is refused", async (c) => {
  const result = await c.runtime([
    "create",
    "-b",
    bundleWithProfile(c, { ...rule("SCMP_ACT_ERRNO"), listenerMetadata: "opaque" }).directory,
    c.id,
  ]);
  if (result.status === 0) c.deleteLater();
  assert.notEqual(result.status, 0, describe(result));
});
