import t from "tap";
import { ancestorsBelow, cleanAbsolute, joinBelow, lastComponent, parentOf, resolveFrom } from "./paths.js";

t.test("cleanAbsolute takes dots, double and trailing slashes out and stops at the root", async (t) => {
  for (const [path, clean] of [
    ["", "/"],
    ["/", "/"],
    ["a//b/", "/a/b"],
    ["/a/./b/../c", "/a/c"],
    ["../../a", "/a"],
  ])
    t.equal(cleanAbsolute(path as string), clean);
});

t.test("joinBelow never leaves its base", async (t) => {
  t.equal(joinBelow("/base", "a"), "/base/a");
  t.equal(joinBelow("/base", "/a"), "/base/a");
  t.equal(joinBelow("/base", "../../a"), "/base/a");
  t.equal(joinBelow("/base/", ""), "/base");
  t.equal(joinBelow("/", "a"), "/a");
});

t.test("resolveFrom keeps absolute paths", async (t) => {
  t.equal(resolveFrom("/bundle", "rootfs"), "/bundle/rootfs");
  t.equal(resolveFrom("/bundle", "../rootfs"), "/rootfs");
  t.equal(resolveFrom("/bundle", "/rootfs/"), "/rootfs");
});

t.test("parentOf and lastComponent split at the last slash", async (t) => {
  t.equal(parentOf("/a/b"), "/a");
  t.equal(parentOf("/a"), "/");
  t.equal(lastComponent("/a/b"), "b");
});

t.test("ancestorsBelow lists what is between, the deepest first", async (t) => {
  t.same(ancestorsBelow("/cg", "/cg/a/b/c"), ["/cg/a/b", "/cg/a"]);
  t.same(ancestorsBelow("/cg", "/cg/a"), []);
});
