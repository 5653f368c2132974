import t from "tap";
import { expandSlice, unitPlace } from "./systemd-names.js";

t.test("cgroupsPath is slice, prefix and name", async (t) => {
  t.same(unitPlace("machine-a.slice:libpod:c1", "id", "system.slice"), { slice: "machine-a.slice", unit: "libpod-c1.scope", name: "c1" });
  t.same(unitPlace(":docker:c1", "id", "user.slice"), { slice: "user.slice", unit: "docker-c1.scope", name: "c1" });
  t.same(unitPlace("a.slice::c1", "id", "system.slice"), { slice: "a.slice", unit: "c1.scope", name: "c1" });
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

t.test("names that systemd does not take are refused", async (t) => {
  for (const slice of ["", ".slice", "system", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "../a.slice", "a b.slice"]) {
    t.throws(() => expandSlice(slice), { message: `/linux/cgroupsPath: invalid slice name: ${slice}` }, slice);
  }
  for (const path of ["/a", "a", "a:b", "a.slice:b:", "a.slice:b:c:d"]) {
    const message = `/linux/cgroupsPath: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`;
    t.throws(() => unitPlace(path, "c1", "system.slice"), { message }, path);
  }
  t.throws(() => unitPlace("a.slice:b:c/d", "c1", "system.slice"), { message: /"b-c\/d.scope" is no name of a unit/ });
  t.throws(() => unitPlace("a.slice:b:c.slice", "c1", "system.slice"), { message: /allowed: the name of a scope/ });
  t.throws(() => unitPlace(undefined, "x".repeat(300), "system.slice"), { message: /no name of a unit/ });
});
