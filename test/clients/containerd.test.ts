/**
 * Debian's containerd 1.6.
 */
import { sharing } from "../integration/harness/suite.js";
import { cacheDirectory } from "../integration/harness/environment.js";
import { Containerd, containerdSteps } from "./containerd-steps.js";

sharing(
  "containerd",
  (c) =>
    Containerd.start(c, {
      programs: `${cacheDirectory}/containerd/usr/bin`,
      installer: "test/integration/prepare",
      configVersion: 2,
      disabledPlugins: ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"],
    }),
  containerdSteps,
);
