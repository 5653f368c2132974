import t from "tap";
import { isNumberList, numbersOf } from "./number-list.js";

t.test("a list has numbers and ascending ranges", async (t) => {
  for (const list of ["0", "0-3,7", " 1 , 2-2 ", "99999"]) t.ok(isNumberList(list), list);
  for (const list of ["", ",", "1,", "3-1", "a", "-1", "1-", "0x1", "1 2", "0-7:1/2", "123456"]) t.notOk(isNumberList(list), list);
});

t.test("the numbers are told once each, in order", async (t) => {
  t.strictSame(numbersOf("7,0-3,2-4"), [0, 1, 2, 3, 4, 7]);
  t.strictSame(numbersOf("70"), [70]);
  t.strictSame(numbersOf(""), []);
});
