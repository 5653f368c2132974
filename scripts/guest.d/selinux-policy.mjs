// Prints the source of a small SELinux policy for checkpolicy(8), which has the types that the tests use and allows everything. Debian's
// policy would need its tools in the guest's image. With `--mls`, labels have a level, as those of containers do.

/** The kernel's initial SIDs, in its order (security/selinux/include/initial_sid_to_string.h). */
const sids =
  "kernel security unlabeled fs file file_labels init any_socket port netif netmsg node igmp_packet icmp_socket tcp_socket sysctl_modprobe " +
  "sysctl sysctl_fs sysctl_kernel sysctl_net sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet devnull";

const file =
  "ioctl read write create getattr setattr lock relabelfrom relabelto append map unlink link rename execute quotaon mounton " +
  "audit_access open execmod watch watch_mount watch_sb watch_with_perm watch_reads";

/** Classes and their permissions; others are allowed (checkpolicy --handle-unknown=allow). */
const classes = {
  security:
    "compute_av compute_create compute_member check_context load_policy compute_relabel compute_user setenforce setbool setsecparam " +
    "setcheckreqprot read_policy validate_trans",
  process:
    "fork transition sigchld sigkill sigstop signull signal ptrace getsched setsched getsession getpgid setpgid getcap setcap share " +
    "getattr setexec setfscreate noatsecure siginh setrlimit rlimitinh dyntransition setcurrent execmem execstack execheap setkeycreate " +
    "setsockcreate getrlimit",
  process2: "nnp_transition nosuid_transition",
  filesystem: "mount remount unmount getattr relabelfrom relabelto associate quotamod quotaget watch",
  file: `${file} execute_no_trans entrypoint`,
  dir: `${file} add_name remove_name reparent search rmdir`,
  fd: "use",
  lnk_file: file,
  chr_file: file,
  blk_file: file,
  sock_file: file,
  fifo_file: file,
  key: "view read write search link setattr create",
};

const types = ["base_t", "container_t", "container_file_t", "svirt_sandbox_file_t"];
/** The last category of labels; OCI runtime-tools use c715 and c811. */
const lastCategory = 1023;
const object = "system_u:object_r:base_t:s0";
const each = (names, line) => names.map(line);

const lines = [
  ...each(Object.keys(classes), (name) => `class ${name}`),
  ...each(sids.split(" "), (name) => `sid ${name}`),
  ...each(Object.entries(classes), ([name, permissions]) => `class ${name} { ${permissions} }`),
  "sensitivity s0;",
  "dominance { s0 }",
  ...each([...Array(lastCategory + 1).keys()], (number) => `category c${number};`),
  `level s0:c0.c${lastCategory};`,
  // An MLS policy needs a constraint; this one is always true.
  "mlsconstrain file { read } ( t1 == base_t or t1 != base_t );",
  // Without this, programs with noNewPrivileges or on a nosuid mount cannot change their label.
  "policycap nnp_nosuid_transition;",
  ...each(types, (name) => `type ${name};`),
  ...types.flatMap((from) => types.flatMap((to) => each(Object.keys(classes), (name) => `allow ${from} ${to}:${name} *;`))),
  "role system_r;",
  "role system_r types { base_t container_t };",
  `user system_u roles { system_r } level s0 range s0 - s0:c0.c${lastCategory};`,
  ...each(sids.split(" "), (name) => `sid ${name} system_u:system_r:base_t:s0 - s0:c0.c${lastCategory}`),
  `fs_use_xattr ext4 ${object};`,
  ...each(["tmpfs", "devpts", "mqueue", "devtmpfs"], (name) => `fs_use_trans ${name} ${object};`),
  ...each(["pipefs", "sockfs"], (name) => `fs_use_task ${name} ${object};`),
  ...each(["proc", "sysfs", "cgroup2", "selinuxfs", "overlay"], (name) => `genfscon ${name} / ${object}`),
];
console.log(lines.join("\n"));
