/**
 * Looks at what the store says about owners. One look runs at a time, and another follows where one
 * is asked for meanwhile. A look that begins after a beat renews this node's lease, for it shows
 * which shards are left to it.
 */
import { decodeTable, type ShardTable, withEpochs } from "../../shard/table/table.ts";
import { type Holder, type StoreError, TABLE_REGISTER } from "./ports.ts";
import type { Members } from "./members.ts";
import type { NodeParts } from "./parts.ts";

/** What a look leads to. */
interface Seen {
  /** Whether this node is writing a shard table. */
  writing(): boolean;
  /** The shard table has another version in the store. */
  tableChanged(table: ShardTable, version: number): void;
  /** These nodes own shards. */
  learn(holders: readonly Holder[]): void;
  /** The lease is fresh again. */
  renewed(): void;
  /** The look has ended; null: with all that it asked for. */
  over(error: StoreError | null): void;
}

/** A beat that renews the lease after the next look. */
interface Beat {
  readonly beganMs: number;
  readonly number: number;
}

/** See the head of this file. */
export class OwnerLook {
  readonly #parts: () => NodeParts;
  readonly #members: Members;
  readonly #seen: Seen;
  #looking = false;
  #lookAgain = false;
  #stopped = false;
  /** Called after the next look that begins. */
  #after: (() => void)[] = [];
  #beat: Beat | null = null;

  constructor(parts: () => NodeParts, members: Members, seen: Seen) {
    this.#parts = parts;
    this.#members = members;
    this.#seen = seen;
  }

  /** This node's row was written: the next look renews the lease from `beganMs` on. */
  beat(beganMs: number): void {
    this.#beat = { beganMs, number: this.#members.beats };
    this.look();
  }

  /** Looks; `done`, where it is given, is called after a look that begins from now on. */
  look(done?: () => void): void {
    if (done !== undefined) this.#after.push(done);
    if (this.#looking) return void (this.#lookAgain = true);
    this.#looking = true;
    const after = this.#after;
    this.#after = [];
    this.#ask(this.#beat, (error) => {
      this.#looking = false;
      for (const looked of after) looked();
      this.#seen.over(error);
      if (!this.#lookAgain || this.#stopped) return;
      this.#lookAgain = false;
      this.look();
    });
  }

  /** No look follows the one that runs. */
  stop(): void {
    this.#stopped = true;
  }

  #ask(beat: Beat | null, over: (error: StoreError | null) => void): void {
    const { control, map, ports: { store } } = this.#parts();
    store.register(TABLE_REGISTER, (error, register) => {
      if (error !== null || register === null) return over(error);
      store.holders((error, holders) => {
        if (error !== null) return over(error);
        const stored = decodeTable(register.value);
        if (stored.version > map.table.version && !this.#seen.writing()) {
          this.#seen.tableChanged(withEpochs(stored, holders), register.version);
        }
        this.#seen.learn(holders);
        this.#renew(beat);
        control.read(over);
      });
    });
  }

  #renew(beat: Beat | null): void {
    if (beat === null) return;
    this.#members.renew(beat.beganMs);
    this.#members.looked(beat.number);
    if (this.#beat === beat) this.#beat = null;
    this.#seen.renewed();
  }
}
