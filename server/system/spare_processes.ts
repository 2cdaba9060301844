/** Processes of this program that have started and wait for what they are to serve. */
import { type OwnProcess, type OwnProcessEvents, startOwn } from "./worker_process.ts";

interface Spare {
  readonly process: OwnProcess;
  /** Null while it waits. */
  events: OwnProcessEvents | null;
}

/** See the head of this file. */
export class SpareProcesses {
  readonly #args: readonly string[];
  readonly #count: number;
  readonly #waiting: Spare[] = [];

  /** `count`: how many may wait at once. */
  constructor(args: readonly string[], count: number) {
    this.#args = args;
    this.#count = count;
  }

  /** Starts as many as are missing: their start is then no part of a takeover. */
  prepare(): void {
    while (this.#waiting.length < this.#count) this.#waiting.push(this.#start());
  }

  /** Takes one that waits, or a new one. */
  take(events: OwnProcessEvents): OwnProcess {
    const spare = this.#waiting.shift() ?? this.#start();
    spare.events = events;
    return spare.process;
  }

  /** Ends those that wait. */
  end(): void {
    for (const { process } of this.#waiting.splice(0)) process.kill();
  }

  #start(): Spare {
    const spare: Spare = {
      events: null,
      process: startOwn(this.#args, {
        said: (line) => spare.events?.said(line),
        logged: (line) => spare.events?.logged(line),
        exited: (code) => {
          const at = this.#waiting.indexOf(spare);
          if (at >= 0) this.#waiting.splice(at, 1);
          spare.events?.exited(code);
        },
      }),
    };
    return spare;
  }
}
