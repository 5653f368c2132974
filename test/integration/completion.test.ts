/**
 * What `completion` prints, in the real shells: a word is typed, and the shell says what it may become. Only tsrunc has the command.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { isTsrunc } from "./harness/environment.js";
import { describe, path } from "./harness/execute.js";
import { test } from "./harness/suite.js";
import type { Context } from "./harness/context.js";

/** Line of the shell that completes the word at the end of `$LINE` and prints what it may become, a word a line. */
const shells: Record<string, (line: string) => string> = {
  bash: (line) => `
    eval "$(tsrunc completion bash)"
    COMP_LINE=${quote(line)} COMP_POINT=${line.length}
    # As readline splits it: at COMP_WORDBREAKS, of which = and : are words.
    COMP_WORDS=() word=
    for ((at = 0; at < COMP_POINT; at++)); do
      letter=\${COMP_LINE:at:1}
      case $letter in
        ' ') [[ -z $word ]] || COMP_WORDS+=("$word"); word= ;;
        [=:]) [[ -z $word || $word = [=:]* ]] || { COMP_WORDS+=("$word"); word=; }; word+=$letter ;;
        *) [[ $word != [=:]* ]] || { COMP_WORDS+=("$word"); word=; }; word+=$letter ;;
      esac
    done
    COMP_WORDS+=("$word")
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _tsrunc tsrunc "$word" "" 2>&1
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // A terminal, because only there the line editor runs.
  zsh: (line) => `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    send() { zpty -w -n shell "$1"; }
    wait_for() { local text; zpty -r shell text "*$1*"; }
    send $'PS1=; autoload -Uz compinit; compinit -u -d $HOME/.zcompdump; eval "$(tsrunc completion zsh)"\\n'
    # What compadd is about to offer; with -O, -A and -D it only looks.
    send $'compadd() { [[ " $* " = *" -[OAD] "* ]] || { local -a words; builtin compadd -O words "$@"; print -rl -- $words >> $OUT; }; '
    send $'builtin compadd "$@"; }; PS1=REA""DY\\n'
    wait_for READY
    send ${quote(line)}$'\\t\\C-u PS1=DO""NE\\n'
    wait_for DONE
    sort -u $OUT`,
  fish: (line) => `
    tsrunc completion fish | source
    complete -C ${quote(line)} | string replace -r '\\t.*' ''`,
};

function quote(text: string): string {
  return `'${text}'`;
}

/** What a shell offers for the word at the end of the line, sorted. */
async function offered(c: Context, shell: string, line: string): Promise<string[]> {
  const programs = `${c.directory}/bin`;
  mkdirSync(programs, { recursive: true });
  writeFileSync(`${programs}/tsrunc`, `#!/bin/sh\nexec ${c.program} "$@"\n`, { mode: 0o755 });
  const out = c.file("offered", "");
  const env = { PATH: `${programs}:${path}`, HOME: c.directory, OUT: out, TERM: "dumb" };
  const noStartup = shell === "fish" ? ["--no-config"] : shell === "zsh" ? ["-f"] : ["--norc", "--noprofile"];
  const started = await c.spawn(shell, [...noStartup, "-c", shells[shell]?.(line) ?? ""], { env, cwd: c.directory });
  const result = await started.wait();
  assert.equal(result.stderr, "", describe(result));
  return result.stdout
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

/** The same for every shell. */
async function completes(c: Context, shell: string): Promise<void> {
  if (!existsSync(`/usr/bin/${shell}`) && !existsSync(`/bin/${shell}`)) c.skip(`no ${shell} here`);
  await c.create(c.bundle());
  mkdirSync(`${c.directory}/folder-a`);
  c.file("file-b", "");
  const offers = (line: string): Promise<string[]> => offered(c, shell, line);
  assert.deepEqual(await offers("tsrunc sta"), ["start", "state"]);
  assert.deepEqual(await offers("tsrunc --root /nowhere list --f"), ["--format"]);
  assert.deepEqual(await offers("tsrunc list --format "), ["json", "table"]);
  assert.deepEqual(await offers(`tsrunc --root ${c.root} start `), [c.id]);
  assert.deepEqual(await offers(`tsrunc --root=${c.root} state ${c.id.slice(0, -1)}`), [c.id]);
  assert.deepEqual(await offers(`tsrunc --root ${c.root} kill ${c.id} HU`), ["HUP"]);
  assert.deepEqual(await offers("tsrunc run --pid-file fil"), ["file-b"]);
  assert.match((await offers("tsrunc run --bundle fold")).join(), /^folder-a\/?$/);
  assert.deepEqual(await offers("tsrunc create "), []);
  const withEquals = await offers("tsrunc list --format=j");
  assert.match(withEquals.join(), /^(--format=)?json$/);
}

if (isTsrunc) {
  test("bash completes commands, flags, values, containers and files", (c) => completes(c, "bash"));
  test("zsh completes commands, flags, values, containers and files", (c) => completes(c, "zsh"));
  test("fish completes commands, flags, values, containers and files", (c) => completes(c, "fish"));

  test("completion scripts are accepted by their shells", async (c) => {
    for (const shell of Object.keys(shells)) {
      const script = c.file(shell, (await c.ok(["completion", shell])).stdout);
      const result = await (await c.spawn(shell, ["-n", script])).wait();
      assert.equal(result.status, 0, describe(result));
      assert.equal(result.stderr, "");
    }
  });

  test("man(1) shows the man pages without complaint, with the options that the help has", async (c) => {
    for (const page of readdirSync("docs/man").map((name) => name.replace(/\.8$/, ""))) {
      const file = `${process.cwd()}/docs/man/${page}.8`;
      const shown = await (
        await c.spawn("man", ["--warnings", "-E", "ascii", "--no-hyphenation", "--no-justification", "-P", "cat", "-l", file], {
          env: { PATH: path, MANWIDTH: "100" },
        })
      ).wait();
      assert.equal(shown.status, 0, describe(shown));
      assert.equal(shown.stderr, "");
      const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
      const help = await c.ok(["help", page.replace(/^tsrunc-?/, "")].filter((word) => word !== ""));
      const options = (text: string): string => /\nOPTIONS:?\n([^]*?)\n[A-Z]/.exec(text)?.[1] ?? "";
      assert.deepEqual(words(options(shown.stdout)), words(options(help.stdout)));
    }
  });
}
