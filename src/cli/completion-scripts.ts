/** The shells' completion scripts, which call `tsrunc completion SHELL -- WORD...`. */

import type { Candidate, Completions } from "./completion.js";

export type Shell = "bash" | "zsh" | "fish";

/** The output of `completion SHELL -- WORD...`: the kind, then the words in the form that the shell's script expects. */
export function answer(shell: Shell, { kind, prefix, candidates }: Completions): string {
  return [kind, ...candidates.map((candidate) => LINES[shell](candidate, prefix))].map((line) => `${line}\n`).join("");
}

const LINES: Readonly<Record<Shell, (candidate: Candidate, prefix: string) => string>> = {
  // bash treats the part after `=` as a word of its own.
  bash: ({ word }) => word,
  // In the form of _describe, without the prefix, which the script handles.
  zsh: ({ word, description }) => `${word.replaceAll(":", "\\:")}${description === "" ? "" : `:${description}`}`,
  fish: ({ word, description }, prefix) => `${prefix}${word}${description === "" ? "" : `\t${description}`}`,
};

const BASH = String.raw`# bash completion for tsrunc

_tsrunc() {
  # Readline takes words apart at characters such as = and :, so they are put together again.
  local line=\${COMP_LINE:0:COMP_POINT} words=() part at trimmed
  for ((at = 0; at <= COMP_CWORD; at++)); do
    trimmed=\${line#"\${line%%[![:space:]]*}"}
    part=\${COMP_WORDS[at]}
    [[ $at -lt $COMP_CWORD ]] || part=$trimmed
    if [[ $at -eq 0 || $trimmed != "$line" || -z $trimmed ]]; then
      words+=("$part")
    else
      words[-1]+=$part
    fi
    line=\${trimmed#"$part"}
  done

  local current=\${words[-1]} answer kind
  mapfile -t answer < <("\${words[0]/#\~/$HOME}" completion bash -- "\${words[@]:1}" 2>/dev/null)
  kind=\${answer[0]}
  [[ $current != -*=* ]] || current=\${current#*=}
  COMPREPLY=()
  case $kind in
    words)
      COMPREPLY=("\${answer[@]:1}")
      ;;
    files | directories)
      compopt -o filenames 2>/dev/null
      local flag=-f
      [[ $kind = files ]] || flag=-d
      mapfile -t COMPREPLY < <(compgen $flag -- "$current")
      ;;
  esac
}

complete -F _tsrunc tsrunc
`;

const ZSH = String.raw`#compdef tsrunc
# zsh completion for tsrunc

_tsrunc() {
  local -a answer
  answer=("\${(@f)$("\${(Q)words[1]}" completion zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  compset -P '-*='
  case $answer[1] in
    files) _files ;;
    directories) _files -/ ;;
    words)
      shift answer
      (( $#answer )) && _describe 'tsrunc' answer
      ;;
  esac
}

if [[ $zsh_eval_context[-1] = loadautofunc ]]; then
  _tsrunc "$@"
else
  compdef _tsrunc tsrunc
fi
`;

const FISH = String.raw`# fish completion for tsrunc

function __tsrunc_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] completion fish -- $words[2..-1] "$current" 2>/dev/null)
    set -l prefix (string match -r -- '^-[^=]*=' $current)
    set -l value (string replace -r -- '^-[^=]*=' '' $current)
    switch $answer[1]
        case words
            printf '%s\n' $answer[2..-1]
        case files
            __fish_complete_path "$value" | string replace -r -- '^' "$prefix"
        case directories
            __fish_complete_directories "$value" '' | string replace -r -- '^' "$prefix"
    end
end

complete -c tsrunc -f -a '(__tsrunc_complete)'
`;

/** The scripts. String.raw leaves the backslash that keeps `${` from being JavaScript's. */
export function script(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell].replaceAll("\\${", "${");
}
