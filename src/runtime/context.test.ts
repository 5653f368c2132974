import t from "tap";
import { defaultStateRoot, namedStateRoot } from "./context.js";
import { fakeHost } from "./testing/fake-host.js";

t.test("root keeps states in /run/tsrunc, whatever the environment says", async (t) => {
  const { host } = fakeHost();
  t.same(defaultStateRoot(host, {}), { root: "/run/tsrunc", rootMode: 0o700 });
  t.same(defaultStateRoot(host, { XDG_RUNTIME_DIR: "/run/user/0" }), { root: "/run/tsrunc", rootMode: 0o700 });
});

t.test("without an XDG_RUNTIME_DIR the host is not asked", async (t) => {
  const { host, requests } = fakeHost();
  defaultStateRoot(host, {});
  t.same(requests, []);
});

t.test("others keep them in their runtime directory, sticky", async (t) => {
  const user = fakeHost({ facts: { euid: 1000 } }).host;
  t.same(defaultStateRoot(user, { XDG_RUNTIME_DIR: "/run/user/1000/" }), { root: "/run/user/1000/tsrunc", rootMode: 0o1700 });
  const mapped = fakeHost({ facts: { inUserNamespace: true } }).host;
  t.same(defaultStateRoot(mapped, { XDG_RUNTIME_DIR: "/x", USER: "ann" }), { root: "/x/tsrunc", rootMode: 0o1700 });
  t.same(defaultStateRoot(mapped, { XDG_RUNTIME_DIR: "/x", USER: "root" }), { root: "/run/tsrunc", rootMode: 0o700 });
});

t.test("a named directory is made absolute; / is refused", async (t) => {
  const { host } = fakeHost();
  t.equal(namedStateRoot(host, "/a/../b/").root, "/b");
  t.equal(namedStateRoot(host, "states").root, "/work/states");
  for (const path of ["/", "//", "/a/.."])
    t.throws(() => namedStateRoot(host, path), { code: "invalidArgument", message: /use the state directory "\/"/ }, path);
  t.throws(() => namedStateRoot(host, ""), { code: "invalidArgument" });
});
