import t from "tap";
import { planHooks, planRuntimeHooks } from "./hooks.js";

const spec = {
  ociVersion: "1.0.0",
  hooks: { prestart: [{ path: "/p" }], createRuntime: [{ path: "/a", args: ["a", "b"], env: ["K=V"], timeout: 3 }, { path: "/b" }] },
};

t.test("hooks keep their order and say where they stand", async (t) => {
  t.same(planHooks(spec, "createRuntime"), [
    { path: "/a", args: ["a", "b"], env: ["K=V"], timeoutSeconds: 3, pointer: "/hooks/createRuntime/0" },
    { path: "/b", args: [], env: null, timeoutSeconds: null, pointer: "/hooks/createRuntime/1" },
  ]);
  t.same(planHooks(spec, "poststop"), []);
});

t.test("prestart runs before createRuntime", async (t) => {
  t.same(
    planRuntimeHooks(spec).map(({ path }) => path),
    ["/p", "/a", "/b"],
  );
});
