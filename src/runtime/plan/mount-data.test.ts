import t from "tap";
import { splitData } from "./mount-data.js";

t.test("commas separate options, and empty ones count for nothing", async (t) => {
  t.same(splitData("size=64k"), ["size=64k"]);
  t.same(splitData("size=64k,mode=755,ro"), ["size=64k", "mode=755", "ro"]);
  t.same(splitData(",size=64k,,mode=755,"), ["size=64k", "mode=755"]);
  t.same(splitData(","), []);
  t.same(splitData("=x,size=64k,="), ["size=64k"]);
  t.same(splitData("="), []);
});

t.test("a comma after a backslash or before a digit belongs to the value", async (t) => {
  t.same(splitData("lowerdir=/a\\,b:/c\\:d,upperdir=/e\\\\,workdir=/f"), ["lowerdir=/a\\,b:/c\\:d", "upperdir=/e\\\\", "workdir=/f"]);
  t.same(splitData("mpol=bind:0,2-3,size=1m"), ["mpol=bind:0,2-3", "size=1m"]);
  t.same(splitData("a=b,c\\"), ["a=b", "c\\"]);
});

t.test("a security context may have commas in quotes, and loses these", async (t) => {
  t.same(splitData('size=1m,context="u:r:t:s0:c1,c2",mode=700'), ["size=1m", "context=u:r:t:s0:c1,c2", "mode=700"]);
  t.same(splitData('rootcontext="u:r:t:s0"'), ["rootcontext=u:r:t:s0"]);
  t.same(splitData('name="a,b"'), ['name="a', 'b"']);
});
