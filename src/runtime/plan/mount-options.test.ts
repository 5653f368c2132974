import t from "tap";
import { knownMountOptions } from "../spec/mount-option-names.js";
import { isReadonly, parseMountOptions } from "./mount-options.js";

t.test("attributes are set and cleared by their pairs, the last one wins", async (t) => {
  t.same(parseMountOptions(["ro", "nosuid", "dev", "rw"]).attributes, { set: ["nosuid"], clear: ["nodev", "ro"] });
  t.same(parseMountOptions(["rw", "ro"]).attributes, { set: ["ro"], clear: [] });
});

t.test("atime modes exclude each other", async (t) => {
  t.same(parseMountOptions(["relatime", "noatime"]).attributes, { set: ["noatime"], clear: [] });
  t.same(parseMountOptions(["noatime", "atime"]).attributes, { set: [], clear: ["noatime"] });
  t.same(parseMountOptions(["nodiratime", "strictatime"]).attributes, { set: ["nodiratime", "strictatime"], clear: [] });
});

t.test("options with r act on the whole tree, but for those that only begin with it", async (t) => {
  const options = parseMountOptions(["rro", "rnosuid", "rsuid", "ro", "relatime", "rrelatime", "rw"]);
  t.same(options.recursive, { set: ["ro", "relatime"], clear: ["nosuid"] });
  t.same(options.attributes, { set: ["relatime"], clear: ["ro"] });
});

t.test("bind, remount and propagation are told apart from data", async (t) => {
  const options = parseMountOptions(["rbind", "bind", "remount", "rslave", "shared", "size=64k", "sync", "defaults", "silent", "loud", ""]);
  t.match(options, { bind: "recursive", remount: true });
  t.same(options.propagation, ["rslave", "shared"]);
  t.same(options.data, ["size=64k", "sync"]);
});

t.test("owners and copies are told apart from data", async (t) => {
  t.match(parseMountOptions(["bind", "idmap"]), { mapOwners: "one", copyUp: false, data: [] });
  t.match(parseMountOptions(["ridmap", "idmap", "tmpcopyup"]), { mapOwners: "recursive", copyUp: true, data: [] });
  const option = "ridmap=uids=0-1-1;gids=0-1-1";
  t.match(parseMountOptions([option]), { mapOwners: "recursive", ownerMappings: option, data: [] });
});

t.test("options about symbolic links are not data", async (t) => {
  t.match(parseMountOptions(["bind"]), { sourceLink: "follow", inPlace: false });
  t.match(parseMountOptions(["bind", "src-nofollow", "dest-nofollow"]), { sourceLink: "bind", inPlace: true, data: [] });
  t.match(parseMountOptions(["bind", "copy-symlink"]), { sourceLink: "copy", inPlace: false, data: [] });
});

t.test("isReadonly asks for the final word", async (t) => {
  t.ok(isReadonly(parseMountOptions(["rw", "ro"])));
  t.notOk(isReadonly(parseMountOptions(["ro", "rw"])));
  t.notOk(isReadonly(parseMountOptions(["rro"])));
});

t.test("every option that the checks know has an effect, or is data that fsconfig takes by its name", async (t) => {
  const flagsOfFsconfig = ["async", "sync", "dirsync", "mand", "nomand", "lazytime", "nolazytime"];
  for (const name of knownMountOptions()) {
    const { data } = parseMountOptions([name]);
    t.same(data, flagsOfFsconfig.includes(name) ? [name] : [], name);
  }
});
