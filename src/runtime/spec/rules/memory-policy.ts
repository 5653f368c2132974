/** Rules for `linux.memoryPolicy` (config-linux.md, "Memory policy"; set_mempolicy(2)). */

import { isNumberList, numbersOf } from "../number-list.js";
import { each, type Rules } from "../rule.js";

/** MAX_NUMNODES of the largest kernel (CONFIG_NODES_SHIFT 10). */
const lastNode = 1023;

export const memoryPolicyRules: Rules = {
  "memory-policy-mode": ({ spec }, report) => {
    const policy = spec.linux?.memoryPolicy;
    if (policy !== undefined && policy.mode === undefined) report("/linux/memoryPolicy/mode", undefined, 'a mode such as "MPOL_BIND"');
  },

  "memory-policy-nodes": ({ spec }, report) => {
    const { mode, nodes = "" } = spec.linux?.memoryPolicy ?? {};
    if (mode === undefined) return;
    const place = "/linux/memoryPolicy/nodes";
    if (nodes === "") {
      const allowed = `at least one node with ${mode}, such as "0-3,7"`;
      if (mode !== "MPOL_DEFAULT" && mode !== "MPOL_LOCAL" && mode !== "MPOL_PREFERRED") report(place, nodes, allowed);
    } else if (!isNumberList(nodes)) report(place, nodes, 'numbers and ranges of memory nodes, such as "0-3,7"');
    else if (mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL") report(place, nodes, `no nodes with ${mode}`);
    else if ((numbersOf(nodes).at(-1) as number) > lastNode) report(place, nodes, `nodes up to ${lastNode}`);
  },

  // With MPOL_DEFAULT the kernel ignores the flags; with other modes it refuses wrong ones.
  "memory-policy-flags": ({ spec }, report) => {
    const { mode, nodes = "", flags = [] } = spec.linux?.memoryPolicy ?? {};
    each(flags, (flag, i) => {
      const place = `/linux/memoryPolicy/flags/${i}`;
      const balances = flag === "MPOL_F_NUMA_BALANCING";
      if (mode === "MPOL_DEFAULT" || (!balances && (mode === "MPOL_LOCAL" || nodes === "")))
        report(place, flag, `no flags about nodes with ${mode} and no nodes`);
      else if (balances && mode !== "MPOL_BIND" && mode !== "MPOL_PREFERRED_MANY")
        report(place, flag, "with MPOL_BIND or MPOL_PREFERRED_MANY alone");
      else if (flag === "MPOL_F_STATIC_NODES" && flags.includes("MPOL_F_RELATIVE_NODES"))
        report(place, flag, "one of it and MPOL_F_RELATIVE_NODES");
    });
  },
};
