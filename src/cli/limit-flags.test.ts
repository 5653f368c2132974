import t from "tap";
import { commandGrammar } from "./grammars.js";
import { limitFlagName, limitFlagNames, limitsOf } from "./limit-flags.js";

void t.test("flags become resources of a configuration", (t) => {
  const values = {
    memory: "512m",
    "memory-swap": "-1",
    "cpu-quota": "-1",
    "cpu-burst": "0",
    "cpuset-cpus": "0-1",
    "pids-limit": "9223372036854775807",
  };
  t.equal(
    limitsOf(values),
    '{"cpu":{"quota":-1,"burst":0,"cpus":"0-1"},"memory":{"limit":536870912,"swap":-1},"pids":{"limit":9223372036854775807}}',
  );
  t.equal(limitsOf({ memory: "", "cpuset-mems": "", other: "1" }), "{}");
  t.end();
});

void t.test("a value that is no number is refused with the flag's name", (t) => {
  for (const value of ["x", "1.5", "0x10", "1e3", " 1", "--1", "01"])
    t.throws(() => limitsOf({ "pids-limit": value }), {
      message: `update: flag "--pids-limit" is a whole number, not ${JSON.stringify(value)}`,
    });
  t.throws(() => limitsOf({ memory: "-2" }), {
    message: 'update: flag "--memory" is an amount of memory such as 512m, or -1 for no limit, not "-2"',
  });
  t.end();
});

void t.test("fields are named by their flags", (t) => {
  t.equal(limitFlagName("/linux/resources/memory/limit"), "--memory");
  t.equal(limitFlagName("/linux/resources/unified/x"), "/linux/resources/unified/x");
  t.end();
});

void t.test("they are those that the table says --resources excludes", (t) => {
  const resources = commandGrammar("update").flags.find(({ name }) => name === "resources");
  t.same([...(resources?.excludes ?? [])].sort(), limitFlagNames().sort());
  t.end();
});
