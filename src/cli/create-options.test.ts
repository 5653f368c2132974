import t from "tap";
import { fakeDoor } from "../runtime/testing/fake-door.js";
import type { CgroupManager } from "../runtime/runtime.js";
import type { CommandCall } from "./command.js";
import { createOptions } from "./create-options.js";

function call(
  values: Record<string, string> = {},
  switches: string[] = [],
  env: Record<string, string> = {},
  cgroupManager: CgroupManager = "cgroupfs",
): CommandCall {
  const { door } = fakeDoor({ files: { "/proc/self/stat": "77 (tsrunc) R 1" } });
  return {
    door: {
      ...door,
      argv: [],
      env,
      write: () => undefined,
      build: { version: "", commit: "", hostName: "node" },
    },
    global: { rootless: undefined, cgroupManager },
    values,
    lists: {},
    switches: new Set(switches),
    args: ["c1"],
    late: () => {
      throw new Error("not needed");
    },
    context: () => {
      throw new Error("not needed");
    },
  };
}

t.test("flags become options", async (t) => {
  t.match(
    createOptions(
      "create",
      call({ bundle: "/b", config: "/c.json", "console-socket": "/c", "pidfd-socket": "/p", "pid-file": "/f", "preserve-fds": "3" }, [
        "no-pivot",
        "no-new-keyring",
      ]),
    ),
    {
      bundle: "/b",
      config: "/c.json",
      consoleSocket: "/c",
      pidfdSocket: "/p",
      pidFile: "/f",
      preserveFds: 3,
      pivot: false,
      newKeyring: false,
    },
  );
  t.match(createOptions("create", call()), { preserveFds: 0, listenFds: 0, pivot: true, newKeyring: true });
});

t.test("a number of descriptors is a number", async (t) => {
  for (const text of ["-1", "x", "", "1.5", "99999999"])
    t.throws(() => createOptions("run", call({ "preserve-fds": text })), { message: /^run: flag "--preserve-fds" is a number/ }, text);
});

t.test("socket activation is taken from the environment", async (t) => {
  t.equal(createOptions("run", call({}, [], { LISTEN_FDS: "2", LISTEN_PID: "77" })).listenFds, 2);
  for (const text of ["", "x", "-1"])
    t.equal(createOptions("run", call({}, [], { LISTEN_FDS: text, LISTEN_PID: "77" })).listenFds, 0, text);
});

t.test("socket activation that was meant for another process is left alone", async (t) => {
  t.equal(createOptions("run", call({}, [], { LISTEN_FDS: "2", LISTEN_PID: "78" })).listenFds, 0);
  t.equal(createOptions("run", call({}, [], { LISTEN_FDS: "2" })).listenFds, 0);
});

t.test("the cgroup manager is that of the flag, the user's manager is below XDG_RUNTIME_DIR", async (t) => {
  const env = { XDG_RUNTIME_DIR: "/run/user/7" };
  t.match(createOptions("run", call({}, [], env, "systemd")), { cgroupManager: "systemd", runtimeDirectory: "/run/user/7" });
  t.equal(createOptions("run", call()).cgroupManager, "cgroupfs");
});
