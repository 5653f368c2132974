import t from "tap";
import type { Mount } from "../spec/generated/spec-types.js";
import { FACTS } from "../testing/fake-door.js";
import { planMounts } from "./mounts.js";

const context = {
  facts: FACTS,
  placements: [],
  ownCgroupNamespace: false,
  joinsCgroupNamespace: false,
  inUserNamespace: false,
  bundle: "/bundle",
  ownerMap: undefined,
  mappings: {},
};
const planOf = (...mounts: Mount[]) => planMounts({ ociVersion: "1.0.0", mounts }, context);

t.test("planMounts keeps config.json order and names each entry", async (t) => {
  const { operations } = planOf({ destination: "/b", type: "proc" }, { destination: "/a", type: "sysfs" });
  t.match(operations, [
    { destination: "/b", pointer: "/mounts/0" },
    { destination: "/a", pointer: "/mounts/1" },
  ]);
});

t.test("a bind's relative source is seen from the bundle, its target is what the source is", async (t) => {
  const { operations } = planOf({ destination: "/d", source: "data/x", options: ["rbind", "ro"] });
  t.match(operations, [
    { source: { kind: "bind", source: "/bundle/data/x", recursive: true }, target: "likeSource", attributes: { set: ["ro"] } },
  ]);
});

t.test("options about symbolic links and owners of a bind are in its operation", async (t) => {
  const line = [{ containerId: 0, hostId: 1000, size: 1 }];
  const options = ["bind", "src-nofollow", "dest-nofollow", "idmap=uids=0-1000-1;gids=0-1000-1"];
  t.match(planOf({ destination: "/d", source: "/s", options }).operations, [
    {
      source: { kind: "mappedBind", link: "bind", owners: { uidMappings: line, gidMappings: line }, mapRecursive: false },
      inPlace: true,
    },
  ]);
  t.match(planOf({ destination: "/d", source: "/s", options: ["bind", "copy-symlink"] }).operations, [
    { source: { kind: "bind", link: "copy" }, target: "likeSource" },
  ]);
});

t.test("a bind that names a flag, and a remount, lose all others", async (t) => {
  const attributesOf = (...options: string[]) => {
    const [operation] = planOf({ destination: "/d", source: "/s", options }).operations;
    return operation?.op === "mount" ? operation.attributes : undefined;
  };
  t.same(attributesOf("bind", "ro"), { set: ["ro"], reset: true });
  t.same(attributesOf("bind", "rw"), { set: [], clear: ["ro"], reset: true });
  t.same(attributesOf("bind", "sync"), { set: [], reset: true });
  t.same(attributesOf("remount", "bind"), { set: [], reset: true });
  t.equal(attributesOf("rbind", "rprivate", "rro", "defaults"), undefined);
});

t.test("a file system gets its data; its source is its type where none is given", async (t) => {
  const { operations } = planOf({ destination: "mnt", type: "tmpfs", options: ["size=1m", "noexec"] });
  t.match(operations, [
    {
      destination: "/mnt",
      source: { kind: "fileSystem", fsType: "tmpfs", source: "tmpfs", data: ["size=1m"] },
      attributes: { set: ["noexec"] },
    },
  ]);
});

t.test("a read-only tmpfs and /dev become read-only after everything in them is made", async (t) => {
  const { operations, late } = planOf(
    { destination: "/dev", type: "devtmpfs", options: ["ro", "nosuid"] },
    { destination: "/t", type: "tmpfs", options: ["ro"] },
    { destination: "/sys", type: "sysfs", options: ["ro"] },
  );
  t.match(operations, [{ attributes: { set: ["nosuid"] } }, { attributes: { set: [] } }, { attributes: { set: ["ro"] } }]);
  t.same(
    operations.map((operation) => (operation.op === "mount" ? (operation.attributes?.set.length ?? 0) : -1)),
    [1, 0, 1],
  );
  t.match(late, [
    { destination: "/dev", source: { kind: "remount", bind: true }, attributes: { set: ["ro"] }, pointer: "/mounts/0" },
    { destination: "/t", source: { kind: "remount", bind: true } },
  ]);
});

const line = (containerID: number, hostID: number) => ({ containerID, hostID, size: 10 });
const owners = {
  uidMappings: [{ containerId: 0, hostId: 1, size: 10 }],
  gidMappings: [{ containerId: 0, hostId: 2, size: 10 }],
};

t.test("a bind's own mappings come before the container's, and need no option", async (t) => {
  const mount = { destination: "/d", source: "/s", uidMappings: [line(0, 1)], gidMappings: [line(0, 2)] };
  for (const ownerMap of [undefined, { uidMappings: [], gidMappings: [] }]) {
    const { operations } = planMounts({ ociVersion: "1.0.0", mounts: [{ ...mount, options: ["bind"] }] }, { ...context, ownerMap });
    t.match(operations, [
      { source: { kind: "mappedBind", source: "/s", recursive: false, owners, mapRecursive: false }, target: "likeSource" },
    ]);
  }
});

t.test("idmap alone takes the ids of the container's user namespace", async (t) => {
  const mounts: Mount[] = [
    { destination: "/a", source: "/s", options: ["rbind", "ridmap", "idmap", "ro"] },
    { destination: "/b", source: "/s", options: ["rbind", "idmap"] },
    { destination: "/c", source: "/s", options: ["rbind"] },
  ];
  t.match(planMounts({ ociVersion: "1.0.0", mounts }, { ...context, ownerMap: owners }).operations, [
    { source: { kind: "mappedBind", recursive: true, owners, mapRecursive: true }, attributes: { set: ["ro"] } },
    { source: { kind: "mappedBind", owners, mapRecursive: false } },
    { source: { kind: "bind" } },
  ]);
  t.throws(() => planOf(...mounts), { message: 'mount at "/a": no mapping of owners given' });
});

t.test("tmpcopyup copies before the tmpfs becomes read-only", async (t) => {
  const { operations, late } = planOf({ destination: "/t", type: "tmpfs", options: ["tmpcopyup", "ro", "size=1m"] });
  t.match(operations, [{ source: { kind: "copyUp", source: "tmpfs", data: ["size=1m"] }, attributes: { set: [] } }]);
  t.match(late, [{ destination: "/t", attributes: { set: ["ro"] } }]);
});

t.test("a string of several options is as many options", async (t) => {
  t.match(planOf({ destination: "/t", type: "tmpfs", options: ["size=1m,mode=755", "noexec"] }).operations, [
    { source: { data: ["size=1m", "mode=755"] }, attributes: { set: ["noexec"] } },
  ]);
});

t.test("remount changes what is there", async (t) => {
  t.match(planOf({ destination: "/a", options: ["remount", "bind", "ro"] }).operations, [
    { source: { kind: "remount", bind: true, data: [] } },
  ]);
  t.match(planOf({ destination: "/a", options: ["remount", "size=2m"] }).operations, [
    { source: { kind: "remount", bind: false, data: ["size=2m"] } },
  ]);
});

t.test("a mount of nothing is refused", async (t) => {
  t.throws(() => planOf({ destination: "/a", options: ["bind"] }), { message: 'mount at "/a": no source given' });
  t.throws(() => planOf({ destination: "/a", type: "none" }), { message: 'mount at "/a": no type given' });
});
