/** `roost completion`: scripts that have shells complete commands and options, of the same table. */
import { Argument, type Command } from "commander";
import { allCommands, type CommandEntry, commandTable, type OptionEntry } from "./command_table.ts";
import type { CliHost } from "./host.ts";

/** The shells that there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of them. */
export type Shell = typeof SHELLS[number];

/** A word of shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The options that can follow a command's words: without any, those of `start` can as well. */
function optionsAt({ words, options, commands }: CommandEntry): readonly OptionEntry[] {
  const start = words.length > 0 ? undefined : commands.find(({ words }) => words[0] === "start");
  return [...options, ...start?.options ?? []];
}

function flagsOf(entry: CommandEntry): readonly string[] {
  return [...optionsAt(entry).flatMap(({ short, long }) => [short, long]), "--help"]
    .filter((flag) => flag !== null);
}

/** What can follow a command: commands below it, then options. */
function wordsAfter(entry: CommandEntry): readonly string[] {
  return [...entry.commands.map(({ words }) => words.at(-1)!), ...flagsOf(entry)];
}

/** One pattern of `case` for each command, by its words. */
function cases(program: CommandEntry, line: (entry: CommandEntry) => string): string {
  return [...allCommands(program)]
    .map((entry) => `    ${quoted(entry.words.join(" "))}) ${line(entry)} ;;`).join("\n");
}

/** Options whose value is the next word: it is a file's name as often as not. */
function valuedFlags(program: CommandEntry): string {
  const flags = [...allCommands(program)].flatMap(({ options }) =>
    options.flatMap(({ valued, long }) => valued && long !== null ? [long] : [])
  );
  return [...new Set(flags)].sort().join("|");
}

function bash(program: CommandEntry): string {
  return `# bash completion for roost; source it, or install it as .../completions/roost
_roost_files() {
  compopt -o filenames 2> /dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
}
_roost() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' word words
  COMPREPLY=()
  case $prev in
    ${valuedFlags(program)}) _roost_files; return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      -*) break ;;
      *) path="\${path:+$path }$word" ;;
    esac
  done
  case $path in
${cases(program, (entry) => `words=${quoted(wordsAfter(entry).join(" "))}`)}
    *) _roost_files; return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _roost roost
`;
}

/** `word:what it does`, as _describe wants it. */
function described(word: string, doc: string): string {
  return quoted(`${word.replaceAll(":", "\\:")}:${doc}`);
}

function zsh(program: CommandEntry): string {
  const line = (entry: CommandEntry) => {
    const commands = entry.commands.map(({ words, doc }) => described(words.at(-1)!, doc));
    const options = optionsAt(entry).flatMap(({ short, long, doc }) =>
      [short, long].flatMap((flag) => flag === null ? [] : [described(flag, doc)])
    );
    return `list=(${[...commands, ...options, described("--help", "explain")].join(" ")})`;
  };
  return `#compdef roost
_roost() {
  local word path=''
  local -a list
  case $words[CURRENT-1] in
    ${valuedFlags(program)}) _files; return ;;
  esac
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $word in
      -*) break ;;
      *) path="\${path:+$path }$word" ;;
    esac
  done
  case $path in
${cases(program, line)}
    *) _files; return ;;
  esac
  _describe 'roost' list
}
if [ "$funcstack[1]" = _roost ]; then _roost "$@"; else compdef _roost roost; fi
`;
}

function fish(program: CommandEntry): string {
  const lines = [...allCommands(program)].flatMap((entry) => {
    const { words, commands } = entry;
    const when = `-n ${quoted(`__roost_at ${quoted(words.join(" "))}`)}`;
    return [
      ...commands.map(({ words, doc }) =>
        `complete -c roost ${when} -f -a ${quoted(words.at(-1)!)} -d ${quoted(doc)}`
      ),
      ...optionsAt(entry).map(({ short, long, valued, doc }) =>
        [
          `complete -c roost ${when}`,
          ...short === null ? [] : [`-s ${short.slice(1)}`],
          ...long === null ? [] : [`-l ${long.slice(2)}`],
          ...valued ? ["-r"] : [],
          `-d ${quoted(doc)}`,
        ].join(" ")
      ),
    ];
  });
  return `# fish completion for roost
function __roost_at
  set -l path
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and break
    set -a path $word
  end
  test "$path" = "$argv[1]"
end
complete -c roost -l help -d 'explain a command'
${lines.join("\n")}
`;
}

const SCRIPTS: Readonly<Record<Shell, (program: CommandEntry) => string>> = { bash, zsh, fish };

/** The script that completes the given commands. */
export function completionScript(shell: Shell, program: CommandEntry): string {
  return SCRIPTS[shell](program);
}

const NOTES = `
To use it in this shell: source <(roost completion bash)
For fish: roost completion fish > ~/.config/fish/completions/roost.fish`;

/** Adds \`roost completion\`. */
export function addCompletionCommand(program: Command, host: CliHost): void {
  program.command("completion")
    .description("print a script that has a shell complete commands and options")
    .addArgument(new Argument("<shell>", "for which shell").choices(SHELLS))
    .addHelpText("after", NOTES)
    .allowExcessArguments(false)
    .action((shell: Shell) => host.out(completionScript(shell, commandTable(program))));
}
