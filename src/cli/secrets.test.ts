import t from "tap";
import { withoutSecrets } from "./secrets.js";

t.test("a logged request names the environment's variables without their values, of hooks and within state.json too", async (t) => {
  const request = {
    op: "reserve",
    id: "c1",
    plan: { process: { env: ["PASSWORD=hunter2", "A=", "ODD"], args: ["env=kept"] } },
    state: JSON.stringify({ poststop: [{ path: "/h", env: ["TOKEN=s=3"] }] }),
  };
  const logged = withoutSecrets(JSON.stringify(request));
  t.same(JSON.parse(logged), {
    ...request,
    plan: { process: { env: ["PASSWORD=...", "A=...", "ODD=..."], args: ["env=kept"] } },
    state: '{"poststop":[{"path":"/h","env":["TOKEN=..."]}]}',
  });
});

t.test("a request without any is logged as it is", async (t) => {
  t.equal(withoutSecrets('{"op":"now"}'), '{"op":"now"}');
});
