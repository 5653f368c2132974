/** Rules for `linux.seccomp` (config-linux.md, "Seccomp"; seccomp(2)). Only the careful way has them: a profile goes no other. */

import { Words, type Report } from "../fault.js";
import type { Seccomp, SeccompAction } from "../generated/spec-types.js";
import { isUint64, uint64Range } from "../numbers.js";
import type { Rules } from "../rule.js";

/** The largest number that each action may carry: errno values end there (MAX_ERRNO), a tracer gets 16 bits. */
const mostOf: Partial<Record<SeccompAction, number>> = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 0xffff };

/** A system call has six arguments. */
const lastArgument = 5;

const pointer = "/linux/seccomp";

export const seccompRules: Rules = {
  "seccomp-errno": ({ spec }, report) => {
    const seccomp = spec.linux?.seccomp;
    if (seccomp === undefined) return;
    checkErrno(seccomp.defaultAction, seccomp.defaultErrnoRet, `${pointer}/defaultErrnoRet`, report);
    seccomp.syscalls?.forEach(({ action, errnoRet }, i) => checkErrno(action, errnoRet, `${pointer}/syscalls/${i}/errnoRet`, report));
  },

  "seccomp-args": ({ spec }, report) => {
    spec.linux?.seccomp?.syscalls?.forEach(({ args }, i) => {
      args?.forEach(({ index, value, valueTwo }, j) => {
        const place = `${pointer}/syscalls/${i}/args/${j}`;
        if (index > lastArgument) report(`${place}/index`, index, `0 to ${lastArgument}`);
        if (!isUint64(value)) report(`${place}/value`, value, uint64Range);
        if (valueTwo !== undefined && !isUint64(valueTwo)) report(`${place}/valueTwo`, valueTwo, uint64Range);
      });
    });
  },

  "seccomp-notify": ({ spec }, report) => {
    const seccomp = spec.linux?.seccomp;
    if (seccomp === undefined) return;
    if (seccomp.defaultAction === "SCMP_ACT_NOTIFY") {
      report(
        `${pointer}/defaultAction`,
        seccomp.defaultAction,
        "another action: nobody could answer for the calls that hand the listener over",
      );
    }
    seccomp.syscalls?.forEach(({ action, names }, i) => {
      if (action !== "SCMP_ACT_NOTIFY") return;
      names.forEach((name, j) => {
        if (name === "write") report(`${pointer}/syscalls/${i}/names/${j}`, name, "another name: the listener is handed over by write(2)");
      });
    });
  },

  "seccomp-listener": ({ spec }, report) => {
    const seccomp = spec.linux?.seccomp;
    if (seccomp === undefined) return;
    const { listenerPath, listenerMetadata } = seccomp;
    if (listenerMetadata !== undefined && !listenerPath) {
      report(`${pointer}/listenerMetadata`, listenerMetadata, `nothing without ${pointer}/listenerPath`);
    }
    const notifies = notifying(seccomp);
    if (notifies === undefined) return; // the path is ignored then
    if (!listenerPath) report(`${pointer}/listenerPath`, listenerPath, `the path of a socket, for the SCMP_ACT_NOTIFY in ${notifies}`);
    else if (!listenerPath.startsWith("/")) report(`${pointer}/listenerPath`, listenerPath, "an absolute path");
  },
};

/** Where the first rule stands that asks a listener. */
function notifying({ syscalls = [] }: Seccomp): string | undefined {
  const index = syscalls.findIndex(({ action }) => action === "SCMP_ACT_NOTIFY");
  return index < 0 ? undefined : `${pointer}/syscalls/${index}`;
}

function checkErrno(action: SeccompAction, errno: number | undefined, place: string, report: Report): void {
  if (errno === undefined) return;
  const most = mostOf[action];
  if (most === undefined)
    report(place, new Words(String(errno)), `nothing: ${action} takes no number, only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do`);
  else if (errno > most) report(place, errno, `0 to ${most}`);
}
