/**
 * Makes root file systems for bundles, a new one for each bundle, so that the container may write to it.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { binaries } from "./environment.js";

/**
 * busybox: Debian's static busybox under its usual names, /bin/probe, /etc/passwd and the usual folders;
 * scratch: only /probe; empty: nothing.
 */
export type Rootfs = "busybox" | "scratch" | "empty";

const applets = (
  "[ awk basename cat chgrp chmod chown chroot cmp cp cut date dd df dirname dmesg du echo env expr false find free grep " +
  "head hostname id ifconfig ip kill ln ls mkdir mkfifo mknod mktemp mount mountpoint mv nproc od pidof printenv printf ps pwd " +
  "readlink realpath rm rmdir sed seq sh sleep sort stat stty sync sysctl tail tee test touch tr true tty umount uname uniq wc " +
  "which whoami xargs yes"
).split(" ");

const passwd = "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000:worker:/home/worker:/bin/sh\n";
const group = "root:x:0:\ntty:x:5:\nworker:x:1000:\nextra:x:2000:worker\n";

/** Makes and fills the directory `root` (mode 0755). Throws if busybox-static is not installed. */
export function makeRootfs(kind: Rootfs, root: string): void {
  mkdirSync(root, { recursive: true });
  chmodSync(root, 0o755);
  if (kind === "empty") return;
  if (kind === "scratch") {
    copyFileSync(`${binaries}/probe`, `${root}/probe`);
    return;
  }
  if (!existsSync("/bin/busybox")) throw new Error("/bin/busybox is missing: apt-get install busybox-static");
  for (const folder of ["bin", "dev", "etc", "home", "home/worker", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var"]) {
    mkdirSync(`${root}/${folder}`);
  }
  chmodSync(`${root}/tmp`, 0o1777);
  chmodSync(`${root}/root`, 0o700);
  copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  copyFileSync(`${binaries}/probe`, `${root}/bin/probe`);
  for (const applet of applets) symlinkSync("busybox", `${root}/bin/${applet}`);
  writeFileSync(`${root}/etc/passwd`, passwd);
  writeFileSync(`${root}/etc/group`, group);
}
