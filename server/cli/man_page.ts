/** The manual page roost(1), of the texts that `roost --help` shows; see groff_man(7). */
import { allCommands, type CommandEntry } from "./command_table.ts";

/** Text that roff takes as it is. */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&");
}

/** A line of a macro's arguments. */
function quoted(text: string): string {
  return `"${plain(text).replaceAll('"', '""')}"`;
}

function optionLines({ options }: CommandEntry): readonly string[] {
  return options.flatMap(({ flags, doc }) => [".TP", `.B ${quoted(flags)}`, plain(doc)]);
}

/** Text with lines of its own. */
function block(text: string): readonly string[] {
  return text === "" ? [] : [".PP", ".nf", plain(text), ".fi"];
}

function commandLines(entry: CommandEntry): readonly string[] {
  const { words, usage, doc, notes } = entry;
  return [
    `.SS ${quoted(["roost", ...words, usage].join(" "))}`,
    plain(doc),
    ...optionLines(entry),
    ...block(notes),
  ];
}

/** Files and variables that every installed server has. */
const FILES = `.SH FILES
.TP
.I roost\\-data/
The data directory, where neither \\-\\-data nor ROOST_DATA names another.
.TP
.I roost.toml
Settings, in the data directory, where neither \\-\\-config nor ROOST_CONFIG names another file.
.SH ENVIRONMENT
.TP
.B ROOST_DATA
The data directory.
.TP
.B ROOST_CONFIG
The file of settings.
.TP
.B ROOST_GROUP_NAME
The setting group.name; roost config show lists all.
.TP
.B NOTIFY_SOCKET, WATCHDOG_USEC
Set by systemd: the server reports that it serves and stops, and that its event loop turns.
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
Finish accepted work and end; a second one ends at once.
.SH EXIT STATUS
0 done, 1 the operation failed, 2 wrong usage or configuration.`;

/** The page of the program with the given table. */
export function manPage(program: CommandEntry, version: string): string {
  const commands = [...allCommands(program)].slice(1);
  return [
    `.TH ROOST 1 "" ${quoted(`Roost ${version}`)} "User Commands"`,
    ".SH NAME",
    `roost \\- ${plain(program.doc.replace(/\.$/, "").toLowerCase())}`,
    ".SH SYNOPSIS",
    ".B roost",
    plain(program.usage),
    ".SH DESCRIPTION",
    "Without a command, roost starts the server.",
    ".SH OPTIONS",
    ...optionLines(program),
    ...[".TP", `.B ${quoted("--help")}`, "Explain a command; every command has this option."],
    ".SH COMMANDS",
    ...commands.flatMap(commandLines),
    FILES,
    ".SH NOTES",
    ...block(program.notes),
    "",
  ].join("\n");
}
