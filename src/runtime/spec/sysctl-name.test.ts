import t from "tap";
import { sysctlPath } from "./sysctl-name.js";

t.test("both spellings lead to the same file, also where an interface has a dot", async (t) => {
  t.equal(sysctlPath("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  t.equal(sysctlPath("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
  t.equal(sysctlPath("net.ipv4.conf.eno2/100.forwarding"), "net/ipv4/conf/eno2.100/forwarding");
  t.equal(sysctlPath("net/ipv4/conf/eno2.100/forwarding"), "net/ipv4/conf/eno2.100/forwarding");
});

t.test("no name leads out of /proc/sys", async (t) => {
  for (const name of ["", ".", "..", "/", "/net/x", "net//x", "net/../kernel/x", "net./.kernel", "net.//.kernel", "net/x/", "net..x"]) {
    t.equal(sysctlPath(name), undefined, name);
  }
});
