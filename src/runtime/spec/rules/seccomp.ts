/** Rules for `linux.seccomp` (config-linux.md, "Seccomp"; seccomp(2)). Only the slow validator checks them, because it reads every new profile. */

import { Description, type Report } from "../fault.js";
import type { Seccomp, SeccompAction } from "../generated/spec-types.js";
import { isUint64, uint64Range } from "../numbers.js";
import { each, type Rules } from "../rule.js";

/** The largest value for each action: MAX_ERRNO for an errno, 16 bits for a tracer. */
const mostOf: Partial<Record<SeccompAction, number>> = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 0xffff };

/** A system call has six arguments. */
const lastArgument = 5;

const pointer = "/linux/seccomp";

export const seccompRules: Rules = {
  "seccomp-errno": [
    ({ spec }, report) => {
      const seccomp = spec.linux?.seccomp;
      if (seccomp) checkErrno(seccomp.defaultAction, seccomp.defaultErrnoRet, `${pointer}/defaultErrnoRet`, report);
    },
    ({ spec }, report) => {
      each(spec.linux?.seccomp?.syscalls, ({ action, errnoRet }, i) =>
        checkErrno(action, errnoRet, `${pointer}/syscalls/${i}/errnoRet`, report),
      );
    },
  ],

  "seccomp-args": ({ spec }, report) => {
    each(spec.linux?.seccomp?.syscalls, ({ args }, i) => {
      each(args, (argument, j) => {
        const place = `${pointer}/syscalls/${i}/args/${j}`;
        each(["value", "valueTwo"] as const, (name) => {
          const value = argument[name];
          if (value !== undefined && !isUint64(value)) report(`${place}/${name}`, value, uint64Range);
        });
        if (argument.index > lastArgument) report(`${place}/index`, argument.index, `0 to ${lastArgument}`);
      });
    });
  },

  "seccomp-notify": [
    ({ spec }, report) => {
      const action = spec.linux?.seccomp?.defaultAction;
      if (action === "SCMP_ACT_NOTIFY")
        report(`${pointer}/defaultAction`, action, "another action: nobody could answer for the calls that hand the listener over");
    },
    ({ spec }, report) => {
      each(spec.linux?.seccomp?.syscalls, ({ action, names }, i) => {
        if (action !== "SCMP_ACT_NOTIFY") return;
        each(names, (name, j) => {
          if (name === "write")
            report(`${pointer}/syscalls/${i}/names/${j}`, name, "another name: the listener is handed over by write(2)");
        });
      });
    },
  ],

  "seccomp-listener": [
    ({ spec }, report) => {
      const seccomp = spec.linux?.seccomp;
      if (seccomp?.listenerMetadata !== undefined && !seccomp.listenerPath)
        report(`${pointer}/listenerMetadata`, seccomp.listenerMetadata, `nothing without ${pointer}/listenerPath`);
    },
    ({ spec }, report) => {
      const seccomp = spec.linux?.seccomp;
      const notifies = seccomp && notifying(seccomp);
      if (notifies === undefined) return; // the path is ignored then
      const listenerPath = seccomp?.listenerPath;
      if (!listenerPath) report(`${pointer}/listenerPath`, listenerPath, `the path of a socket, for the SCMP_ACT_NOTIFY in ${notifies}`);
      else if (!listenerPath.startsWith("/")) report(`${pointer}/listenerPath`, listenerPath, "an absolute path");
    },
  ],
};

/** Position of the first rule that notifies a listener. */
function notifying({ syscalls = [] }: Seccomp): string | undefined {
  const index = syscalls.findIndex(({ action }) => action === "SCMP_ACT_NOTIFY");
  return index < 0 ? undefined : `${pointer}/syscalls/${index}`;
}

function checkErrno(action: SeccompAction, errno: number | undefined, place: string, report: Report): void {
  if (errno === undefined) return;
  const most = mostOf[action];
  if (most === undefined)
    report(place, new Description(String(errno)), `nothing: ${action} takes no number, only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do`);
  else if (errno > most) report(place, errno, `0 to ${most}`);
}
