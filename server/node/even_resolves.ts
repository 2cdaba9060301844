/**
 * When shards learn which account has a name. How long that takes depends on whether the account is
 * in memory, and so on whether its user is online: a client that writes to a stranger, or asks to
 * subscribe, must not be able to measure it. Each answer leaves at the end of the step of time in
 * which it came; the first ends at a random moment, which hides what is left of the difference.
 */
import { type EvenPorts, steps } from "./even_answers.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

/** Longer than reading an account takes, even on a server with much to do (ms). */
const STEP_MS = 10;
/** Steps after which a question without an answer is forgotten: requests do not wait so long. */
const STEPS_MAX = 1000;

interface Question {
  leave: (() => void) | null;
  steps: number;
}

/** See the head of this file. */
export class EvenResolves {
  readonly #ports: EvenPorts;
  readonly #open = new Map<string, Question>();

  constructor(ports: EvenPorts) {
    this.#ports = ports;
  }

  /** Questions without an answer. */
  get size(): number {
    return this.#open.size;
  }

  /** A question arrives; a repeated one changes nothing. */
  asked({ from, to }: ShardPacket & { kind: "resolve" }): void {
    const key = `${from}\0${to}`;
    if (this.#open.has(key)) return;
    const question: Question = { leave: null, steps: 0 };
    this.#open.set(key, question);
    steps(this.#ports, STEP_MS, () => {
      if (this.#open.get(key) !== question) return true;
      if (question.leave === null && ++question.steps < STEPS_MAX) return false;
      this.#open.delete(key);
      question.leave?.();
      return true;
    });
  }

  /** A question is answered elsewhere. */
  forget({ from, to }: ShardPacket & { kind: "resolve" }): void {
    this.#open.delete(`${from}\0${to}`);
  }

  /** Its answer exists: `leave` is called when it may leave. */
  answered({ from, to }: ShardPacket & { kind: "resolved" }, leave: () => void): void {
    const question = this.#open.get(`${to}\0${from}`);
    if (question === undefined) leave();
    else question.leave = leave;
  }
}
