import t from "tap";
import { isNumberList, numbersOf } from "./number-list.js";

t.test("a list has numbers, ascending ranges and the first of every group, between commas and blanks", async (t) => {
  for (const list of ["0", "0-3,7", " 1 , 2-2 ", "65535", "1,,2", "1 2\n", "0-7:1/2"]) t.ok(isNumberList(list), list);
  const bad = [
    "",
    " ",
    ",",
    "3-1",
    "a",
    "-1",
    "1-",
    "0x1",
    "1;2",
    "65536",
    "0-7:2",
    "0-7:5/4",
    "0-7:0/4",
    "0-7:0/0",
    "1:1/2",
    "all",
    "0-N",
  ];
  for (const list of bad) t.notOk(isNumberList(list), list);
});

t.test("the numbers are told once each, in order", async (t) => {
  t.strictSame(numbersOf("7,0-3,2-4"), [0, 1, 2, 3, 4, 7]);
  t.strictSame(numbersOf("0-9:2/4"), [0, 1, 4, 5, 8, 9]);
  t.strictSame(numbersOf("70"), [70]);
  t.strictSame(numbersOf(""), []);
  t.strictSame(numbersOf("1,x"), []);
});
