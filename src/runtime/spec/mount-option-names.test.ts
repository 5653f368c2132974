import t from "tap";
import { knownMountOptions } from "./mount-option-names.js";

// The table "Linux mount options" of config.md (runtime-spec 1.3.0).
const specified = `async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec
  noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount
  rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
  rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap`;

t.test("every option of the specification is known", async (t) => {
  const missing = specified.split(/\s+/).filter((name) => !knownMountOptions().has(name));
  t.strictSame(missing, []);
});

t.test("rnodev, which its table forgets, is known; data of a filesystem is not", async (t) => {
  t.ok(knownMountOptions().has("rnodev"));
  for (const name of ["", "mode=755", "size=1", "RO", "ro rw"]) t.notOk(knownMountOptions().has(name), name);
});
