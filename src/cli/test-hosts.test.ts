import t from "tap";
import { hostsOf } from "./test-hosts.js";

const lists = {
  guest: `# checkpoint | any | a comment
[apparmor integration]
checkpoint | tsrunc | all of them
checkpoint:goes on | tsrunc-node | one
security-modules | any | AppArmor
systemd:plain user | others | theirs

[apparmor spec]
systemd | any | another suite

[selinux integration]
security-modules | tsrunc | SELinux
`,
  failsOnNode: "# why\nprocess > rlimits # raised\n? stuck > a signal # a race\n",
};

t.test("a test runs on both hosts, but for what Node.js is known to fail", async (t) => {
  t.same(hostsOf("cli > a title", lists), { hosts: ["static", "Node"], needsGuest: false });
  t.same(hostsOf("process > rlimits", lists), { hosts: ["static"], needsGuest: false });
  t.same(hostsOf("stuck > a signal", lists), { hosts: ["static"], needsGuest: false });
});

t.test("a test of the virtual machine runs on the hosts of the lines that select it", async (t) => {
  const guest = (...hosts: string[]): object => ({ hosts, needsGuest: true });
  t.same(hostsOf("checkpoint > it goes on", lists), guest("static", "Node"));
  t.same(hostsOf("checkpoint > it ends", lists), guest("static"));
  t.same(hostsOf("security-modules > an AppArmor profile", lists), guest("static", "Node"));
  t.same(hostsOf("security-modules > an SELinux label", lists), guest("static"));
  t.same(hostsOf("systemd > a plain user", lists), guest());
});
