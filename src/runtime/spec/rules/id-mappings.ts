/** Rules for `linux.uidMappings` and `linux.gidMappings` (config-linux.md, "User namespace mappings"; user_namespaces(7)). */

import { Description, type Report } from "../fault.js";
import type { IDMapping } from "../generated/spec-types.js";
import { noId } from "../numbers.js";
import { each, isNew, type Rules } from "../rule.js";

/** UID_GID_MAP_MAX_EXTENTS of the kernel (Linux 4.15). */
const mostLines = 340;

const lists = ["uidMappings", "gidMappings"] as const;
/** The two sides of a mapping. */
const sides = ["containerID", "hostID"] as const;

export const idMappingRules: Rules = {
  "mappings-namespace": ({ spec, namespaces }, report) => {
    if (namespaces.has("user")) return;
    each(lists, (list) => {
      const mappings = spec.linux?.[list];
      if (mappings && mappings.length > 0) report(`/linux/${list}`, mappings, 'nothing, or an entry of type "user" in /linux/namespaces');
    });
  },

  // In a namespace without mappings every id is the overflow id, and the container could not own anything.
  "mappings-given": ({ spec, namespaces }, report) => {
    if (!isNew(namespaces.get("user"))) return;
    each(lists, (list) => {
      const mappings = spec.linux?.[list];
      if (!mappings || mappings.length === 0)
        report(`/linux/${list}`, mappings, "at least one mapping: /linux/namespaces has a new user namespace");
    });
  },

  "mapping-lines": ({ spec }, report) => {
    each(lists, (list) => {
      reportMappings(spec.linux?.[list] ?? [], `/linux/${list}`, report);
    });
  },

  // The runtime sets the container up as its root: mounts and devices belong to id 0.
  "mapping-root": ({ spec, namespaces }, report) => {
    if (!isNew(namespaces.get("user"))) return;
    each(lists, (list) => {
      const mappings = spec.linux?.[list] ?? [];
      if (mappings.length > 0 && !isMapped(0, mappings))
        report(`/linux/${list}`, new Description("no mapping of container id 0"), "mappings with container id 0");
    });
  },

  // setresuid(2) and setgroups(2) refuse an id that has no mapping.
  "user-mapped": ({ spec: { linux, process }, namespaces }, report) => {
    if (!namespaces.has("user") || process?.user === undefined) return;
    const { user } = process;
    const inspect = (id: number | undefined, list: (typeof lists)[number], pointer: string): void => {
      const mappings = linux?.[list] ?? [];
      if (id !== undefined && mappings.length > 0 && !isMapped(id, mappings)) report(pointer, id, `an id that /linux/${list} maps`);
    };
    each(lists, (list) => {
      const name = list === "uidMappings" ? "uid" : "gid";
      inspect(user[name], list, `/process/user/${name}`);
    });
    each(user.additionalGids, (group, i) => inspect(group, "gidMappings", `/process/user/additionalGids/${i}`));
  },

  // An unprivileged process that maps its own id alone must give up setgroups(2) first (CVE-2014-8989).
  "rootless-groups": ({ spec: { linux, process }, rootless, namespaces }, report) => {
    const groups = process?.user?.additionalGids ?? [];
    if (!rootless || groups.length === 0 || !isNew(namespaces.get("user"))) return;
    const mapped = (linux?.gidMappings ?? []).reduce((sum, { size }) => sum + size, 0);
    if (mapped === 1) report("/process/user/additionalGids", groups, "nothing: not running as root, and one group id mapped");
  },
};

/** Reports ids and sizes that the kernel refuses in a map. */
export function reportMappings(mappings: readonly IDMapping[], pointer: string, report: Report): void {
  if (mappings.length > mostLines) report(pointer, new Description(`${mappings.length} mappings`), `at most ${mostLines}`);
  else reportLines(mappings, pointer, report);
}

function reportLines(mappings: readonly IDMapping[], pointer: string, report: Report): void {
  each(mappings, (mapping, i) => {
    const { size } = mapping;
    if (size === 0) return report(`${pointer}/${i}/size`, size, "at least 1");
    each(sides, (side) => {
      const start = mapping[side];
      if (start + size > noId) report(`${pointer}/${i}/size`, size, `at most ${noId - start}: ids end at ${noId - 1}`);
    });
  });
  for (const side of sides) reportOverlaps(mappings, side, pointer, report);
}

/** The kernel refuses a map whose ranges share an id on either side. */
function reportOverlaps(mappings: readonly IDMapping[], side: (typeof sides)[number], pointer: string, report: Report): void {
  const ranges: { start: number; end: number; index: number }[] = [];
  each(mappings, (mapping, index) => {
    ranges.push({ start: mapping[side], end: mapping[side] + mapping.size, index });
  });
  ranges.sort((a, b) => a.start - b.start);
  let last = ranges[0];
  for (const range of ranges.slice(1)) {
    if (last !== undefined && range.start < last.end) {
      const [earlier, later] = [Math.min(last.index, range.index), Math.max(last.index, range.index)];
      report(`${pointer}/${later}/${side}`, mappings[later]?.[side], `ids that ${pointer}/${earlier} does not map`);
    }
    if (last === undefined || range.end > last.end) last = range;
  }
}

function isMapped(id: number, mappings: readonly IDMapping[]): boolean {
  return mappings.some(({ containerID, size }) => id >= containerID && id - containerID < size);
}
