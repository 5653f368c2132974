/** The integration test that shows a command (`kill`) or a flag (`kill --all`, `--root`), for docs/cli.md: `file > title`. */
export const tests: Readonly<Record<string, string>> = {
  "--root": "cli > the last --root counts",
  "--log": "cli > --log writes the error to the file and to stderr",
  "--log-format": "cli > --log-format json writes one object a line with level, msg and time",
  "--rootless": "cli > --rootless takes true, false and auto",
  "--debug": "cli > --debug writes debug lines to the log and changes nothing else",
  "--systemd-cgroup": "systemd > cgroupsPath names slice, prefix and unit; delete stops the unit",
  "--version": "cli > --version and -v print name, version, commit and spec",

  completion: "completion > bash completes commands, flags, values, containers and files",

  create: "lifecycle > create leaves a container whose program waits for start",
  "create --bundle": "lifecycle > a relative bundle and a relative rootfs are resolved",
  "create --console-socket": "terminal > --console-socket receives the terminal of a created container",
  "create --pidfd-socket": "terminal > --pidfd-socket receives a pidfd of the container's init",
  "create --pid-file": "handover > the pid-file holds the pid and replaces an older one at once",
  "create --no-pivot": "mounts > --no-pivot works and leaves nothing of the host visible",
  "create --no-new-keyring": "process > the container has a session keyring of its own unless --no-new-keyring is given",
  "create --preserve-fds": "handover > descriptors reach a program that create made and start started",

  delete: "lifecycle > delete works when the bundle is gone",
  "delete --force": "lifecycle > delete -f ends all processes of a container without a pid namespace",

  features: "cli > features fits the specification's schema",
  help: "cli > --help and -h of the program and of each command print usage and end with 0",

  kill: "lifecycle > kill of a created container works",
  "kill --all": "lifecycle > kill --all reaches every process of the container",

  list: "cli > list prints a table with the columns that callers know",
  "list --format": "cli > list -f json prints an array of states",
  "list --quiet": "cli > list -q prints ids only",

  run: "hooks > run carries out all six hooks",
  "run --bundle": "lifecycle > the bundle is the current directory where none is named",
  "run --console-socket": "terminal > --console-socket works with run --detach",
  "run --pidfd-socket": "terminal > --pidfd-socket receives a pidfd of the container's init",
  "run --pid-file": "handover > run writes the pid-file while the program runs",
  "run --no-pivot": "mounts > --no-pivot works and leaves nothing of the host visible",
  "run --no-new-keyring": "process > the container has a session keyring of its own unless --no-new-keyring is given",
  "run --preserve-fds": "handover > --preserve-fds passes that many descriptors and no more",
  "run --detach": "lifecycle > run --detach returns while the program runs",
  "run --keep": "lifecycle > run --keep keeps the stopped container",

  spec: "cli > spec writes a config.json that runs once it has a root file system",
  "spec --bundle": "cli > spec -b writes into the named bundle and never over a config.json",
  "spec --rootless": "cli > spec --rootless maps the caller and leaves out what a plain user may not",

  start: "lifecycle > create leaves a container whose program waits for start",
  state: "lifecycle > state prints the fields of the specification, indented by two spaces",
};
