/** Starts programs of this folder as real processes, to kill them and to read what they print. */
import { TextLineStream } from "./text_lines.ts";

/** A started program. */
export interface Child {
  readonly pid: number;
  /** The next line of its standard output; null at the end. */
  nextLine(): Promise<string | null>;
  kill(signal: Deno.Signal): void;
  /** Waits for its end; whatever was not read of its standard output is given with it. */
  ended(): Promise<
    { readonly code: number; readonly signal: string | null; readonly rest: string }
  >;
}

/** Command line of a program of this folder under the Deno that runs the tests. */
export function commandOf(program: string, ...args: readonly string[]): readonly string[] {
  const file = new URL(program, import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--unstable-kv", "--no-check", file, ...args];
}

/** Starts a command line. Its standard error goes to the tests' own. */
export function start(command: readonly string[]): Child {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, stdout: "piped", stdin: "null" }).spawn();
  const lines = new TextLineStream(child.stdout);
  return {
    pid: child.pid,
    nextLine: () => lines.next(),
    kill: (signal) => child.kill(signal),
    ended: async () => {
      const rest: string[] = [];
      for (let line = await lines.next(); line !== null; line = await lines.next()) {
        rest.push(line);
      }
      const { code, signal } = await child.status;
      return { code, signal, rest: rest.join("\n") };
    },
  };
}
