/** Wrong calls of `update` for the table of bad-input.cases.ts: its flags, and files of resources. */
import { mkdirSync } from "node:fs";
import { hierarchyOf } from "./harness/cgroups.js";
import type { BadInput } from "./bad-input.cases.js";

/** A call on a running container; `{dir}` in an argument stands for the test's directory. */
function update(name: string, message: string, args: string[], input?: string): BadInput {
  return {
    name: `update: ${name}`,
    message,
    prepare: async (c) => {
      await c.createAndStart(c.bundle());
      mkdirSync(`${c.directory}/folder`);
      const filled = args.map((arg) => arg.replace("{dir}", c.directory));
      return { args: ["update", ...filled, c.id], ...(input !== undefined && { options: { input } }) };
    },
  };
}

/** A flag whose value is none: nothing else is looked at. */
function flag(name: string, value: string, allowed: string): BadInput {
  return update(`--${name} ${value}`, `update: flag "--${name}" is ${allowed}, not ${JSON.stringify(value)}`, [`--${name}`, value]);
}

/** A value out of range. */
function range(name: string, value: string, fault: string): BadInput {
  return update(`--${name} ${value}`, `update "{id}": flags: --${name}: ${fault}`, [`--${name}=${value}`]);
}

/** Resources by standard input. */
function resources(name: string, message: string, text: string): BadInput {
  return update(name, `update "{id}": ${message}`, ["-r", "-"], text);
}

const number = "a whole number";
const amount = "an amount of memory such as 512m, or -1 for no limit";
const onV1 = hierarchyOf("cpu") !== undefined;

export const badUpdates: BadInput[] = [
  flag("memory", "512x", amount),
  flag("memory", "1e3", amount),
  flag("memory", "-5m", amount),
  flag("memory-swap", "0x10", amount),
  flag("memory-reservation", "9223372036854775808", amount),
  flag("kernel-memory", "lots", amount),
  flag("kernel-memory-tcp", "5 mm", amount),
  flag("memory", "8192p", amount),
  flag("memory", " 5m", amount),
  flag("memory-swap", "-2", amount),
  flag("cpu-quota", "5.5", number),
  flag("cpu-quota", "+5", number),
  flag("cpu-share", "99999999999999999999", number),
  flag("cpu-period", "100ms", number),
  flag("cpu-share", "0x200", number),
  flag("pids-limit", "many", number),
  flag("blkio-weight", " 5", number),
  flag("cpu-idle", "true", number),
  range("cpu-period", "5", "found 5, allowed: 1000 to 1000000 (microseconds)"),
  range("cpu-quota", "-2", "found -2, allowed: -1 (no limit), or at least 1000 (microseconds)"),
  range("cpu-burst", "-1", "found -1, allowed: at least 0"),
  range("cpu-idle", "2", "found 2, allowed: 0 or 1"),
  range("cpu-share", "-1", "found -1, allowed: at least 0"),
  range("cpu-rt-runtime", "-2", "found -2, allowed: -1 (no limit) to 9223372036854775807"),
  range("blkio-weight", "5", "found 5, allowed: 10 to 1000"),
  range("pids-limit", "-2", "found -2, allowed: -1 (no limit) to 9223372036854775807"),
  range("cpu-period", "1000001", "found 1000001, allowed: 1000 to 1000000 (microseconds)"),
  range("pids-limit", "9223372036854775808", "found 9223372036854775808, allowed: -1 (no limit) to 9223372036854775807"),
  range("cpuset-cpus", "4294967296", 'found "4294967296", allowed: numbers and ranges, such as "0-3,7"'),
  range("cpuset-cpus", "zero", 'found "zero", allowed: numbers and ranges, such as "0-3,7"'),
  range("cpuset-mems", "1-0", 'found "1-0", allowed: numbers and ranges, such as "0-3,7"'),
  update(
    "swap below memory",
    'update "{id}": flags: --memory-swap: found 33554432, allowed: at least --memory, 67108864: it counts memory and swap',
    ["--memory", "64m", "--memory-swap", "32m"],
  ),
  update(
    "two faults",
    'update "{id}": flags: 2 faults:\n  --cpu-period: found 5, allowed: 1000 to 1000000 (microseconds)\n  --cpu-idle: found 7, allowed: 0 or 1',
    ["--cpu-period", "5", "--cpu-idle", "7"],
  ),
  update("a limit beside a file", 'update: flags "--resources" and "--memory" exclude each other', ["-r", "-", "--memory", "64m"], "{}"),
  update("an unknown flag", 'update: unknown flag "--memroy", did you mean "--memory"?', ["--memroy", "64m"]),
  update("two containers", 'update: unexpected argument "{id}"', ["other"]),
  update("a file that is missing", 'update "{id}": read "{dir}/none.json": ENOENT (no such file or directory)', ["-r", "{dir}/none.json"]),
  update("a file without a name", 'update "{id}": read "": ENOENT (no such file or directory)', ["-r", ""]),
  update("a device for a file", 'update "{id}": read "/dev/zero": not a regular file', ["-r", "/dev/zero"]),
  update("a directory for a file", 'update "{id}": read "{dir}/folder": EISDIR (is a directory)', ["-r", "{dir}/folder"]),
  resources("half a document", 'parse "stdin": line 1, column 11: expected a value, found the end of the file', '{"memory":'),
  resources("nothing at all", 'parse "stdin": line 1, column 1: expected a JSON object, found the end of the file', ""),
  resources("a document that ends and goes on", 'parse "stdin": line 1, column 3: expected the end of the file, found ","', '{},"x":{}'),
  resources("no object", "stdin: the whole document: found 5, allowed: an object", "5"),
  resources("a limit that is a text", 'stdin: /memory/limit: found "64m", allowed: an integer', '{"memory":{"limit":"64m"}}'),
  resources(
    "a device rule with unknown access",
    'stdin: /devices/0/access: found "rwx", allowed: letters of rwm, each at most once',
    '{"devices":[{"allow":true,"access":"rwx"}]}',
  ),
  resources(
    "a cgroup file with a path",
    'stdin: /unified/..~1memory.max: found "../memory.max", allowed: the name of a file in the cgroup, such as "memory.high"',
    '{"unified":{"../memory.max":"5"}}',
  ),
  resources(
    "a cgroup file that moves processes",
    'stdin: /unified/cgroup.procs: found "cgroup.procs", allowed: a file that limits: this one moves, stops or ends processes',
    '{"pids":{"limit":7},"unified":{"cgroup.procs":"1"}}',
  ),
  resources(
    "a throttle of a disk that is not there",
    onV1
      ? 'write "blkio.throttle.read_bps_device" = "77:9 5" (/blockIO/throttleReadBpsDevice/0): ENODEV (no such device)'
      : 'write "io.max" = "77:9 rbps=5" (/blockIO/throttleReadBpsDevice/0): ENODEV (no such device)',
    '{"pids":{"limit":7},"blockIO":{"throttleReadBpsDevice":[{"major":77,"minor":9,"rate":5}]}}',
  ),
  update(
    "a CPU that the host does not have",
    'update "{id}": write "cpuset.cpus" = "4000" (--cpuset-cpus): ERANGE (numerical result out of range)',
    ["--pids-limit", "7", "--cpu-share", "300", "--cpuset-cpus", "4000"],
  ),
  resources(
    "the same by a file",
    'write "cpuset.cpus" = "4000" (/cpu/cpus): ERANGE (numerical result out of range)',
    '{"pids":{"limit":7},"cpu":{"cpus":"4000"}}',
  ),
  onV1
    ? update("shares below what the kernel takes", 'update "{id}": --cpu-share: the minimum allowed cpu-shares is 2', ["--cpu-share", "1"])
    : update("real-time limits on v2", 'update "{id}": --cpu-rt-period: cgroup v2 has no real-time limits', ["--cpu-rt-period", "1000"]),
];
