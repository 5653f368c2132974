import t from "tap";
import type { Door } from "../door.js";
import { RuntimeError } from "../runtime/errors.js";
import type { Request } from "../runtime/generated/plan.js";
import { fakeDoor } from "../runtime/testing/fake-door.js";
import type { CommandCall, LoadCommand } from "./command.js";
import * as late from "./late-commands.js";
import { main } from "./main.js";

interface Ran {
  status: number;
  out: string;
  err: string;
  /** Appended to the log file. */
  log: string;
  /** Sent to log daemons. */
  sent: Extract<Request, { op: "sendDatagram" }>[];
  /** Commands that were loaded. */
  loaded: string[];
  call: CommandCall | undefined;
}

/** Runs the program with commands that record how they were called, or do what `act` does. */
function runMain(argv: readonly string[], act: (call: CommandCall) => number = () => 0): Ran {
  const ran: Ran = { status: -1, out: "", err: "", log: "", sent: [], loaded: [], call: undefined };
  const fake = fakeDoor({
    answers: {
      appendFile: ({ text }) => ((ran.log += text), { kind: "done" }),
      sendDatagram: (request) => (ran.sent.push(request), { kind: "done" }),
    },
  });
  const door: Door = {
    ...fake.door,
    argv,
    env: {},
    write: (fd, text) => void (fd === 1 ? (ran.out += text) : (ran.err += text)),
    build: { version: "1.2.3", commit: "abc", hostName: "node" },
  };
  const load: LoadCommand = (name) => {
    ran.loaded.push(name);
    return { run: (call) => ((ran.call = call), act(call)) };
  };
  ran.status = main(door, load, () => late);
  return ran;
}

const fails = (cause: string) => (): number => {
  throw new RuntimeError(cause, { code: "other" });
};

t.test("-- ends the flags of a command", async (t) => {
  t.match(runMain(["state", "--", "-x"]), { status: 0, err: "", call: { args: ["-x"] } });
  t.match(runMain(["--", "state", "--", "--help"]), { status: 0, err: "", call: { args: ["--help"] } });
  t.match(runMain(["state", "-x"]), { status: 1, err: 'state: unknown flag "-x"\n' });
});

t.test("an argument with bytes that are not UTF-8 is refused: no file of that name could be found", async (t) => {
  const said = 'tsrunc: argument "/b\ufffd" is not UTF-8\n';
  for (const argv of [["run", "-b", "/b\ufffd", "c1"], ["/b\ufffd"], ["--root=/r", "state", "/b\ufffd"]]) {
    t.match(runMain(argv), { status: 1, out: "", err: said, loaded: [] });
  }
});

t.test("--version is three lines and loads nothing", async (t) => {
  for (const flag of ["--version", "-v", "-version"]) {
    t.match(runMain([flag]), { status: 0, out: "tsrunc version 1.2.3\ncommit: abc\nspec: 1.3.0\n", err: "", loaded: [] }, flag);
  }
});

t.test("a command gets its flags and arguments", async (t) => {
  const { call, loaded, status } = runMain(
    ["--root", "/r", "--rootless=true", "--systemd-cgroup", "run", "-d", "--bundle", "/b", "c1"],
    () => 7,
  );
  t.equal(status, 7);
  t.same(loaded, ["run"]);
  t.same(call?.values, { bundle: "/b" });
  t.same([...(call?.switches ?? [])], ["detach"]);
  t.same(call?.args, ["c1"]);
  t.same(call?.global, { rootless: true, cgroupManager: "systemd" });
  t.match(call?.context(), { root: "/r", rootMode: 0o700 });
});

t.test("the default state directory is looked for only by who needs one", async (t) => {
  t.match(runMain(["state", "c1"]).call?.context(), { root: "/run/tsrunc" });
  t.match(
    runMain(["--root", "/", "state", "c1"], (call) => (call.context(), 0)),
    { status: 1, err: 'use the state directory "/": the root of the file system cannot hold states\n' },
  );
  t.match(runMain(["--root", "/", "features"]), { status: 0 });
});

t.test("help is a command, a flag and what nothing asks for", async (t) => {
  t.match(runMain([]), { status: 0, loaded: ["help"], call: { args: [] } });
  t.match(runMain(["--help"]), { loaded: ["help"], call: { args: [] } });
  t.match(runMain(["run", "--help"]), { loaded: ["help"], call: { args: ["run"] } });
  t.match(runMain(["run", "-h", "too", "many"]), { loaded: ["help"], call: { args: ["run"] } });
  t.match(runMain(["help", "run"]), { loaded: ["help"], call: { args: ["run"] } });
});

t.test("bad usage ends with status 1 and names what is wrong", async (t) => {
  const cases: [argv: string[], message: string][] = [
    [["stat"], 'tsrunc: unknown command "stat", did you mean "state"?'],
    [["frobnicate"], 'tsrunc: unknown command "frobnicate"'],
    [["frobnicate", "-h"], "tsrunc: No help topic for 'frobnicate'"],
    [["--rot", "/r", "list"], 'tsrunc: unknown flag "--rot", did you mean "--root"?'],
    [["start"], "start: missing container ID"],
    [["--log-format", "xml", "list"], 'tsrunc: flag "--log-format" is text or json, not "xml"'],
    [["--rootless", "maybe", "list"], 'tsrunc: flag "--rootless" is true or false or auto, not "maybe"'],
  ];
  for (const [argv, message] of cases) t.match(runMain(argv), { status: 1, out: "", err: `${message}\n`, loaded: [] }, argv.join(" "));
});

t.test("an error is one line on standard error and one object in a JSON log", async (t) => {
  const { status, err, log } = runMain(["--log", "/l", "--log-format", "json", "list"], fails('mount "a"\n"b"'));
  t.equal(status, 1);
  t.equal(err, 'mount "a"\n"b"\n');
  t.equal(log, `${JSON.stringify({ level: "error", msg: 'mount "a"\n"b"', time: "2026-01-02T03:04:05.000000006Z" })}\n`);
});

t.test("a text log is a line of logfmt", async (t) => {
  t.equal(runMain(["--log", "/l", "list"], fails("no")).log, 'time="2026-01-02T03:04:05.000000006Z" level=error msg="no"\n');
});

t.test("without a file a JSON log goes to standard error", async (t) => {
  t.equal(
    runMain(["--log-format=json", "list"], fails("no")).err,
    '{"level":"error","msg":"no","time":"2026-01-02T03:04:05.000000006Z"}\n',
  );
});

t.test("an error carries its own status", async (t) => {
  const act = (): number => {
    throw new RuntimeError("no", { code: "exec", exitStatus: 255 });
  };
  t.equal(runMain(["list"], act).status, 255);
});

t.test("warnings are seen, debug messages only with --debug", async (t) => {
  const act = (call: CommandCall): number => {
    call.context().log("warning", "careful");
    call.context().log("debug", "detail");
    return 0;
  };
  t.match(runMain(["list"], act), { err: "warning: careful\n", log: "" });
  t.match(runMain(["--log", "/l", "list"], act), { err: "", log: /^\S+ level=warning msg="careful"\n$/ });
  t.match(runMain(["--debug", "list"], act), { err: /^warning: careful\ntime="[^"]*" level=debug msg="detail"\n$/ });
});

t.test("--debug logs every request", async (t) => {
  const act = ({ door }: CommandCall): number => (door.call('{"op":"now"}'), 0);
  t.match(runMain(["--debug", "features"], act), { err: /^time="[^"]*" level=debug msg="request \{\\"op\\":\\"now\\"\}"\n$/ });
});

t.test("a log file that cannot be written is an error before anything is done", async (t) => {
  let err = "";
  const fake = fakeDoor({
    answers: { appendFile: () => ({ kind: "failed", failure: { code: "other", operation: 'append to "/l"', cause: "EACCES" } }) },
  });
  const door: Door = {
    ...fake.door,
    argv: ["--log", "/l", "list"],
    env: {},
    write: (_fd, text) => void (err += text),
    build: { version: "", commit: "", hostName: "node" },
  };
  t.equal(
    main(
      door,
      () => ({ run: fails("no") }),
      () => late,
    ),
    1,
  );
  t.equal(err, 'append to "/l": EACCES\n');
});

t.test("--log names a file, the journal or syslog", async (t) => {
  t.match(runMain(["--log", "file:/l", "list"], fails("no")), { log: /level=error msg="no"\n$/, sent: [] });
  t.match(runMain(["--log", "other:/l", "list"], fails("no")), { log: /level=error msg="no"\n$/, sent: [] });

  const journal = runMain(["--log", "journald:web", "list"], fails("no:\n 2 faults"));
  t.equal(journal.err, "no:\n 2 faults\n");
  t.equal(journal.log, "");
  const sized = (text: string) => ({ text, sized: true });
  const plain = (text: string) => ({ text, sized: false });
  t.same(journal.sent, [
    { op: "sendDatagram", path: "/run/systemd/journal/socket", parts: [] },
    {
      op: "sendDatagram",
      path: "/run/systemd/journal/socket",
      parts: [
        ...[plain("PRIORITY\n"), sized("3"), plain("\n")],
        ...[plain("SYSLOG_IDENTIFIER\n"), sized("web"), plain("\n")],
        ...[plain("MESSAGE\n"), sized("no:\n 2 faults"), plain("\n")],
      ],
    },
  ]);

  const warns = (call: CommandCall): number => (call.context().log("warning", "careful"), 0);
  t.match(runMain(["--log", "syslog:", "list"], warns), {
    err: "",
    sent: [{ parts: [] }, { path: "/dev/log", parts: [{ text: "<12>tsrunc: careful", sized: false }] }],
  });
  t.match(
    runMain(["--log=syslog:a:b", "--log-format=json", "list"], warns).sent[1]?.parts[0]?.text,
    /^<12>a:b: \{"level":"warning","msg":"careful"/,
  );
  t.ok(JSON.stringify(runMain(["--log=syslog:x", "list"], fails("x".repeat(1 << 20))).sent).length < 40_000);
  t.match(runMain(["--log", "file:", "list"]), { status: 1, err: 'tsrunc: flag "--log" names no file: "file:"\n', loaded: [] });
});

t.test("--log-level drops what is below it", async (t) => {
  const act = (call: CommandCall): number => {
    call.context().log("warning", "careful");
    call.context().log("debug", "detail");
    return 0;
  };
  t.match(runMain(["--log-level", "error", "list"], act), { err: "" });
  t.match(runMain(["--log-level", "info", "list"], act), { err: "warning: careful\n" });
  t.match(runMain(["--log-level", "debug", "--debug", "list"], act), {
    err: /^warning: careful\ntime="[^"]*" level=debug msg="detail"\n$/,
  });
  t.match(runMain(["--log-level", "error", "list"], fails("no")), { status: 1, err: "no\n" });
});

t.test("the cgroup manager has two flags, which may not differ", async (t) => {
  const manager = (...argv: string[]) => runMain([...argv, "list"]).call?.global.cgroupManager;
  t.equal(manager(), "cgroupfs");
  t.equal(manager("--cgroup-manager", "disabled"), "disabled");
  t.equal(manager("--cgroup-manager=systemd", "--systemd-cgroup"), "systemd");
  t.match(runMain(["--cgroup-manager=disabled", "--systemd-cgroup", "list"]), {
    status: 1,
    err: 'tsrunc: flags "--systemd-cgroup" and "--cgroup-manager disabled" exclude each other\n',
    loaded: [],
  });
  t.match(runMain(["--debug", "--log-level=error", "list"]), {
    status: 1,
    err: 'tsrunc: flags "--debug" and "--log-level error" exclude each other\n',
  });
});
