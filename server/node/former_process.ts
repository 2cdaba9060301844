/**
 * Finds out whether two processes have the same node id, as after a copy of a data directory: both
 * would write one row, and others would take each for the end of the other. The process that began
 * later must not serve; the other one goes on.
 */
import type { Member, Members } from "./members.ts";
import type { NodeParts } from "./parts.ts";
import type { PeerLinks } from "./peers.ts";
import type { StoreError, Timers } from "./ports.ts";
import { MEMBER_BEAT_MS } from "./members.ts";

/** Looks at the row of a former process before it counts as ended; a live one writes it each time. */
const LOOKS = 4;
/**
 * Beats of another process that show that it lives: a process that was killed may have left one
 * write on its way.
 */
const BEATS_MIN = 2;

/** Another process with this node's id lives, which began earlier; the message says what to change. */
export class NodeIdUsedTwice extends Error {
  override readonly name = "NodeIdUsedTwice";
}

/** Beats from one look at this node's own row to the next, while the process runs. */
const LOOK_BEATS = 2;

/** What it needs of its node. */
export interface FormerParts {
  readonly options: Pick<NodeParts["options"], "usedTwice">;
  readonly ownership: Pick<NodeParts["ownership"], "self">;
  readonly ports: Pick<NodeParts["ports"], "log">;
}

/** See the head of this file. */
export class FormerProcess {
  readonly #members: Members;
  readonly #beats = new Set<string>();
  #known = false;

  constructor(members: Members) {
    this.#members = members;
  }

  /**
   * Reads the rows of all nodes before this process begins; calls back with the incarnation of its
   * node's last process. Where that one has not left, this waits 2 s for a sign of life of it, unless
   * is known to have ended: this process itself listens where it did, or nobody of this machine does.
   * An error of kind `failed` where it lives.
   */
  await(
    timers: Pick<Timers, "after">,
    links: Pick<PeerLinks, "address" | "exclusive" | "hasEnded">,
    done: (error: StoreError | null, incarnation: number) => void,
  ): void {
    const beats = new Set<number>();
    const look = (left: number): void =>
      this.#members.read((error, incarnation) => {
        const row = this.#members.own;
        const ended = row === null || row.left || links.exclusive && row.address === links.address;
        if (error !== null || ended) return done(error, incarnation);
        beats.add(row.beat);
        if (beats.size > BEATS_MIN) return done(failure(row), incarnation);
        const goOn = () => timers.after(MEMBER_BEAT_MS, () => look(left - 1));
        if (left === 0) done(null, incarnation);
        else if (left < LOOKS) goOn();
        else links.hasEnded(row.address, (ended) => ended ? done(null, incarnation) : goOn());
      });
    look(LOOKS);
  }

  /**
   * Looks whether another process writes the row of this one; each has a text of its own in it. Calls
   * `done`, or `usedTwice` where this process must end.
   */
  look({ options, ownership: { self }, ports: { log } }: FormerParts, done: () => void): void {
    const { process, beats } = this.#members;
    if (this.#known || process === "" || beats % LOOK_BEATS !== 0) return done();
    this.#members.read(() => {
      const row = this.#members.own;
      const own = row?.incarnation === self.incarnation && row.process === process;
      if (row === null || row.left || own) return done();
      this.#beats.add(`${row.incarnation} ${row.process} ${row.beat}`);
      if (this.#beats.size <= BEATS_MIN) return done();
      this.#known = true;
      const first = row.incarnation === self.incarnation
        ? process < row.process
        : self.incarnation < row.incarnation;
      if (!first) return options.usedTwice?.(failure(row).message);
      log.error("node id used twice: the other process must end", { node: self.id });
      done();
    });
  }
}

function failure({ id, address }: Member): StoreError {
  const message =
    `Cannot run as node ${id}: another process with this id runs at ${address}. Each ` +
    "node needs a data directory of its own: stop that process, or give a new directory with --data.";
  return { kind: "failed", message };
}
