import t from "tap";
import { RuntimeError, errorFromFailure, isRuntimeError, messageOf, withOperation } from "./errors.js";

t.test("an error's text is its operation and its cause", async (t) => {
  t.equal(
    new RuntimeError("EPERM (operation not permitted)", { code: "other", operation: 'mount "proc"' }).message,
    'mount "proc": EPERM (operation not permitted)',
  );
  t.equal(new RuntimeError("container does not exist", { code: "notFound" }).message, "container does not exist");
});

t.test("a native failure keeps its code and errno", async (t) => {
  const error = errorFromFailure({
    code: "notFound",
    operation: 'open "/x"',
    cause: "ENOENT (no such file or directory)",
    errno: "ENOENT",
  });
  t.match(error, {
    code: "notFound",
    errno: "ENOENT",
    operation: 'open "/x"',
    exitStatus: 1,
    message: 'open "/x": ENOENT (no such file or directory)',
  });
});

t.test("withOperation puts what was done in front and keeps the facts", async (t) => {
  const inner = new RuntimeError("no", { code: "exec", path: "/p", errno: "EACCES", exitStatus: 7 });
  t.match(withOperation('create "c1"', inner), {
    message: 'create "c1": no',
    code: "exec",
    path: "/p",
    errno: "EACCES",
    exitStatus: 7,
    cause: inner,
  });
  t.match(withOperation("start", new TypeError("odd")), { message: "start: odd", code: "other", exitStatus: 1 });
});

t.test("an error of another bundle's class is known by its shape", async (t) => {
  const foreign = Object.assign(new Error("x"), { code: "exists", exitStatus: 1 });
  t.ok(isRuntimeError(foreign));
  t.notOk(isRuntimeError(Object.assign(new Error("x"), { code: "ENOENT" })));
  t.notOk(isRuntimeError("x"));
});

t.test("messageOf takes anything", async (t) => {
  t.equal(messageOf(new Error("a")), "a");
  t.equal(messageOf("b"), "b");
});
