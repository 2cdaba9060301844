/**
 * Questions that are asked of other cells, as `Asks` does within one: any linked node of a cell replies
 * for all of it. Questions and replies are JSON texts; a cell without that question does not reply.
 */
import type { Cancel, Runtime } from "../../node/ports.ts";
import type { CellName } from "../../../shard/name/ids.ts";
import type { LinkFrame } from "./frames.ts";
import type { Linked } from "./sayings.ts";

/** How long a cell may take (ms). */
const REPLY_MS = 4000;
/** Characters of a question that says nothing else; a reply has at most what a frame may have. */
const INPUT_CHARS_MAX = 1024;

type Replier = (input: string, done: (reply: string) => void, from: CellName) => void;

/** A question to a cell. */
export interface CellQuestion {
  readonly what: string;
  readonly input: string;
  /** How long the cell may take (ms). */
  readonly replyMs: number;
}

/** What other cells have replied, with those that have not. */
export interface CellReplies {
  readonly replies: readonly { readonly cell: CellName; readonly reply: string }[];
  readonly missing: readonly CellName[];
}

/** What it needs. */
export interface CellQueriesDeps extends Pick<Runtime, "timers"> {
  /** Other cells that are known. */
  cells(): readonly CellName[];
  isLinked(cell: CellName): boolean;
  /** Sends a frame to some node of a cell; lost where none is linked. */
  send(cell: CellName, frame: LinkFrame): void;
}

interface Asked {
  readonly cell: CellName;
  readonly cancel: Cancel;
  readonly done: (reply: string | null) => void;
}

/** See the head of this file. */
export class CellQueries {
  readonly #deps: CellQueriesDeps;
  readonly #repliers = new Map<string, { readonly charsMax: number; readonly reply: Replier }>();
  readonly #asked = new Map<number, Asked>();
  #number = 0;

  constructor(deps: CellQueriesDeps) {
    this.#deps = deps;
  }

  /** Registers how this cell replies to a question of `charsMax` characters at most. */
  on(what: string, reply: Replier, charsMax = INPUT_CHARS_MAX): void {
    this.#repliers.set(what, { reply, charsMax });
  }

  /** Asks one cell; null where it has not replied in time, or is not linked. */
  one(cell: CellName, question: CellQuestion, done: (reply: string | null) => void): void {
    this.#ask(cell, question, done);
  }

  /** Asks all other cells. */
  all(what: string, input: string, done: (all: CellReplies) => void): void {
    const replies: { cell: CellName; reply: string }[] = [];
    const missing: CellName[] = [];
    const cells = this.#deps.cells();
    let left = cells.length;
    if (left === 0) return done({ replies, missing });
    for (const cell of cells) {
      this.#ask(cell, { what, input, replyMs: REPLY_MS }, (reply) => {
        if (reply === null) missing.push(cell);
        else replies.push({ cell, reply });
        if (--left === 0) done({ replies, missing });
      });
    }
  }

  #ask(
    cell: CellName,
    { what, input, replyMs }: CellQuestion,
    done: (reply: string | null) => void,
  ): void {
    const { isLinked, send, timers } = this.#deps;
    if (!isLinked(cell)) return done(null);
    const n = ++this.#number;
    const cancel = timers.after(replyMs, () => this.#settle(n, null));
    this.#asked.set(n, { cell, cancel, done });
    send(cell, { kind: "query", n, what, input });
  }

  /** Takes a question of another cell, or the reply to one of this one. */
  take({ node: { cell }, link }: Linked, frame: LinkFrame): void {
    if (frame.kind === "query") {
      const { input, n, what } = frame;
      const replier = this.#repliers.get(what);
      if (replier === undefined || input.length > replier.charsMax) return;
      replier.reply(input, (reply) => void link.send({ kind: "queried", n, reply }), cell);
    } else if (frame.kind === "queried" && this.#asked.get(frame.n)?.cell === cell) {
      this.#settle(frame.n, frame.reply);
    }
  }

  #settle(n: number, reply: string | null): void {
    const asked = this.#asked.get(n);
    this.#asked.delete(n);
    asked?.cancel();
    asked?.done(reply);
  }
}
