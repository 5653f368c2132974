/**
 * containerd 2.1 from Debian 14, with its own shim and ctr.
 */
import { sharing } from "../integration/harness/suite.js";
import { cacheDirectory } from "../integration/harness/environment.js";
import { Containerd, containerdSteps } from "./containerd-steps.js";

sharing(
  "containerd 2",
  (c) =>
    Containerd.start(c, {
      programs: `${cacheDirectory}/containerd2/usr/bin`,
      installer: "test/integration/prepare",
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
