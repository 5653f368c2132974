/**
 * containerd 2.4 with its own shim and ctr.
 */
import { sharing } from "../../integration/harness/suite.js";
import { Containerd, containerdSteps } from "../containerd-steps.js";
import { programs } from "../go-programs.js";

sharing(
  "containerd 2.4",
  (c) =>
    Containerd.start(c, {
      programs,
      installer: "test/clients/go/install",
      configVersion: 3,
      disabledPlugins: [
        "io.containerd.cri.v1.images",
        "io.containerd.cri.v1.runtime",
        "io.containerd.grpc.v1.cri",
        "io.containerd.internal.v1.opt",
      ],
    }),
  containerdSteps,
);
