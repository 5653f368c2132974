/** The two ways to write the name of a kernel parameter (sysctl(8)). */

/**
 * The file below /proc/sys of a kernel parameter, such as `net/ipv4/conf/eno2.100/forwarding`. Where the first separator
 * is a dot, dots separate and a slash stands for a dot (`net.ipv4.conf.eno2/100.forwarding`); where it is a slash, slashes
 * separate. `undefined` if the name could lead elsewhere: an empty part, `.` or `..`.
 */
export function sysctlPath(name: string): string | undefined {
  const separator = /[./]/.exec(name)?.[0];
  const parts = separator === "." ? name.split(".").map((part) => part.replaceAll("/", ".")) : name.split("/");
  return parts.some((part) => part === "" || part === "." || part === "..") ? undefined : parts.join("/");
}
