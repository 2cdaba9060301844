/** The commands as a table, for what is made of them besides `--help`: man page and completions. */
import type { Command } from "commander";

/** One option of a command. */
export interface OptionEntry {
  /** `-V`, or null. */
  readonly short: string | null;
  /** `--version`, or null. */
  readonly long: string | null;
  /** As the help shows it: `--data <dir>`. */
  readonly flags: string;
  /** Whether a value follows it. */
  readonly valued: boolean;
  readonly doc: string;
}

/** One command. */
export interface CommandEntry {
  /** What names it behind `roost`; of the program itself: none. */
  readonly words: readonly string[];
  readonly doc: string;
  /** What follows its words, as the help shows it. */
  readonly usage: string;
  /** Without `--help`, which all have. */
  readonly options: readonly OptionEntry[];
  /** The commands below it that the help shows. */
  readonly commands: readonly CommandEntry[];
  /** What the help says after the lists; empty: nothing. */
  readonly notes: string;
}

/** What `addHelpText("after")` has added, which commander gives out with the help only. */
function notesOf(command: Command): string {
  let text = "";
  const write = (part: string) => void (text += part);
  // An emitter of events, which its types do not say.
  const emitter = command as unknown as { emit(event: string, context: object): boolean };
  emitter.emit("afterHelp", { error: false, command, write });
  return text.trim();
}

/** The table of a command and all below it. */
export function commandTable(command: Command, words: readonly string[] = []): CommandEntry {
  const help = command.createHelp();
  const options = help.visibleOptions(command).filter(({ long }) => long !== "--help");
  return {
    words,
    doc: command.description(),
    usage: command.usage(),
    options: options.map(({ short, long, flags, description, required, optional }) => ({
      short: short ?? null,
      long: long ?? null,
      flags,
      valued: required || optional,
      doc: description,
    })),
    commands: help.visibleCommands(command).filter((each) => each.name() !== "help")
      .map((each) => commandTable(each, [...words, each.name()])),
    notes: notesOf(command),
  };
}

/** A command and all below it, each before those below it. */
export function* allCommands(entry: CommandEntry): Generator<CommandEntry> {
  yield entry;
  for (const command of entry.commands) yield* allCommands(command);
}
