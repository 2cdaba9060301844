/** The supervisor's side of a role that its workers serve by: see `role_lease.ts`. */
import type { SupervisorLine, WorkerLine } from "./share.ts";
import type { TakeUnreplicated } from "../standby/unreplicated_delivery.ts";

/** Says a line to a worker. */
export type SayLine = (line: SupervisorLine) => void;

/** See the head of this file. */
export class RoleLender {
  readonly #lend: () => number;
  /** How to say something to the workers that serve, by their numbers. */
  readonly #serving = new Map<number, SayLine>();
  readonly #taken = new Map<number, () => void>();
  #last = 0;

  /** `lend`: for how long a worker may reply to requests from now on (ms). */
  constructor(lend: () => number) {
    this.#lend = lend;
  }

  /** Takes what a worker says. */
  said(worker: number, line: WorkerLine, say: SayLine): void {
    switch (line.kind) {
      case "lease":
        return say({ kind: "lease", n: line.n, ms: this.#lend() });
      case "serving":
        return void this.#serving.set(worker, say);
      case "resubmitted": {
        const taken = this.#taken.get(line.n);
        this.#taken.delete(line.n);
        return taken?.();
      }
    }
  }

  /** A worker has ended. What it was to send again is not taken: it is given once more. */
  exited(worker: number): void {
    this.#serving.delete(worker);
    this.#taken.clear();
  }

  /** Has a worker send messages again; where none serves, nothing is taken. */
  readonly resubmit: TakeUnreplicated = (messages, taken) => {
    const [say] = this.#serving.values();
    if (say === undefined) return;
    const n = ++this.#last;
    this.#taken.set(n, taken);
    say({ kind: "resubmit", n, messages });
  };
}
