/** Rules for `linux.namespaces` and for fields that need a namespace (config-linux.md, "Namespaces"). */

import { Description } from "../fault.js";
import { each, type Rules } from "../rule.js";

/** __NEW_UTS_LEN of the kernel, in bytes. */
const longestHostname = 64;

export const namespaceRules: Rules = {
  "namespaces-unique": ({ spec }, report) => {
    const seen = new Map<string, number>();
    each(spec.linux?.namespaces, ({ type }, i) => {
      const first = seen.get(type);
      if (first === undefined) seen.set(type, i);
      else report(`/linux/namespaces/${i}/type`, type, `each type once: it stands in /linux/namespaces/${first} too`);
    });
  },

  "namespace-path-absolute": ({ spec }, report) => {
    each(spec.linux?.namespaces, ({ path }, i) => {
      if (path !== undefined && path !== "" && !path.startsWith("/")) report(`/linux/namespaces/${i}/path`, path, "an absolute path");
    });
  },

  // An unprivileged process gets the right to mount and to set ids only in a user namespace.
  "rootless-user-namespace": ({ rootless, namespaces }, report) => {
    if (rootless && !namespaces.has("user"))
      report("/linux/namespaces", new Description("no user namespace"), 'an entry of type "user": not running as root');
  },

  // Without the namespace the host's name would be changed.
  "hostname-namespace": ({ spec, namespaces }, report) => {
    each(["hostname", "domainname"] as const, (name) => {
      if (spec[name] && !namespaces.has("uts")) report(`/${name}`, spec[name], 'nothing, or an entry of type "uts" in /linux/namespaces');
    });
  },

  "hostname-length": ({ spec }, report) => {
    each(["hostname", "domainname"] as const, (name) => {
      if (utf8Length(spec[name] ?? "") > longestHostname) report(`/${name}`, spec[name], `at most ${longestHostname} bytes`);
    });
  },
};

/** Length of a text in UTF-8. */
export function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) as number;
    length += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x1_0000 ? 3 : 4;
  }
  return length;
}
