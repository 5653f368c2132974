import t from "tap";
import { features } from "./features.js";

const document = features({ version: "1.2.3", commit: "abc", hostName: "static" }) as {
  mountOptions: string[];
  linux: Record<string, unknown>;
};

t.test("features names the versions and the build", async (t) => {
  t.match(document, {
    ociVersionMin: "1.0.0",
    ociVersionMax: "1.3.0",
    annotations: { "io.github.tsrunc.version": "1.2.3", "io.github.tsrunc.commit": "abc" },
  });
});

t.test("features claims nothing that create refuses", async (t) => {
  t.match(document.linux, {
    seccomp: { enabled: false },
    apparmor: { enabled: false },
    selinux: { enabled: false },
    cgroup: { systemd: false },
  });
  for (const option of ["ro", "rbind", "rslave", "rro", "idmap", "ridmap", "tmpcopyup"])
    t.ok(document.mountOptions.includes(option), option);
});
