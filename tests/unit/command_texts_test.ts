/** The manual page and the completions have what `roost --help` shows. */
import assert from "node:assert/strict";
import { buildProgram } from "../../server/cli/cli.ts";
import { allCommands, commandTable } from "../../server/cli/command_table.ts";
import { completionScript, SHELLS } from "../../server/cli/completion.ts";
import type { CliHost } from "../../server/cli/host.ts";
import { manPage } from "../../server/cli/man_page.ts";
import { addLoadCommand } from "../../server/load/command.ts";
import { FakeMachine } from "./cli_machine.ts";

const TABLE = commandTable(buildProgram({} as CliHost, () => {}, [addLoadCommand]));
const COMMANDS = [...allCommands(TABLE)];

/** What the command line itself prints. */
async function helpOf(words: readonly string[]): Promise<string> {
  const machine = new FakeMachine();
  assert.equal(await machine.run(...words, "--help"), 0);
  return machine.out;
}

Deno.test("commandTable has every command, option and note of the help, and no hidden command", async () => {
  assert.ok(COMMANDS.length > 50, `${COMMANDS.length} commands`);
  for (const { words, doc, options, commands, notes } of COMMANDS) {
    const help = await helpOf(words);
    const flat = help.replaceAll(/\s+/g, " ");
    for (const text of [doc, ...options.flatMap(({ flags, doc }) => [flags, doc])]) {
      assert.ok(flat.includes(text.replaceAll(/\s+/g, " ")), `${words.join(" ")}: ${text}`);
    }
    assert.ok(help.trimEnd().endsWith(notes), words.join(" "));
    const [, list = ""] = help.split(/^Commands:$/m);
    const listed = [...list.split("\n\n")[0]!.matchAll(/^ {2}([a-z]\S*)/gm)].map((m) => m[1]!);
    assert.deepEqual(
      commands.map(({ words }) => words.at(-1)),
      listed.filter((name) => name !== "help"),
      words.join(" "),
    );
  }
});

/** The text of a page as a reader sees it. */
function shown(page: string): string {
  return page.replaceAll("\\-", "-").replaceAll("\\&", "").replaceAll('""', '"')
    .replaceAll("\\e", "\\");
}

Deno.test("manPage has every command with its options and notes, in roff that is closed", () => {
  const page = manPage(TABLE, "1.2.3");
  const text = shown(page);
  for (const { words, usage, doc, options, notes } of COMMANDS) {
    const parts = [doc, notes, ...options.flatMap(({ flags, doc }) => [flags, doc])];
    if (words.length > 0) parts.push(`.SS "roost ${[...words, usage].join(" ")}"`);
    for (const part of parts.slice(words.length === 0 ? 1 : 0)) {
      assert.ok(text.includes(part), part);
    }
  }
  assert.match(page, /^\.TH ROOST 1 "" "Roost 1\.2\.3" "User Commands"\n\.SH NAME\nroost \\- /);
  assert.equal(page.match(/^\.nf$/gm)!.length, page.match(/^\.fi$/gm)!.length);
  const macros = new Set(page.match(/^[.'].*/gm)!.map((line) => line.split(" ")[0]));
  const known = [".TH", ".SH", ".SS", ".B", ".I", ".TP", ".PP", ".nf", ".fi"];
  assert.deepEqual([...macros].filter((macro) => !known.includes(macro!)), []);
});

Deno.test("completions have every command and option, for each shell", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, TABLE);
    for (const { words, options } of COMMANDS) {
      for (const word of words) assert.ok(script.includes(word), `${shell}: ${word}`);
      for (const { long } of options) {
        const flag = shell === "fish" ? `-l ${long!.slice(2)} ` : long!;
        assert.ok(script.includes(flag), `${shell}: ${words.join(" ")} ${flag}`);
      }
    }
    assert.doesNotMatch(script, /undefined|\[object/);
  }
});

/** What bash offers for a command line whose last word is being typed. */
async function offered(script: string, ...words: string[]): Promise<readonly string[]> {
  const line = ["roost", ...words].map((word) => `'${word}'`).join(" ");
  const run = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _roost
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "-c", run];
  const { stdout, success, stderr } = await new Deno.Command("bash", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").sort();
}

Deno.test({
  name: "the completion for bash offers commands, those below them, options and files",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const script = completionScript("bash", TABLE);
    assert.deepEqual(await offered(script, "inv"), ["invite"]);
    assert.deepEqual(await offered(script, "invite", "cr"), ["create"]);
    assert.deepEqual(await offered(script, "--doma"), ["--domain"]);
    assert.deepEqual(await offered(script, "user", "passwd", "ann", "--he"), [""]);
    assert.deepEqual(await offered(script, "--config", "/etc/hostn"), ["/etc/hostname"]);
  },
});

Deno.test("roost completion prints the script, and names the shells that it knows", async () => {
  const machine = new FakeMachine();
  assert.equal(await machine.run("completion", "fish"), 0);
  assert.equal(machine.out, completionScript("fish", TABLE));
  assert.equal(await machine.run("completion", "tcsh"), 2);
  assert.match(machine.err, /bash, zsh, fish/);
});
