/**
 * A cell without names joins the federation by itself, once it knows of a member. Whether it has names
 * is looked at only while that decides something: never in a lone cell, nor where all members know all
 * names.
 */
import type { Membership } from "./membership.ts";
import type { Runtime } from "../../node/ports.ts";
import type { Settled } from "./settled.ts";
import type { Sharing } from "./sharing.ts";

/** Time between two looks whether this cell is to join, at least (ms). */
const JOIN_MS = 2000;

/** What it needs. */
export interface JoiningDeps extends Pick<Runtime, "clock" | "log"> {
  readonly membership: Membership;
  readonly settled: Settled;
  readonly sharing: Sharing;
  /** Whether no node of the cell has names in memory. */
  isEmpty(done: (empty: boolean) => void): void;
}

/** See the head of this file. */
export class Joining {
  readonly #deps: JoiningDeps;
  #lookedMs = -JOIN_MS;
  #stopped = false;

  constructor(deps: JoiningDeps) {
    this.#deps = deps;
  }

  /** The next tick looks, whenever the last one has. */
  soon(): void {
    this.#lookedMs = -JOIN_MS;
  }

  /** Joins no more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Whether it matters if the cell has names: it could join, or may not tell of any to the others. */
  get #wonders(): boolean {
    const { membership: { current: { version }, joined, out }, sharing } = this.#deps;
    return joined ? version > 1 && sharing.version < version : version > 0 && !out;
  }

  /** Looks whether the cell is to join, where it is time for that. */
  tick(): void {
    const { clock, isEmpty, membership, settled } = this.#deps;
    const nowMs = clock.monoMs();
    if (nowMs - this.#lookedMs < JOIN_MS) return;
    if (!this.#wonders) return settled.forget();
    this.#lookedMs = nowMs;
    settled.glance((hasNames) => {
      const { current, joined, out } = membership;
      if (this.#stopped || joined || out || hasNames || current.version === 0) return;
      isEmpty((empty) => this.#join(current.version + 1, empty));
    });
  }

  /** `version`: the one that has this cell first; `empty`: it has given no names before that. */
  #join(version: number, empty: boolean): void {
    const { log, membership, sharing } = this.#deps;
    if (this.#stopped || membership.joined) return;
    membership.join(false, (result) => {
      if (!result.ok) log.debug("not joined yet", { why: result.message });
      else if (empty && result.value.version === version) sharing.begun(result.value);
    });
  }
}
