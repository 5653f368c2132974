/**
 * What could differ between the hosts because one of them is Node.js: its start, its libraries, its way to write.
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { runtimeName, runtimePath } from "./harness/environment.js";
import { setNamespace } from "./harness/config.js";
import { describe } from "./harness/execute.js";
import { mountOnHost } from "./harness/mounting.js";
import { withoutExecutableMemory } from "./harness/memory-files.js";
import { test } from "./harness/suite.js";

test("the program works in any directory and leaves no file where temporary files go", async (c) => {
  const temporary = c.folder("temporary");
  for (const cwd of ["/", "/proc", temporary]) await c.ok(["list"], { cwd, env: { TMPDIR: temporary } });
  assert.deepEqual(readdirSync(temporary), []);
});

test("the program works where temporary files cannot be executed, or cannot be made", async (c) => {
  const temporary = c.folder("noexec");
  mountOnHost(c, "-t", "tmpfs", "-o", "noexec", "tmpfs", temporary);
  await c.ok(["list"], { env: { TMPDIR: temporary } });
  await c.ok(["list"], { env: { TMPDIR: "/nonexistent" } });
});

test("options for Node.js in the caller's environment are ignored", async (c) => {
  const preload = `${c.directory}/preload.cjs`;
  writeFileSync(preload, `require("node:fs").writeFileSync(${JSON.stringify(`${c.directory}/loaded`)}, "")`);
  const plain = await c.ok(["list"]);
  const result = await c.ok(["list"], { env: { NODE_OPTIONS: `--require=${preload} --trace-warnings` } });
  assert.equal(result.stdout, plain.stdout);
  assert.equal(result.stderr, "");
  assert.ok(!readdirSync(c.directory).includes("loaded"));
});

test("output into a full pipe that does not block arrives whole, and the pipe stays as it was", async (c) => {
  const plain = await c.ok(["features"]);
  const reader = await c.helper("slowreader", [c.program, "features"]);
  const result = await reader.wait();
  assert.equal(result.status, 0, describe(result));
  assert.equal(result.stdout, plain.stdout);
});

test("output to a reader who is gone is no error of the command", async (c) => {
  const shell = await c.spawn("/bin/sh", ["-c", `(sleep 0.2; "${c.program}" features; echo $? >${c.directory}/status) | true`]);
  await shell.wait();
  assert.equal(readFileSync(`${c.directory}/status`, "utf8"), "0\n");
});

// A Node single executable carries its program in a section that strip moves.
if (runtimeName === "tsrunc")
  test("strip and objcopy read the program, and leave one that works", async (c) => {
    const plain = await c.ok(["features"]);
    for (const tool of ["strip", "objcopy"]) {
      const copy = `${c.directory}/${tool}ped`;
      const made = await c.spawn(tool, tool === "strip" ? ["-o", copy, c.program] : [c.program, copy]);
      const result = await made.wait();
      assert.equal(result.status, 0, describe(result));
      assert.equal(result.stderr, "");
      const features = await (await c.spawn(copy, ["features"])).wait();
      assert.equal(features.stdout, plain.stdout, describe(features));
    }
  });

for (const place of ["", " in a user namespace"]) {
  test(`a container${place} runs where vm.memfd_noexec is 2`, async (c) => {
    if (!existsSync("/proc/sys/vm/memfd_noexec")) c.skip("this kernel has no vm.memfd_noexec");
    const bundle = c.bundle({
      args: ["echo", "ran"],
      config: (config) => {
        if (place === "") return;
        setNamespace(config, "user");
        config.linux.uidMappings = config.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      },
    });
    const result = await (await c.startBelow(withoutExecutableMemory, ["run", "-b", bundle.directory, c.id])).wait();
    assert.equal(result.stdout, "ran\n", describe(result));
  });
}

// The Node host is no init: it always copies one.
if (runtimeName === "tsrunc") {
  test("the init is no copy, also where the state root lies below the directory of the executable", async (c) => {
    c.program = `${c.directory}/runtime`;
    copyFileSync(runtimePath, c.program);
    await c.create(c.bundle());
    assert.doesNotMatch(readlinkSync(`/proc/${(await c.state()).pid}/exe`), /memfd|tsrunc-init/);
  });
}
