import t from "tap";
import { configuration } from "./fixtures/configurations.js";
import { cases } from "./fixtures/rare-cases.js";
import { hasRareFields } from "./rare-fields.js";

t.test("whatever a rare rule speaks of is a rare field", async (t) => {
  for (const { good, bad } of cases) {
    for (const [change] of [...good, ...bad]) t.ok(hasRareFields(configuration(change)), change.toString());
  }
});

t.test("the common configuration has none", async (t) => {
  t.notOk(hasRareFields(configuration()));
  t.notOk(hasRareFields({ ociVersion: "1.3.0" }));
});
