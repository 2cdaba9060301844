/** Standard input and output of the command line, and passwords typed without being seen. */

/** Where a command's words come from and go to. */
export interface Terminal {
  /** Writes to standard output. A reader that has gone away is no error. */
  out(text: string): void;
  /** Writes to standard error. */
  err(text: string): void;
  /**
   * Asks for a line that is not shown while it is typed. null where standard input is no terminal,
   * or where the user gives up (Ctrl-C, Ctrl-D on an empty line).
   */
  askHidden(prompt: string): Promise<string | null>;
  /** Asks for a line that is shown; null where standard input is no terminal, or at its end. */
  ask(prompt: string): Promise<string | null>;
  /** Everything on standard input, as UTF-8. */
  readAll(): Promise<string>;
}

const ENTER = [0x0a, 0x0d];
const ERASE = [0x08, 0x7f];
const INTERRUPT = 0x03;
const END = 0x04;
const KILL_LINE = 0x15;

/** A line as keys make it in a terminal's raw mode. */
export class HiddenLine {
  #bytes: number[] = [];

  /** The line so far, as UTF-8. */
  text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#bytes));
  }

  /** Takes one byte of input; whether the line is still open, complete, or given up. */
  key(byte: number): "open" | "complete" | "given up" {
    if (ENTER.includes(byte)) return "complete";
    if (byte === INTERRUPT) return "given up";
    if (byte === END) return this.#bytes.length === 0 ? "given up" : "complete";
    if (byte === KILL_LINE) this.#bytes = [];
    else if (ERASE.includes(byte)) this.#erase();
    else this.#bytes.push(byte);
    return "open";
  }

  /** Takes back one character: its last byte and the continuation bytes before its first. */
  #erase(): void {
    let last = this.#bytes.pop();
    while (last !== undefined && (last & 0xc0) === 0x80) last = this.#bytes.pop();
  }
}

/** Bytes of standard input, kept between questions: a pasted text may answer several. */
class Keys {
  #pending: number[] = [];

  /** The next byte; null at the end. */
  async next(): Promise<number | null> {
    if (this.#pending.length === 0) {
      const buffer = new Uint8Array(1024);
      const count = await Deno.stdin.read(buffer);
      if (count === null) return null;
      this.#pending.push(...buffer.subarray(0, count));
    }
    return this.#pending.shift() ?? null;
  }
}

async function readHidden(keys: Keys): Promise<string | null> {
  const line = new HiddenLine();
  for (;;) {
    const byte = await keys.next();
    if (byte === null) return null;
    const state = line.key(byte);
    if (state !== "open") return state === "complete" ? line.text() : null;
  }
}

async function readLine(keys: Keys): Promise<string | null> {
  const bytes: number[] = [];
  for (;;) {
    const byte = await keys.next();
    if (byte === null && bytes.length === 0) return null;
    if (byte === null || ENTER.includes(byte)) {
      return new TextDecoder().decode(new Uint8Array(bytes));
    }
    bytes.push(byte);
  }
}

function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch (error) {
    // `roost config show | head` has seen enough.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** The terminal this process was started from. */
export function systemTerminal(): Terminal {
  const keys = new Keys();
  return {
    out: (text) => write(Deno.stdout, text),
    err: (text) => write(Deno.stderr, text),
    askHidden: async (prompt) => {
      if (!Deno.stdin.isTerminal()) return null;
      write(Deno.stderr, prompt);
      Deno.stdin.setRaw(true);
      try {
        return await readHidden(keys);
      } finally {
        Deno.stdin.setRaw(false);
        write(Deno.stderr, "\n");
      }
    },
    ask: async (prompt) => {
      if (!Deno.stdin.isTerminal()) return null;
      write(Deno.stderr, prompt);
      return await readLine(keys);
    },
    readAll: () => new Response(Deno.stdin.readable).text(),
  };
}
