/**
 * config-linux.md, IntelRdt. Few machines have resctrl; on others most tests are skipped.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { configRefused, createRefused, set } from "./black-box.js";
import { sentence } from "./sentence.js";
import { parseMountinfo } from "../../test/integration/harness/mountinfo.js";
import type { Json } from "./black-box.js";
import type { Bundle, Context } from "../../test/integration/harness/context.js";

const section = "config-linux.md > IntelRdt";

function mountPoint(): string | undefined {
  return parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).findLast(({ type }) => type === "resctrl")?.target;
}

/** The mount point of resctrl. Skips the test without it. */
function resctrl(c: Context): string {
  return mountPoint() ?? c.skip("the host has no resctrl (Intel RDT)");
}

function bundleWithRdt(c: Context, intelRdt: Json): Bundle {
  return c.bundle({ args: ["sleep", "100"], config: (config) => set(config.linux, "intelRdt", intelRdt) });
}

/** The schemata of the default class: values that this machine accepts. */
function schemata(top: string): { lines: string[]; l3: string; mb: string } {
  const lines = readFileSync(`${top}/schemata`, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim());
  return { lines, l3: lines.find((line) => line.startsWith("L3:")) ?? "", mb: lines.find((line) => line.startsWith("MB:")) ?? "" };
}

function tasks(group: string): string[] {
  return readFileSync(`${group}/tasks`, "utf8").trim().split("\n");
}

async function createWithRdt(c: Context, intelRdt: Json): Promise<string> {
  await c.create(bundleWithRdt(c, intelRdt));
  return String((await c.state()).pid);
}

/** Makes a class before the container exists. Returns its name. */
function makeClass(c: Context, top: string): string {
  const name = `${c.id}-prepared`;
  mkdirSync(`${top}/${name}`);
  c.defer(() => rmdirSync(`${top}/${name}`));
  return name;
}

sentence({ [section]: [2] }, "intelRdt without a mounted resctrl is refused", async (c) => {
  if (mountPoint() !== undefined) c.skip("the host has resctrl");
  await configRefused(c, (config) => set(config.linux, "intelRdt", { closID: "guaranteed" }));
});

sentence({ [section]: [3, 13] }, "without intelRdt, and without a schema, nothing of resctrl changes", async (c) => {
  const top = mountPoint();
  const before = top === undefined ? undefined : readFileSync(`${top}/schemata`, "utf8");
  await c.createAndStart(c.bundle({ args: ["true"] }));
  if (top === undefined) return;
  assert.equal(readFileSync(`${top}/schemata`, "utf8"), before);
  assert.equal(existsSync(`${top}/${c.id}`), false);
});

sentence({ [section]: [5, 6, 7] }, "a memBwSchema without MB: and a schema with a newline are refused", async (c) => {
  for (const intelRdt of [{ memBwSchema: "L3:0=f" }, { memBwSchema: "MB:0=20\nMB:1=20" }, { schemata: ["L3:0=f\nMB:0=20"] }]) {
    await createRefused(c, bundleWithRdt(c, intelRdt));
  }
});

sentence({ [section]: [1, 14, 19] }, "the process is in a class named after the container, which goes with it", async (c) => {
  const top = resctrl(c);
  const pid = await createWithRdt(c, { l3CacheSchema: schemata(top).l3 });
  assert.ok(tasks(`${top}/${c.id}`).includes(pid));
  await c.ok(["delete", "-f", c.id]);
  assert.equal(existsSync(`${top}/${c.id}`), false);
});

sentence({ [section]: [4] }, "the class / is the default one", async (c) => {
  const top = resctrl(c);
  const pid = await createWithRdt(c, { closID: "/" });
  assert.ok(tasks(top).includes(pid));
});

sentence({ [section]: [8, 9, 10, 11, 12, 15, 20] }, "a class that is not there is made with the schemata, and stays", async (c) => {
  const top = resctrl(c);
  const { l3, mb, lines } = schemata(top);
  const name = `${c.id}-class`;
  c.defer(() => rmdirSync(`${top}/${name}`));
  const pid = await createWithRdt(c, { closID: name, ...(l3 && { l3CacheSchema: l3 }), ...(mb && { memBwSchema: mb }), schemata: lines });
  assert.ok(tasks(`${top}/${name}`).includes(pid));
  assert.deepEqual(schemata(`${top}/${name}`).lines, lines);
  await c.ok(["delete", "-f", c.id]);
  assert.ok(existsSync(`${top}/${name}`));
});

sentence({ [section]: [16] }, "a class that is there with other schemata is refused", async (c) => {
  const top = resctrl(c);
  const closID = makeClass(c, top);
  const other = schemata(top).l3.replace(/=[0-9a-f]+/, "=1");
  await createRefused(c, bundleWithRdt(c, { closID, l3CacheSchema: other }));
});

sentence({ [section]: [17, 18] }, "a class without schemata must be there, and is used", async (c) => {
  const top = resctrl(c);
  await createRefused(c, bundleWithRdt(c, { closID: `${c.id}-missing` }));
  const closID = makeClass(c, top);
  const pid = await createWithRdt(c, { closID });
  assert.ok(tasks(`${top}/${closID}`).includes(pid));
});

sentence(
  { [section]: [21, 22, 23, 24] },
  "enableMonitoring makes a monitoring group named after the container, which goes with it",
  async (c) => {
    const top = resctrl(c);
    const pid = await createWithRdt(c, { closID: "/", enableMonitoring: true });
    assert.ok(tasks(`${top}/mon_groups/${c.id}`).includes(pid));
    await c.ok(["delete", "-f", c.id]);
    assert.equal(existsSync(`${top}/mon_groups/${c.id}`), false);
  },
);
