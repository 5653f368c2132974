import t from "tap";
import { attempt, send } from "./native.js";

const answering = (reply: unknown) => ({ call: () => JSON.stringify(reply) });

t.test("send returns the reply of the kind that was asked for", async (t) => {
  t.equal(send(answering({ kind: "text", text: "now" }), "text", { op: "now" }).text, "now");
});

t.test("send throws a failure, attempt returns it", async (t) => {
  const door = answering({ kind: "failed", failure: { code: "locked", operation: "lock", cause: "held" } });
  t.throws(() => send(door, "handle", { op: "now" }), { code: "locked", message: "lock: held" });
  t.match(attempt(door, "handle", { op: "now" }).failure, { code: "locked" });
});

t.test("a reply of another kind is an error", async (t) => {
  t.throws(() => send(answering({ kind: "flag", flag: true }), "text", { op: "now" }), { code: "badRequest" });
});
