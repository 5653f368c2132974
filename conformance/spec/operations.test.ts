/**
 * runtime.md: state and operations.
 */
import assert from "node:assert/strict";
import { readFileSync, existsSync, writeFileSync } from "node:fs";
import { absent, configOf, configRefused, createRefused, rawBundle, refused } from "./black-box.js";
import { sentence } from "./sentence.js";
import { describe } from "../../test/integration/harness/execute.js";
import { cgroupsOf } from "../../test/integration/harness/cgroups.js";

const waitingProgram = ["probe", "wait"];
/** A program that appends a line to /runs each time it starts. */
const countingProgram = ["sh", "-c", "echo run >>/runs; exec sleep 100"];

sentence(
  { "runtime.md > Scope of a Container": [1], "runtime.md > Operations": [1] },
  "whoever created a container can query, start, signal and delete it",
  async (c) => {
    await c.create(c.bundle({ args: ["sleep", "100"] }));
    await c.status("created");
    await c.ok(["start", c.id]);
    await c.status("running");
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
    await absent(c);
  },
);

sentence(
  { "runtime.md > State": [1, 2, 4, 6, 7], "runtime.md > Query State": [3] },
  "the state has version, id, status, pid and the absolute path of the bundle",
  async (c) => {
    const bundle = c.bundle({ args: waitingProgram });
    await c.create(bundle);
    const created = await c.state();
    assert.match(created.ociVersion, /^1\.\d+\.\d+/);
    assert.equal(created.id, c.id);
    assert.equal(created.status, "created");
    assert.equal(created.bundle, bundle.directory);
    assert.ok(existsSync(`/proc/${created.pid}`), "its process is there");
    await c.ok(["start", c.id]);
    const running = await c.state();
    assert.equal(running.status, "running");
    assert.equal(running.pid, created.pid);
  },
);

sentence(
  { "runtime.md > State": [3, 5] },
  "an id names one container, and each status is one of those that the specification describes",
  async (c) => {
    const other = c.otherId("b");
    await c.create(c.bundle({ args: ["sleep", "100"] }));
    await c.create(c.bundle({ args: ["sleep", "100"] }), [], { id: other });
    assert.notEqual((await c.state()).pid, (await c.state(other)).pid);
    assert.equal((await c.state(other)).status, "created");
    await c.ok(["start", c.id]);
    assert.equal((await c.state()).status, "running");
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    assert.equal((await c.state(other)).status, "created");
  },
);

sentence({ "runtime.md > State": [8] }, "the state has the types of the specification's schema", async (c) => {
  await c.createAndStart(c.bundle({ args: waitingProgram, config: (config) => (config.annotations = { "org.example.a": "b" }) }));
  const state = (await c.state()) as unknown as Record<string, unknown>;
  for (const name of ["ociVersion", "id", "status", "bundle"]) assert.equal(typeof state[name], "string", name);
  assert.match(state["ociVersion"] as string, /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/);
  assert.ok(["creating", "created", "running", "stopped"].includes(state["status"] as string));
  assert.ok(Number.isInteger(state["pid"]) && (state["pid"] as number) >= 0);
  assert.deepEqual(state["annotations"], { "org.example.a": "b" });
});

sentence({ "runtime.md > Query State": [1] }, "state without an id is an error", async (c) => {
  await refused(c, "state");
});

sentence({ "runtime.md > Query State": [2] }, "state of a container that does not exist is an error", async (c) => {
  await absent(c);
});

sentence({ "runtime.md > Create": [1] }, "create without an id, or with a bundle that is none, is an error", async (c) => {
  await refused(c, "create", "-b", c.bundle({ args: ["true"] }).directory);
  await refused(c, "create", "-b", `${c.directory}/no-bundle`, c.id);
  await absent(c);
});

sentence({ "runtime.md > Create": [2, 3] }, "create of an id that is taken or not valid is an error and makes no container", async (c) => {
  await c.create(c.bundle({ args: waitingProgram }));
  const { pid } = await c.state();
  await refused(c, "create", "-b", c.bundle({ args: ["true"] }).directory, c.id);
  assert.equal((await c.state()).pid, pid, "the first one is as it was");
  const bundle = c.bundle({ args: ["true"] });
  for (const id of ["", "../outside", "a/b", "a b"]) await refused(c, "create", "-b", bundle.directory, id);
});

sentence({ "runtime.md > Create": [4, 6] }, "create makes a container whose program does not run before start", async (c) => {
  const bundle = c.bundle({ args: countingProgram });
  await c.create(bundle);
  await c.status("created");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(existsSync(`${bundle.rootfs}/runs`), false);
  await c.ok(["start", c.id]);
  assert.equal(await c.fileText(`${bundle.rootfs}/runs`), "run\n");
});

sentence({ "runtime.md > Create": [5] }, "all that config.json has beside the process is there after create", async (c) => {
  const bundle = c.bundle({
    args: waitingProgram,
    config: (config) => {
      config.hostname = "applied";
      config.mounts.push({ destination: "/applied", type: "tmpfs", source: "tmpfs" });
      config.linux.resources.pids = { limit: 77 };
    },
  });
  await c.create(bundle);
  const { pid } = await c.state();
  assert.match(readFileSync(`/proc/${pid}/mountinfo`, "utf8"), / \/applied /);
  assert.notEqual(cgroupsOf(pid).get("pids"), cgroupsOf("self").get("pids"));
  const named = await c.spawn("nsenter", ["-t", String(pid), "-u", "hostname"]);
  assert.equal((await named.wait()).stdout.trim(), "applied");
});

sentence({ "runtime.md > Create": [7, 8] }, "a property that cannot be applied makes create fail, and there is no container", async (c) => {
  const impossible = ["/no/such/source", "/proc/self/no-such"];
  for (const source of impossible) {
    const bundle = c.bundle({
      args: ["true"],
      config: (config) => config.mounts.push({ destination: "/mnt", type: "bind", source, options: ["bind"] }),
    });
    await createRefused(c, bundle);
  }
});

sentence({ "runtime.md > Errors": [1] }, "after an operation that failed all is as it was before", async (c) => {
  // After each test, the harness checks that the host's mounts, cgroups, processes, files and sockets are the same as before.
  await configRefused(c, (config) => config.mounts.push({ destination: "/mnt", type: "bind", source: "/no/such", options: ["bind"] }));
  await c.createAndStart(c.bundle({ args: waitingProgram }));
  const before = await c.state();
  await refused(c, "start", c.id);
  await refused(c, "delete", c.id);
  await refused(c, "create", "-b", c.bundle({ args: ["true"] }).directory, c.id);
  assert.deepEqual(await c.state(), before);
});

sentence({ "runtime.md > Warnings": [1] }, "an operation that warns goes on all the same", async (c) => {
  const report = await c.report((config) => {
    const names = ["CAP_KILL", "CAP_NO_SUCH_THING"];
    config.process.capabilities = { bounding: names, effective: names, permitted: names };
  });
  assert.equal(BigInt(`0x${report.permitted}`), 1n << 5n, "CAP_KILL alone");
});

sentence({ "runtime.md > Start": [1] }, "start without an id is an error", async (c) => {
  await refused(c, "start");
});

sentence({ "runtime.md > Start": [2, 3] }, "start of a container that is not created is an error and changes nothing", async (c) => {
  const bundle = c.bundle({ args: countingProgram });
  await refused(c, "start", c.id);
  await c.createAndStart(bundle);
  await c.fileText(`${bundle.rootfs}/runs`);
  const before = await c.state();
  await refused(c, "start", c.id);
  assert.deepEqual(await c.state(), before);
  await c.ok(["kill", c.id, "KILL"]);
  await c.status("stopped");
  await refused(c, "start", c.id);
  assert.equal((await c.state()).status, "stopped");
  assert.equal(readFileSync(`${bundle.rootfs}/runs`, "utf8"), "run\n", "the program ran once");
});

sentence(
  { "runtime.md > Start": [4], "runtime.md > Lifecycle": [14] },
  "start runs the program with the arguments, environment, user and directory of the configuration",
  async (c) => {
    const bundle = c.bundle({
      args: ["sh", "-c", 'echo "$0 $1 $NAME $(id -u) $(pwd)" >/tmp/ran', "zeroth", "first"],
      config: (config) => {
        config.process.env.push("NAME=value");
        config.process.user = { uid: 1000, gid: 1000 };
        config.process.cwd = "/home";
      },
    });
    await c.createAndStart(bundle);
    assert.equal(await c.fileText(`${bundle.rootfs}/tmp/ran`), "zeroth first value 1000 /home\n");
  },
);

sentence(
  { "runtime.md > Start": [5], "config.md > Process": [1] },
  "a container without a process cannot be started: create or start is an error",
  async (c) => {
    const bundle = c.bundle();
    const config = configOf(bundle);
    Reflect.deleteProperty(config, "process");
    writeFileSync(`${bundle.directory}/config.json`, JSON.stringify(config));
    const result = await c.runtime(["create", "-b", bundle.directory, c.id]);
    if (result.status !== 0) {
      // "runtimes MAY validate config.json [...] before creating the container", but must not crash.
      assert.equal(result.signal, null, describe(result));
      assert.doesNotMatch(result.stderr, /panic:|goroutine \d+/, describe(result));
      return;
    }
    c.deleteLater();
    await refused(c, "start", c.id);
  },
);

sentence({ "runtime.md > Kill": [1] }, "kill without an id is an error", async (c) => {
  await refused(c, "kill");
});

sentence(
  { "runtime.md > Kill": [2, 3] },
  "a signal to a container that is stopped or not there is an error and changes nothing",
  async (c) => {
    await refused(c, "kill", c.id, "TERM");
    await c.createAndStart(c.bundle({ args: ["true"] }));
    const before = await c.status("stopped");
    await refused(c, "kill", c.id, "TERM");
    assert.deepEqual(await c.state(), before);
  },
);

sentence({ "runtime.md > Kill": [4] }, "kill sends the signal that was asked for to the container's process", async (c) => {
  const started = await c.createAndStart(c.bundle({ args: waitingProgram }));
  await c.printed(started, "ready");
  for (const [name, number] of [
    ["USR1", 10],
    ["HUP", 1],
    ["12", 12],
  ] as const) {
    await c.ok(["kill", c.id, name]);
    await c.printed(started, `signal ${number}\n`);
  }
  const second = c.otherId("created");
  await c.create(c.bundle({ args: waitingProgram }), [], { id: second });
  await c.ok(["kill", second, "KILL"]);
  await c.status("stopped", second);
});

sentence({ "runtime.md > Delete": [1] }, "delete without an id is an error", async (c) => {
  await refused(c, "delete");
});

sentence({ "runtime.md > Delete": [2, 3] }, "delete of a container that is created or runs is an error and changes nothing", async (c) => {
  await c.create(c.bundle({ args: waitingProgram }));
  for (const operation of [undefined, "start"]) {
    if (operation !== undefined) await c.ok([operation, c.id]);
    const before = await c.state();
    const result = await c.runtime(["delete", c.id]);
    assert.notEqual(result.status, 0, describe(result));
    assert.deepEqual(await c.state(), before);
    assert.ok(existsSync(`/proc/${before.pid}`));
  }
});

sentence(
  { "runtime.md > Delete": [4, 5], "runtime.md > Lifecycle": [17] },
  "delete takes back what create made, and nothing else",
  async (c) => {
    const kept = c.folder("kept");
    writeFileSync(`${kept}/file`, "kept");
    const bundle = c.bundle({
      args: ["sh", "-c", "sleep 100 & sleep 100"],
      config: (config) => {
        config.linux.cgroupsPath = `/${c.id}`;
        config.mounts.push({ destination: "/kept", type: "bind", source: kept, options: ["bind"] });
      },
    });
    await c.createAndStart(bundle);
    const { pid } = await c.state();
    const cgroup = cgroupsOf(pid).get("memory") ?? cgroupsOf(pid).get("");
    assert.ok(cgroup?.includes(c.id));
    await c.ok(["kill", c.id, "KILL"]);
    await c.status("stopped");
    await c.ok(["delete", c.id]);
    // The harness checks that no mount, cgroup and process is left.
    assert.equal(readFileSync(`${kept}/file`, "utf8"), "kept");
    assert.ok(existsSync(`${bundle.rootfs}/bin/sh`));
    assert.ok(existsSync(`${bundle.directory}/config.json`));
    await c.create(rawBundle(c, configOf(bundle)), [], { id: c.id });
  },
);
