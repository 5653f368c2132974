import t from "tap";
import { checkId } from "./identifier.js";

t.test("ids are names of letters, digits and _+-.", async (t) => {
  for (const id of ["c1", "a.b-c_d+e", "..a", "A".repeat(240)]) t.doesNotThrow(() => checkId(id), id);
});

t.test("whatever could leave the state directory is refused", async (t) => {
  for (const id of ["", ".", "..", "a/b", "/", "a b", "ä", "a\0b", "a\n", "#a", "A".repeat(241)]) {
    t.throws(() => checkId(id), { code: "invalidArgument", message: /: invalid container ID format: allowed are / }, JSON.stringify(id));
  }
});

t.test("a long id is shortened in the error", async (t) => {
  t.throws(() => checkId("x".repeat(300)), {
    message: `use the id "${"x".repeat(80)}...": invalid container ID format: allowed are 1 to 240 letters, digits and the characters _ + - . (but not "." and "..")`,
  });
});
