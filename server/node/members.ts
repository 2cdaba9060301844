/**
 * The nodes of a cell as their rows in the store say: each node writes its row again and again, and
 * reads all of them. A row that changes is a sign of life; a node that can write its own has a fresh
 * lease. No two clocks are compared: each node measures with its own how long nothing has changed.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Ports, StoreError, StoreKey } from "./ports.ts";

/** Time from one beat to the next (ms). */
export const MEMBER_BEAT_MS = 500;
/** How long an owner may answer from memory after the beginning of the last beat that the store took. */
export const LEASE_MS = 3000;
/** How long a node without a sign of life keeps its shards. */
export const TAKEOVER_MS = 4000;

/** How long a row without a sign of life stays: so long no process is numbered anew. */
const FORGET_MS = 86_400_000;

const PREFIX: StoreKey = ["node"];
/** Rows of one page of a listing. */
const PAGE = 500;

/** Another node of the cell. */
export interface Member extends NodeRef {
  readonly address: string;
  readonly beat: number;
  /** It has left the cell: its row stays, for the number of its last process. */
  readonly left: boolean;
}

interface Seen {
  readonly member: Member;
  /** When its row had changed last, by this node's clock. */
  seenMs: number;
  /** Since when its silence counts. */
  silentFromMs: number;
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** See the head of this file. */
export class Members {
  readonly #ports: Pick<Ports, "clock" | "store">;
  readonly #id: NodeId;
  #others = new Map<NodeId, Seen>();
  #beat = 0;
  /** When the beat began that has renewed the lease. */
  #leaseFromMs = -Infinity;
  /** When the last listing of the rows began that the store returned. */
  #readMs = -Infinity;

  constructor(id: NodeId, ports: Pick<Ports, "clock" | "store">) {
    this.#id = id;
    this.#ports = ports;
  }

  /** The nodes that have a row and have not left, but for this one. */
  get others(): readonly Member[] {
    return [...this.#others.values()].map(({ member }) => member).filter(({ left }) => !left);
  }

  /** Whether this node may answer from memory. */
  get leased(): boolean {
    return this.#ports.clock.monoMs() - this.#leaseFromMs < LEASE_MS;
  }

  /**
   * Whether the process has shown a sign of life lately, and no later process of its node has. Only
   * listings show that none came: a node that was paused, or could not reach the store, takes nobody
   * for dead before it has read the rows for as long as that takes.
   */
  isAlive({ id, incarnation }: NodeRef): boolean {
    const seen = this.#others.get(id);
    if (seen === undefined || seen.member.incarnation !== incarnation) return false;
    if (seen.member.left) return false;
    return this.#readMs - seen.silentFromMs < TAKEOVER_MS;
  }

  /** Reads all rows; calls back with the incarnation of this node's own row, 0 where it has none. */
  read(done: (error: StoreError | null, incarnation: number) => void): void {
    const beganMs = this.#ports.clock.monoMs();
    const members: Member[] = [];
    const page = (after: StoreKey | null) =>
      this.#ports.store.list({ prefix: PREFIX, after, limit: PAGE }, (error, rows) => {
        if (error !== null) return done(error, 0);
        members.push(...rows.map(({ key, value }) => parse(key, value)));
        if (rows.length === PAGE) return page(rows.at(-1)!.key);
        const again = beganMs - this.#readMs >= LEASE_MS;
        this.#readMs = beganMs;
        this.#take(members, again);
        done(null, members.find(({ id }) => id === this.#id)?.incarnation ?? 0);
      });
    page(null);
  }

  /**
   * `again`: this node has not read the rows for long. Others may have been kept from the store as it
   * was: their silence counts from now on.
   */
  #take(members: readonly Member[], again: boolean): void {
    const nowMs = this.#ports.clock.monoMs();
    const others = members.filter(({ id }) => id !== this.#id);
    this.#others = new Map(others.map((member) => {
      const before = this.#others.get(member.id);
      const same = before?.member.incarnation === member.incarnation &&
        before.member.beat === member.beat;
      const silentFromMs = same && !again ? before.silentFromMs : nowMs;
      return [member.id, { member, seenMs: same ? before.seenMs : nowMs, silentFromMs }];
    }));
    const forgotten = [...this.#others.values()].filter(({ seenMs }) => nowMs - seenMs > FORGET_MS)
      .map(({ member }) => ({ kind: "delete", key: [...PREFIX, member.id] } as const));
    // A node that lives all the same writes its row again; what fails now is tried at the next beat.
    if (forgotten.length > 0) this.#ports.store.write(forgotten.slice(0, PAGE), () => {});
  }

  /**
   * Writes this node's row and reads all of them; calls back with when it began (monotonic, ms),
   * which is what `renew` wants.
   */
  beat(
    self: NodeRef,
    address: string,
    done: (error: StoreError | null, beganMs: number) => void,
  ): void {
    const beganMs = this.#ports.clock.monoMs();
    this.#write(self, address, false, (error) => {
      if (error !== null) return done(error, beganMs);
      this.read((error) => done(error, beganMs));
    });
  }

  /**
   * Renews the lease by a beat. Where it had expired, only after the owners were read since that
   * beat began: others may have taken the shards of this node meanwhile.
   */
  renew(beganMs: number): void {
    this.#leaseFromMs = Math.max(this.#leaseFromMs, beganMs);
  }

  /** Says in this node's row that it has left: it has no lease any more. */
  leave(self: NodeRef, done: () => void): void {
    this.#leaseFromMs = -Infinity;
    this.#write(self, "", true, () => done());
  }

  #write(
    self: NodeRef,
    address: string,
    left: boolean,
    done: (error: StoreError | null) => void,
  ): void {
    this.#beat++;
    const row = { incarnation: self.incarnation, address, beat: this.#beat, left };
    const value = utf8.encode(JSON.stringify(row));
    this.#ports.store.write([{ kind: "set", key: [...PREFIX, self.id], value }], done);
  }
}

function parse(key: StoreKey, value: Uint8Array): Member {
  const { incarnation, address, beat, left } = JSON.parse(fromUtf8.decode(value));
  return { id: String(key[1]) as NodeId, incarnation, address, beat, left: left === true };
}
