import t from "tap";
import { parseIdMapOption } from "./idmap-option.js";

const mappings = [
  { containerID: 0, hostID: 100_000, size: 1000 },
  { containerID: 1000, hostID: 500_000, size: 1000 },
];
const container = { uidMappings: mappings, gidMappings: [mappings[0]!] };

t.test("ranges are the ids on the file system, those of the host, and how many", async (t) => {
  t.same(parseIdMapOption("idmap=uids=0-1-10#10-11-10;gids=0-100-10"), {
    uidMappings: [
      { containerID: 0, hostID: 1, size: 10 },
      { containerID: 10, hostID: 11, size: 10 },
    ],
    gidMappings: [{ containerID: 0, hostID: 100, size: 10 }],
  });
});

t.test("with @ the second id is one of the container", async (t) => {
  t.same(parseIdMapOption("ridmap=gids=@0-5-1;uids=@0-1003-10#7-8-1;", container), {
    uidMappings: [
      { containerID: 0, hostID: 500_003, size: 10 },
      { containerID: 7, hostID: 8, size: 1 },
    ],
    gidMappings: [{ containerID: 0, hostID: 100_005, size: 1 }],
  });
  // crun(1): "it is the caller's responsibility to split a mapping if it overlaps multiple ranges".
  t.equal(parseIdMapOption("idmap=uids=@0-999-2;gids=@0-0-1", container), 'after "@" ids that one line of /linux/uidMappings maps');
  t.equal(parseIdMapOption("idmap=uids=@0-0-1;gids=@0-1000-1", container), 'after "@" ids that one line of /linux/gidMappings maps');
});

t.test("both kinds of ids are needed, and nothing else is taken", async (t) => {
  for (const value of ["", ";", "uids=0-0-1", "gids=0-0-1;"]) t.match(parseIdMapOption(`idmap=${value}`), /^both "uids" and "gids"/);
  const values = ["uids", "uids=", "uids=1-2", "uids=1-2-3-4", "uids=1-2-3#", "uids=-1-2-3", "uids=1,2,3", "uids=@@1-2-3", "uids= 1-2-3"];
  for (const value of [...values, "ids=1-2-3", "uids=1-2-3;uids=1-2-3", "uids=1-2-3=4"])
    t.match(parseIdMapOption(`idmap=${value};gids=0-0-1`), /^"idmap=uids=/, value);
});
