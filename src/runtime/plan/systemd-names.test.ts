import t from "tap";
import { allowedInstead, expandSlice, unitPlace } from "./systemd-names.js";

t.test("cgroupsPath is slice, prefix and name", async (t) => {
  t.same(unitPlace("machine-a.slice:libpod:c1", "id", "system.slice"), { slice: "machine-a.slice", unit: "libpod-c1.scope", name: "c1" });
  t.same(unitPlace(":docker:c1", "id", "user.slice"), { slice: "user.slice", unit: "docker-c1.scope", name: "c1" });
  t.same(unitPlace("a.slice::c1", "id", "system.slice"), { slice: "a.slice", unit: "-c1.scope", name: "c1" });
});

t.test("without cgroupsPath the unit is named after the container, in a way that systemd takes", async (t) => {
  t.same(unitPlace(undefined, "c1", "system.slice"), { slice: "system.slice", unit: "tsrunc-c1.scope", name: "c1" });
  t.same(unitPlace("", "a+b", "system.slice"), { slice: "system.slice", unit: "tsrunc-a\\x2bb.scope", name: "a+b" });
});

t.test("a slice is a path", async (t) => {
  t.equal(expandSlice("system.slice"), "/system.slice");
  t.equal(expandSlice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  t.equal(expandSlice("-.slice"), "/");
});

t.test("names that systemd does not take are told, with what it takes", async (t) => {
  for (const slice of [".slice", "system", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "../a.slice", "a b.slice"]) {
    t.equal(allowedInstead(`${slice}:x:c`), `a slice such as "machine-pods.slice" in place of "${slice}"`);
  }
  for (const path of ["/a", "a", "a:b", "a.slice:b:", "a.slice:b:c:d"])
    t.equal(allowedInstead(path), "slice:prefix:name with --systemd-cgroup", path);
  t.match(allowedInstead("a.slice:b:c/d"), /^the name of a unit in place of "b-c\/d.scope": up to 255 letters/);
  t.match(allowedInstead(`a.slice:b:${"c".repeat(250)}`), /^the name of a unit in place of "b-c/);
  t.equal(allowedInstead("a.slice:b:c.slice"), 'the name of a scope in place of "c.slice"');
  for (const path of ["a.slice:b:c", ":b:c", "-.slice::c", "a-b.slice:x@y:c.d"]) t.equal(allowedInstead(path), undefined, path);
});

t.test("an id may be too long for a unit", async (t) => {
  t.throws(() => unitPlace(undefined, "x".repeat(300), "system.slice"), { message: /^name the unit "tsrunc-x+.scope": 255 characters/ });
});
