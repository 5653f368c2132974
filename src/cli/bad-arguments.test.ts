import t from "tap";
import { checkArguments, parseArguments } from "./arguments.js";
import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import type { Grammar } from "./table.js";

/** What is wrong on any command line, for each command and flag of the table. */
const rows: { name: string; grammar: Grammar }[] = [
  { name: "tsrunc", grammar: programGrammar() },
  ...commandNames().map((name) => ({ name: name as string, grammar: commandGrammar(name) })),
];

for (const { name, grammar } of rows) {
  const parse = (...argv: string[]) => parseArguments(argv, name, grammar);

  t.test(`${name}: each flag takes its own values alone`, async (t) => {
    t.throws(() => parse("--nosuchflag"), { code: "invalidArgument", message: new RegExp(`^${name}: unknown flag "--nosuchflag"`) });
    for (const { name: flag, short, value, choices, excludes = [] } of grammar.flags) {
      const spellings = [`--${flag}`, `-${flag}`, ...(short === undefined ? [] : [`-${short}`])];
      for (const spelled of spellings) {
        const refusal =
          value === undefined
            ? { argv: [`${spelled}=maybe`], message: `${name}: flag "--${flag}" is true or false, not "maybe"` }
            : { argv: [spelled], message: `${name}: flag needs an argument: --${flag}` };
        t.throws(() => parse(...refusal.argv), { message: refusal.message }, spelled);
      }
      for (const wrong of choices ? ["nosuchvalue", "", ` ${choices[0]}`] : [])
        t.throws(() => parse(`--${flag}=${wrong}`), {
          message: `${name}: flag "--${flag}" is ${choices?.join(" or ")}, not ${JSON.stringify(wrong)}`,
        });
      for (const other of excludes) {
        const given = (of: string): string => {
          const found = grammar.flags.find((candidate) => candidate.name === of);
          return found?.value === undefined ? `--${of}` : `--${of}=${found.choices?.[0] ?? "1"}`;
        };
        t.throws(() => parse(given(flag), given(other)), { message: /^\S+: flags "--\S+" and "--\S+" exclude each other$/ });
      }
    }
  });

  t.test(`${name}: no argument is missing, surplus or unknown`, async (t) => {
    const known = grammar.arguments;
    const good = known.map(({ choices }) => choices?.[0] ?? "a");
    for (const [at, { name: what, optional, choices }] of known.entries()) {
      if (!optional) t.throws(() => checkArguments(name, good.slice(0, at), known), { message: `${name}: missing ${what}` });
      if (choices)
        t.throws(() => checkArguments(name, [...good.slice(0, at), "nosuch", ...good.slice(at + 1)], known), {
          message: `${name}: ${what} is ${choices.join(" or ")}, not "nosuch"`,
        });
    }
    if (!known.at(-1)?.repeatable)
      t.throws(() => checkArguments(name, [...good, "surplus"], known), { message: `${name}: unexpected argument "surplus"` });
  });
}
