import t from "tap";
import { parseArguments } from "./arguments.js";
import { answer, script } from "./completion-scripts.js";
import { complete } from "./completion.js";
import type { FindContainers } from "./completion.js";
import { commandGrammar, commandNames, programGrammar } from "./grammars.js";
import { visible } from "./prose.js";

const containers: FindContainers = (root) =>
  root === "/other"
    ? [{ id: "elsewhere", status: "running" }]
    : [
        { id: "ready", status: "created" },
        { id: "busy", status: "running" },
        { id: "gone", status: "stopped" },
      ];

function offered(...words: string[]): string[] {
  return complete(words, containers).candidates.map(({ word }) => word);
}

t.test("every flag of the grammar is offered and parsed, but for the hidden ones, which are only parsed", async (t) => {
  const rows = [
    { words: [], subject: "tsrunc", grammar: programGrammar() },
    ...commandNames().map((name) => ({ words: [name], subject: name, grammar: commandGrammar(name) })),
  ];
  for (const { words, subject, grammar } of rows) {
    const spellings = visible(grammar.flags).flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]);
    t.same(offered(...words, "-"), spellings, subject);
    t.same(
      offered(...words, "--"),
      spellings.filter((spelling) => spelling.startsWith("--")),
      subject,
    );
    for (const { name, short, value, choices } of grammar.flags) {
      for (const spelling of [`--${name}`, `-${name}`, ...(short === undefined ? [] : [`-${short}`])]) {
        const given = value === undefined ? [spelling] : [spelling, choices?.[0] ?? "v"];
        const { values, switches } = parseArguments(given, subject, grammar);
        t.ok(value === undefined ? switches.has(name) : name in values, `${subject} ${given.join(" ")}`);
      }
    }
  }
});

t.test("commands are offered with what they do", async (t) => {
  t.same(offered(""), commandNames());
  t.match(complete(["sta"], containers), {
    kind: "words",
    candidates: [{ word: "start", description: "run the program of a created container" }, { word: "state" }],
  });
  t.same(offered("--root", "/r", "--debug", "sta"), ["start", "state"]);
  t.same(offered("--root", "list", "help", "sta"), ["start", "state"]);
  t.same(offered("nonsense", ""), []);
});

t.test("containers are offered by what the command is for, from the state directory that is named", async (t) => {
  t.same(offered("start", ""), ["ready"]);
  t.same(offered("kill", ""), ["ready", "busy"]);
  t.same(offered("state", ""), ["ready", "busy", "gone"]);
  t.same(offered("state", "--", "b"), ["busy"]);
  t.same(offered("create", ""), []);
  t.same(offered("run", "--detach", ""), []);
  t.same(offered("--root", "/other", "state", ""), ["elsewhere"]);
  t.same(offered("--root=/other", "state", ""), ["elsewhere"]);
  t.match(complete(["start", ""], containers), { candidates: [{ word: "ready", description: "created" }] });
});

t.test("values are offered where they are known, and files where they are asked for", async (t) => {
  t.same(offered("list", "--format", ""), ["table", "json"]);
  t.same(offered("list", "-f", "j"), ["json"]);
  t.match(complete(["list", "--format=j"], containers), { kind: "words", prefix: "--format=", candidates: [{ word: "json" }] });
  t.same(offered("run", "--keep="), ["true", "false"]);
  t.match(complete(["--root", ""], containers), { kind: "directories", prefix: "", candidates: [] });
  t.match(complete(["run", "-b=/x"], containers), { kind: "directories", prefix: "-b=" });
  t.match(complete(["run", "--pid-file", ""], containers), { kind: "files" });
  t.match(complete(["run", "--console-socket="], containers), { kind: "files", prefix: "--console-socket=" });
  t.match(complete(["run", "--preserve-fds", ""], containers), { kind: "words", candidates: [] });
  t.same(offered("run", "--nonsense="), []);
  t.same(offered("completion", "f"), ["fish"]);
});

t.test("signals are the second argument of kill, and nothing is the third", async (t) => {
  t.same(offered("kill", "busy", "TE"), ["TERM"]);
  t.same(offered("kill", "busy", "TERM", ""), []);
});

t.test("a flag that was given is not offered again, nor is any after --", async (t) => {
  t.notOk(offered("run", "--detach", "--").includes("--detach"));
  t.notOk(offered("run", "-d", "-").includes("--detach"));
  t.same(offered("state", "--", "-"), []);
  t.same(offered("run", "--bundle", "--"), [], "it is the value");
});

t.test("each shell gets its own lines", async (t) => {
  const completions = {
    kind: "words" as const,
    prefix: "--x=",
    candidates: [
      { word: "a:b", description: "why: so" },
      { word: "c", description: "" },
    ],
  };
  t.equal(answer("bash", completions), "words\na:b\nc\n");
  t.equal(answer("zsh", completions), "words\na\\:b:why: so\nc\n");
  t.equal(answer("fish", completions), "words\n--x=a:b\twhy: so\n--x=c\n");
  for (const shell of ["bash", "zsh", "fish"] as const) t.match(script(shell), new RegExp(`completion ${shell} -- `), shell);
});
