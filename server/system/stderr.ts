import { runCallback } from "./callback.ts";

/** Where finished log lines go. */
export interface LogOut {
  /** Takes a line without its end. Never blocks, never throws. */
  write(line: string): void;
  /** Calls back when everything taken so far is written or given up. */
  flush(done: () => void): void;
}

/**
 * Standard error, written off the event loop: a reader that stalls must not stop the node. Up to
 * `pendingCharsMax` characters wait for it; beyond that lines are dropped, and the line that
 * `droppedLine` makes of their number says so when it takes lines again. When it is gone for good
 * (EPIPE), lines are dropped in silence.
 */
export function stderrOut(
  options: {
    readonly pendingCharsMax: number;
    readonly droppedLine: (count: number) => string;
  },
): LogOut {
  return new WriterOut((bytes) => Deno.stderr.write(bytes), options);
}

/** `LogOut` over any writer that takes some of the bytes it is given and says how many. */
export class WriterOut implements LogOut {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #pendingCharsMax: number;
  readonly #droppedLine: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #pending: string[] = [];
  #pendingChars = 0;
  #dropped = 0;
  #writing = false;
  #broken = false;
  #flushes: (() => void)[] = [];

  constructor(
    write: (bytes: Uint8Array) => Promise<number>,
    options: {
      readonly pendingCharsMax: number;
      readonly droppedLine: (count: number) => string;
    },
  ) {
    this.#write = write;
    this.#pendingCharsMax = options.pendingCharsMax;
    this.#droppedLine = options.droppedLine;
  }

  write(line: string): void {
    if (this.#broken) return;
    if (this.#pendingChars + line.length > this.#pendingCharsMax) {
      this.#dropped += 1;
      return;
    }
    this.#pending.push(line);
    this.#pendingChars += line.length;
    this.#start();
  }

  flush(done: () => void): void {
    this.#flushes.push(done);
    this.#start();
  }

  #start(): void {
    if (this.#writing) return;
    this.#writing = true;
    // Off the caller's stack, so that the lines of one turn make one write.
    queueMicrotask(() => this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0 || this.#dropped > 0) {
      const lines = this.#pending;
      if (this.#dropped > 0) lines.push(this.#droppedLine(this.#dropped));
      this.#pending = [];
      this.#dropped = 0;
      try {
        await this.#writeAll(this.#encoder.encode(lines.join("\n") + "\n"));
      } catch {
        // There is nobody to tell: this was the way to tell.
        this.#broken = true;
        this.#pending = [];
      }
      this.#pendingChars = this.#pending.reduce((sum, line) => sum + line.length, 0);
    }
    this.#writing = false;
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const done of flushes) runCallback(done);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let from = 0;
    while (from < bytes.length) from += await this.#write(bytes.subarray(from));
  }
}
