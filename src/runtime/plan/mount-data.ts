/** Options of file systems that config.json has in one string, separated by commas as in fstab(5): "size=64k,mode=755". */

/**
 * One option, which ends at a comma. A comma does not end it after a backslash (overlay), within the quotes of a security context (SELinux), or
 * before a digit, with which no option begins (the nodes of a tmpfs: `mpol=bind:0,2`).
 */
const OPTION = /(?:(?:fs|def|root)?context="[^"]*"|\\.?|,(?=\d)|[^,\\])+/gsu;

/** A security context in quotes, which only mount(2) needs. */
const QUOTED_CONTEXT = /^((?:fs|def|root)?context=)"([^"]*)"$/su;

/** @returns the single options of a string, each `key` or `key=value`. A value without a key is left out, as mount(2) does. */
export function splitData(option: string): string[] {
  if (!option.includes(",") && !option.includes('"')) return option.startsWith("=") ? [] : [option];
  return (option.match(OPTION) ?? []).filter((one) => !one.startsWith("=")).map((one) => one.replace(QUOTED_CONTEXT, "$1$2"));
}
