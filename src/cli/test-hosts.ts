/** Determines on which hosts an integration test runs, for docs/cli.md, from the lists that the test runs use. */

/** Contents of these lists. */
export interface TestLists {
  /** scripts/guest.d/tests: what runs in the virtual machine. */
  guest: string;
  /** test/integration/expected/tsrunc-node.txt: what must fail in Node.js. */
  failsOnNode: string;
}

export type TestHost = "static" | "Node";

export interface TestHosts {
  hosts: TestHost[];
  /** The test needs the virtual machine: systemd as PID 1, CRIU, AppArmor or SELinux. */
  needsGuest: boolean;
}

/** The boot of the virtual machine that a test needs. Other tests run on the build machine, on both hosts. */
function bootFor(file: string, title: string): "apparmor" | "selinux" | undefined {
  if (file === "security-modules") return title.includes("SELinux") ? "selinux" : "apparmor";
  return /^checkpoint|systemd/.test(file) ? "apparmor" : undefined;
}

/** @param test `file > title` */
export function hostsOf(test: string, { guest, failsOnNode }: TestLists): TestHosts {
  const [file = "", title = ""] = test.split(" > ");
  const boot = bootFor(file, title);
  if (boot !== undefined) {
    const runtimes = selecting(guest, boot, file, title);
    const runsOn = (name: string): boolean => runtimes.some((runtime) => runtime === name || runtime === "any");
    const hosts: TestHost[] = [...(runsOn("tsrunc") ? (["static"] as const) : []), ...(runsOn("tsrunc-node") ? (["Node"] as const) : [])];
    return { hosts, needsGuest: true };
  }
  const failing = failsOnNode.split("\n").some((line) => line.replace(/^\?/, "").split(" # ", 1)[0]?.trim() === test);
  return { hosts: failing ? ["static"] : ["static", "Node"], needsGuest: false };
}

/** The RUNTIMES of the lines `FILE[:PART OF THE TITLE] | RUNTIMES | why` of a boot that select a test. */
function selecting(list: string, boot: string, file: string, title: string): string[] {
  let section = "";
  return list.split("\n").flatMap((line) => {
    if (line.startsWith("[")) section = line;
    const [selection = "", runtimes] = line.split(/ *\| */);
    if (runtimes === undefined || line.startsWith("#") || section !== `[${boot} integration]`) return [];
    const [selectedFile = "", ...part] = selection.split(":");
    return selectedFile === file && title.includes(part.join(":")) ? [runtimes] : [];
  });
}
