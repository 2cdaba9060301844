/** Other processes of this program: the supervisor's workers, and the supervisor as a worker sees it. */
import { takeLines } from "../text/line_splitter.ts";
import { runCallback } from "./callback.ts";

/** A process that this one has started. */
export interface OwnProcess {
  readonly pid: number;
  /** Writes a line to its standard input, as JSON. */
  say(line: unknown): void;
  kill(): void;
}

/** What a process that was started says, and how it ends. */
export interface OwnProcessEvents {
  /** A line of its standard output. */
  said(line: string): void;
  /** A line of its log. */
  logged(line: string): void;
  /** It has ended, and all that it said was taken. */
  exited(code: number): void;
}

/** Starts another process of this program with a command line; it ends when it reads no more lines. */
export function startOwn(args: readonly string[], events: OwnProcessEvents): OwnProcess {
  // A compiled program is its own executable; else Deno must get the program to run.
  const flags = [
    "run",
    "-A",
    "--quiet",
    "--no-prompt",
    "--v8-flags=--no-allocation-site-pretenuring,--expose-gc",
  ];
  const program = Deno.build.standalone ? [] : [...flags, Deno.mainModule];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...program, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  const utf8 = new TextEncoder();
  const take = (found: (line: string) => void) => (line: string) => runCallback(() => found(line));
  Promise.all([
    child.status,
    takeLines(child.stdout, take((line) => events.said(line))),
    takeLines(child.stderr, take((line) => events.logged(line))),
  ]).then(([{ code }]) => runCallback(() => events.exited(code)), reportError);
  return {
    pid: child.pid,
    // A process that has ended takes no lines: its end is an event of its own.
    say: (line) => void input.write(utf8.encode(`${JSON.stringify(line)}\n`)).catch(() => {}),
    kill: () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
    },
  };
}

/** Calls `found` with each line that the process which started this one says; then `ended`. */
export function hearParent(found: (line: string) => void, ended: () => void): void {
  const over = () => runCallback(ended);
  takeLines(Deno.stdin.readable, (line) => runCallback(() => found(line))).then(over, over);
}

/** Says a line to the process that started this one. */
export function tellParent(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
