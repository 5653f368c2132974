import t from "tap";
import { nearest } from "./nearest.js";

t.test("the closest name is found, and none where nothing is close", async (t) => {
  const names = ["create", "start", "state", "delete"];
  t.equal(nearest("craete", names), "create");
  t.equal(nearest("stat", names), "start", "the first of two as close");
  t.equal(nearest("delet", names), "delete");
  t.equal(nearest("create", names), "create");
  t.equal(nearest("xyz", names), undefined);
  t.equal(nearest("", names), undefined);
});
