import t from "tap";
import { check } from "../spec/check.js";
import { configuration } from "../spec/fixtures/configurations.js";
import { unitRules } from "./systemd.js";
import { annotationProperties } from "./systemd-annotations.js";

t.test("annotations are properties; seconds become microseconds", async (t) => {
  const annotations = {
    other: "x",
    "org.systemd.property.CollectMode": "'inactive-or-failed'",
    "org.systemd.property.TimeoutStopSec": "uint64 5",
    "org.systemd.property.RuntimeMaxSec": "1.5",
  };
  const found = annotationProperties(annotations).map(({ name, signature, value }) => [name, signature, value]);
  t.same(found, [
    ["CollectMode", "s", "inactive-or-failed"],
    ["TimeoutStopUSec", "t", "5000000"],
    ["RuntimeMaxUSec", "t", "1500000"],
  ]);
});

t.test("annotations that are no properties are faults, told with those of cgroupsPath", async (t) => {
  const spec = configuration(({ linux }) => (linux.cgroupsPath = "a:b"));
  const faults = (annotations: Record<string, string>): string[] =>
    check({ ...spec, annotations }, unitRules, { rootless: false }).map(({ pointer, found, allowed }) => `${pointer} ${found} ${allowed}`);
  const path = '/linux/cgroupsPath "a:b" slice:prefix:name with --systemd-cgroup';
  const noProperty = "nothing: after org.systemd.property. comes the name of a scope's property, but PIDs and Slice";
  const cases: [name: string, text: string, allowed: string][] = [
    ["A", "true", noProperty],
    ["PIDs", "[uint32 1]", noProperty],
    ["Slice", "'a.slice'", noProperty],
    ["Nice", "what", "a value in GVariant text such as 'text', true or uint64 5"],
    ["TimeoutStopSec", "-1", "a number of seconds that is not negative"],
  ];
  for (const [name, text, allowed] of cases) {
    const key = `org.systemd.property.${name}`;
    t.same(faults({ [key]: text }), [path, `/annotations/${key} "${text}" ${allowed}`]);
  }
  t.same(faults({ "org.systemd.property.Nice": "5" }), [path]);
});
