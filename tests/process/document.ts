/** The commands that a document tells its readers to run. */
import assert from "node:assert/strict";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A fenced block: what stands behind the three backticks, and its text. */
export interface Block {
  readonly info: string;
  readonly text: string;
}

/** The fenced blocks of a section, which ends where the next one of any level begins. */
export function blocksOf(path: string, heading: string): readonly Block[] {
  const [, after] = Deno.readTextFileSync(`${ROOT}/${path}`).split(`\n${heading}\n`);
  assert.ok(after !== undefined, `${path} has no section "${heading}"`);
  const text = after.split(/\n##+ /)[0]!;
  return [...text.matchAll(/^```([^\n]+)\n(.*?)^```$/gms)]
    .map((m) => ({ info: m[1]!, text: m[2]! }));
}

/** The commands of a block: a line each, but for what a here-document holds. */
export function commandsOf(block: string): readonly string[] {
  const commands: string[] = [];
  let end: string | null = null;
  for (const line of block.split("\n")) {
    if (end !== null) {
      commands.push(`${commands.pop()}\n${line}`);
      if (line === end) end = null;
    } else if (line.trim() !== "" && !line.startsWith("#")) {
      commands.push(line);
      end = /<<'(\w+)'/.exec(line)?.[1] ?? null;
    }
  }
  return commands;
}

/** The first of these programs that this machine does not have. */
export function missing(programs: readonly string[]): string | null {
  for (const program of programs) {
    const { success } = new Deno.Command("sh", {
      args: ["-c", `command -v ${program}`],
      stdout: "null",
    }).outputSync();
    if (!success) return program;
  }
  return null;
}
