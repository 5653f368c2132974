import t from "tap";
import { compileExtendedRegex } from "./extended-regex.js";

t.test("expressions mean what regex(7) says", async (t) => {
  const cases: [source: string, matching: string[], others: string[]][] = [
    ["web", ["web", "my-web-1"], ["we", "WEB"]],
    ["^web$", ["web"], ["web1"]],
    ["a.c", ["abc", "a.c"], ["ac"]],
    ["a\\.c", ["a.c"], ["abc"]],
    ["^(a|bc)+$", ["a", "abca"], ["", "b"]],
    ["^a{2}$", ["aa"], ["a", "aaa"]],
    ["^a{1,2}b{,1}$", ["a", "aab"], ["aaa", "abb"]],
    ["^a{2,}$", ["aa", "aaaa"], ["a"]],
    ["^x{a}$", ["x{a}"], ["xa"]],
    ["^[[:digit:]]+$", ["12"], ["1a", ":"]],
    ["^[^[:alpha:]_]$", ["1", "-"], ["a", "_"]],
    ["^[]a]$", ["]", "a"], ["b"]],
    ["^[^]a]$", ["b"], ["]", "a"]],
    ["^[a-c-]$", ["a", "b", "-"], ["d"]],
    ["^[-a]$", ["-", "a"], ["b"]],
    ["^[\\d]$", ["\\", "d"], ["1"]],
    ["^[[.-.]+]$", ["-", "+"], ["."]],
    ["^[[=a=]]$", ["a"], ["="]],
    // A second repetition repeats the first; JavaScript would read it as one that is lazy.
    ["^(ab)+?$", ["", "abab"], ["a"]],
    ["^a+*$", ["", "aaa"], ["b"]],
    ["^\\w+\\b$", ["a_1"], ["a-"]],
    ["^a|b$", ["ax", "xb"], ["xa"]],
  ];
  for (const [source, matching, others] of cases) {
    const regex = compileExtendedRegex(source);
    for (const text of matching) t.ok(regex.test(text), `${source} matches ${text}`);
    for (const text of others) t.notOk(regex.test(text), `${source} does not match ${text}`);
  }
});

t.test("what is wrong with an expression is said", async (t) => {
  const cases: [source: string, message: string][] = [
    ["[", 'a "[" is not closed'],
    ["[[:digit:]", 'a "[" is not closed'],
    ["[[:digits:]]", 'there is no class "digits"'],
    ["[[:constructor:]]", 'there is no class "constructor"'],
    ["[[.ab.]]", 'there is no character "ab"'],
    ["(a", 'a "(" is not closed'],
    ["a)", 'a ")" closes nothing'],
    ["*a", 'there is nothing before "*" to repeat'],
    ["(?=a)", 'there is nothing before "?" to repeat'],
    ["a|+", 'there is nothing before "+" to repeat'],
    ["a\\", "it ends with a backslash"],
    ["\\d", '"\\d" has no meaning here'],
    ["\\1", '"\\1" has no meaning here'],
    ["[z-a]", "a range or a number of repetitions is out of order"],
    ["a{32768}", '"{32768}" is more than 32767 repetitions'],
    ["a{1,99999999999}", '"{1,99999999999}" is more than 32767 repetitions'],
    ["a{2,1}", "a range or a number of repetitions is out of order"],
  ];
  for (const [source, message] of cases) t.throws(() => compileExtendedRegex(source), { message }, source);
});
