import t from "tap";
import { suggestion } from "./suggestion.js";

const names = ["start", "state", "spec", "quiet"];

t.test("the closest name is suggested, one that was cut short before others", async (t) => {
  t.equal(suggestion("strat", names), ', did you mean "start"?');
  t.equal(suggestion("stat", names), ', did you mean "state"?');
  t.equal(suggestion("quite", names, "--"), ', did you mean "--quiet"?');
});

t.test("what is far from everything is met with silence", async (t) => {
  t.equal(suggestion("frobnicate", names), "");
  t.equal(suggestion("", names), "");
});
