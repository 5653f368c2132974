import t from "tap";
import { planCapabilities } from "./capabilities.js";

t.test("absent sets are empty", async (t) => {
  t.same(planCapabilities(undefined, 40), { bounding: "0", effective: "0", inheritable: "0", permitted: "0", ambient: "0" });
});

t.test("bit n stands for capability n, beyond 32 bits too", async (t) => {
  const masks = planCapabilities({ bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_CHECKPOINT_RESTORE", "CAP_KILL"] }, 40);
  t.equal(masks.bounding, String(2n ** 40n + 2n ** 5n + 1n));
});

t.test("ambient keeps what is permitted and inheritable", async (t) => {
  const sets = { ambient: ["CAP_CHOWN", "CAP_KILL"], permitted: ["CAP_CHOWN", "CAP_KILL"], inheritable: ["CAP_KILL"] };
  t.equal(planCapabilities(sets, 40).ambient, "32");
});

t.test("an unknown name and one that the kernel does not know are refused where they stand", async (t) => {
  t.throws(() => planCapabilities({ permitted: ["CAP_KILL", "CAP_FOO"] }, 40), {
    code: "invalidConfig",
    path: "/process/capabilities/permitted/1",
  });
  t.throws(() => planCapabilities({ permitted: ["toString"] }, 40), { code: "invalidConfig", path: "/process/capabilities/permitted/0" });
  t.throws(() => planCapabilities({ bounding: ["CAP_BPF"] }, 37), { message: /the kernel does not know "CAP_BPF"/ });
});
