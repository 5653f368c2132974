import t from "tap";
import { defaultStateRoot, namedStateRoot } from "./context.js";
import { fakeDoor } from "../testing/fake-door.js";

t.test("root keeps states in /run/tsrunc, whatever the environment says", async (t) => {
  const { door } = fakeDoor();
  t.same(defaultStateRoot(door, {}), { root: "/run/tsrunc", rootMode: 0o700 });
  t.same(defaultStateRoot(door, { XDG_RUNTIME_DIR: "/run/user/0" }), { root: "/run/tsrunc", rootMode: 0o700 });
});

t.test("without an XDG_RUNTIME_DIR the host is not asked", async (t) => {
  const { door, requests } = fakeDoor();
  defaultStateRoot(door, {});
  t.same(requests, []);
});

t.test("others keep them in their runtime directory, sticky", async (t) => {
  const user = fakeDoor({ facts: { euid: 1000 } }).door;
  t.same(defaultStateRoot(user, { XDG_RUNTIME_DIR: "/run/user/1000/" }), { root: "/run/user/1000/tsrunc", rootMode: 0o1700 });
  const mapped = fakeDoor({ facts: { inUserNamespace: true } }).door;
  t.same(defaultStateRoot(mapped, { XDG_RUNTIME_DIR: "/x", USER: "ann" }), { root: "/x/tsrunc", rootMode: 0o1700 });
  t.same(defaultStateRoot(mapped, { XDG_RUNTIME_DIR: "/x", USER: "root" }), { root: "/run/tsrunc", rootMode: 0o700 });
});

t.test("a named directory is made absolute; / is refused", async (t) => {
  const { door } = fakeDoor();
  t.equal(namedStateRoot(door, "/a/../b/").root, "/b");
  t.equal(namedStateRoot(door, "states").root, "/work/states");
  for (const path of ["/", "//", "/a/.."])
    t.throws(() => namedStateRoot(door, path), { code: "invalidArgument", message: /use the state directory "\/"/ }, path);
  t.throws(() => namedStateRoot(door, ""), { code: "invalidArgument" });
});
