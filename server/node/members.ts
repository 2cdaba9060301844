/**
 * The nodes of a cell as their rows in the store say: each node writes its row again and again, and
 * reads all of them. A row that changes is a sign of life; a node that can write its own has a fresh
 * lease. No two clocks are compared: each node measures with its own how long nothing has changed.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Ports, Store, StoreError, StoreKey } from "./ports.ts";

/** Time from one beat to the next (ms). */
export const MEMBER_BEAT_MS = 500;
/** How long an owner may answer from memory after the beginning of the last beat that the store took. */
export const LEASE_MS = 3000;
/** How long a node without a sign of life keeps its shards. */
export const TAKEOVER_MS = 4000;
/** How far two clocks may differ in what they call a second: a part of it, and more than any do. */
export const DRIFT = 0.1;
/** How long the others may vouch for a node without the store, where nothing else is said (ms). */
export const WITHOUT_STORE_MS = 120_000;

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
  /** The nodes of the cell, itself included, as it knew them; empty: nobody vouches for it. */
  readonly view: readonly NodeId[];
  /** Where clients reach it; "" where nothing is said. */
  readonly publicUrl: string;
  /** How long the others may vouch for it after its last sign of life (ms, by its own clock). */
  readonly withoutStoreMs: number;
  /** The latest of its beats after which it has read who owns what. */
  readonly looked: number;
  /** A random text that no other process has; "" where nothing is said. */
  readonly process: string;
}

/** What a node says of itself in its row besides its beats; all of it is optional. */
export interface MemberAbout {
  /** How long the others may vouch for this node without the store (ms). */
  readonly withoutStoreMs?: number | undefined;
  /** Where clients reach this node; "" where nothing is said. */
  readonly publicUrl?: string | undefined;
  /** A random text that no other process has; without it nobody notices an id that is used twice. */
  readonly process?: string | undefined;
  /** Whether a process has left the cell as an operator wanted it, whatever its row says. */
  readonly hasLeft?: (node: NodeRef) => boolean;
}

/** The row of a process that has not left. */
export interface MemberRow extends Member {
  /** For how long it has not changed, as far as this node can know (ms). */
  readonly silentMs: number;
}

interface Seen {
  readonly member: Member;
  /** When its row had changed last, by this node's clock. */
  seenMs: number;
  /** Since when its silence counts. */
  silentFromMs: number;
  /** The row of a former process that stands in the place of this one's, and has not changed. */
  readonly hiddenBy: Member | null;
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
  #looked = 0;
  /** Processes that are known without a row, by their nodes, and since when. */
  readonly #newer = new Map<NodeId, { readonly incarnation: number; sinceMs: number }>();
  /**
   * The views in this node's rows from the one on that has renewed its lease, and when each was
   * written last.
   */
  #views: { readonly view: readonly NodeId[]; readonly fromMs: number }[] = [];
  /** This node's own row, as it was read last. */
  #own: Member | null = null;
  readonly #about: Pick<Member, "withoutStoreMs" | "publicUrl" | "process">;
  readonly #hasLeft: (node: NodeRef) => boolean;

  constructor(id: NodeId, ports: Pick<Ports, "clock" | "store">, about: MemberAbout = {}) {
    if (TAKEOVER_MS * (1 - DRIFT) < LEASE_MS * (1 + DRIFT)) {
      throw new Error("A lease must end before others take over, by any two clocks");
    }
    this.#id = id;
    this.#ports = ports;
    const { withoutStoreMs = WITHOUT_STORE_MS, publicUrl = "", process = "" } = about;
    this.#about = { withoutStoreMs, publicUrl, process };
    this.#hasLeft = about.hasLeft ?? (() => false);
  }

  /** How long the others may vouch for this node without the store (ms). */
  get withoutStoreMs(): number {
    return this.#about.withoutStoreMs;
  }

  /** Where clients reach this node; "" where nothing is said. */
  get publicUrl(): string {
    return this.#about.publicUrl;
  }

  /** What this process has in its rows that no other process of its node has. */
  get process(): string {
    return this.#about.process;
  }

  /** The row of this node, as it was read last: a former process wrote it, or this one; null: none. */
  get own(): Member | null {
    return this.#own;
  }

  /** The nodes that have a row and have not left, but for this one. */
  get others(): readonly Member[] {
    return [...this.#others.values()].map(({ member }) => member)
      .filter((member) => !member.left && !this.#hasLeft(member));
  }

  /** Whether this node may answer from memory. */
  get leased(): boolean {
    return this.leaseAgeMs < LEASE_MS;
  }

  /** Time since the beginning of the beat that has renewed the lease (ms); infinite: none has. */
  get leaseAgeMs(): number {
    return this.#ports.clock.monoMs() - this.#leaseFromMs;
  }

  /** Number of this node's last beat. */
  get beats(): number {
    return this.#beat;
  }

  /** Whether this process has read who owns what after it had written its row. */
  get hasLooked(): boolean {
    return this.#looked > 0;
  }

  /** This node has read who owns what, after the beat with this number. */
  looked(beat: number): void {
    this.#looked = Math.max(this.#looked, beat);
  }

  /**
   * The nodes of the cell as this one's row in the store says, or has said since its lease was renewed:
   * others may have taken over by such a row, which this node finds out when it looks at the owners.
   */
  get views(): readonly (readonly NodeId[])[] {
    return this.#views.map(({ view }) => view);
  }

  /** The row of a process; null where its node has none, another process of it has, or it has left. */
  rowOf({ id, incarnation }: NodeRef): MemberRow | null {
    const seen = this.#others.get(id);
    if (seen === undefined) return null;
    const { member } = seen;
    if (member.incarnation < incarnation) return this.#hiddenRow({ id, incarnation }, member);
    if (member.incarnation > incarnation || member.left) return null;
    return { ...member, silentMs: this.#readMs - seen.silentFromMs };
  }

  /**
   * What is assumed of a process whose row was never seen here, for a late write of the former one
   * stands in its place: all nodes may vouch for it.
   */
  #hiddenRow({ id, incarnation }: NodeRef, former: Member): MemberRow | null {
    const known = this.#newer.get(id);
    if (known?.incarnation !== incarnation) return null;
    const view = [this.#id, ...this.#others.keys()];
    const { withoutStoreMs } = this.#about;
    const unknown = { beat: 0, looked: 0, process: "", left: false, view, withoutStoreMs };
    return { ...former, ...unknown, incarnation, silentMs: this.#readMs - known.sinceMs };
  }

  /** When this node saw that another one has left (monotonic, ms); without a row it is long ago. */
  leftMs(id: NodeId): number {
    return this.#others.get(id)?.seenMs ?? -Infinity;
  }

  /** The process of another node whose row has not left; null where it has none. */
  processOf(id: NodeId): NodeRef | null {
    const member = this.#others.get(id)?.member;
    return member === undefined || member.left ? null : member;
  }

  /**
   * Whether the process has shown a sign of life lately, and no later process of its node has. Only
   * listings show that none came: a node that was paused, or could not reach the store, takes nobody
   * for dead before it has read the rows for as long as that takes.
   */
  isAlive(node: NodeRef): boolean {
    const seen = this.#others.get(node.id);
    if (seen === undefined) return this.#isNewer(node, 0);
    if (seen.member.incarnation < node.incarnation) return this.#isNewer(node, TAKEOVER_MS);
    if (seen.member.incarnation > node.incarnation) return false;
    if (seen.member.left) return false;
    return this.#readMs - seen.silentFromMs < TAKEOVER_MS;
  }

  /**
   * A process without a row may be newer than what was read: it writes its row before it claims
   * anything. A listing that began after it was known shows whether it has one. Where that has a
   * former process of its node, a late write of that one stands in the place of its row: it has
   * `patienceMs` for its next beat.
   */
  #isNewer({ id, incarnation }: NodeRef, patienceMs: number): boolean {
    const known = this.#newer.get(id);
    if (known?.incarnation === incarnation) return this.#readMs - known.sinceMs < patienceMs;
    this.#newer.set(id, { incarnation, sinceMs: this.#ports.clock.monoMs() });
    return true;
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
        // Another reading that began later was faster.
        if (beganMs < this.#readMs) return done(null, incarnationOf(members, this.#id));
        const again = beganMs - this.#readMs >= LEASE_MS;
        this.#readMs = beganMs;
        this.#take(members, again);
        done(null, incarnationOf(members, this.#id));
      });
    page(null);
  }

  /**
   * `again`: this node has not read the rows for long. Others may have been kept from the store as it
   * was: their silence counts from now on.
   */
  #take(members: readonly Member[], again: boolean): void {
    const nowMs = this.#ports.clock.monoMs();
    if (again) { for (const known of this.#newer.values()) known.sinceMs = nowMs; }
    const others = members.filter(({ id }) => id !== this.#id);
    this.#own = members.find(({ id }) => id === this.#id) ?? null;
    this.#others = new Map(others.map((row) => {
      const before = this.#others.get(row.id);
      const hiddenBy = before !== undefined && isLate(row, before) ? row : null;
      const member = hiddenBy === null ? row : before!.member;
      const same = before !== undefined && isSame(before.member, member);
      const silentFromMs = same && !again ? before.silentFromMs : nowMs;
      const seenMs = same ? before.seenMs : nowMs;
      return [row.id, { member, seenMs, silentFromMs, hiddenBy }];
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
   * Renews the lease by a beat, after the owners were read since that beat ended: others may have
   * taken the shards of this node before.
   */
  renew(beganMs: number): void {
    this.#leaseFromMs = Math.max(this.#leaseFromMs, beganMs);
    this.#views = this.#views.filter(({ fromMs }) => fromMs >= this.#leaseFromMs);
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
    const view = [this.#id, ...this.others.map(({ id }) => id)];
    const about = { view, looked: this.#looked, ...this.#about };
    const row = { incarnation: self.incarnation, address, beat: this.#beat, left, ...about };
    const value = utf8.encode(JSON.stringify(row));
    const fromMs = this.#ports.clock.monoMs();
    const before = this.#views.filter((other) => other.view.join() !== view.join());
    this.#views = [...before, { view, fromMs }];
    this.#ports.store.write([{ kind: "set", key: [...PREFIX, self.id], value }], done);
  }
}

function isSame(one: Member, other: Member): boolean {
  return one.incarnation === other.incarnation && one.beat === other.beat;
}

/**
 * Whether a row was written before the one that is known, and the store has taken it late: a process
 * that has ended may have left one write on its way. One that lives writes again.
 */
function isLate(row: Member, { member, hiddenBy }: Seen): boolean {
  return row.incarnation < member.incarnation && (hiddenBy === null || isSame(row, hiddenBy));
}

function incarnationOf(members: readonly Member[], id: NodeId): number {
  return members.find((member) => member.id === id)?.incarnation ?? 0;
}

function parse(key: StoreKey, value: Uint8Array): Member {
  const row = JSON.parse(fromUtf8.decode(value));
  const { incarnation, address, beat, left } = row;
  const id = String(key[1]) as NodeId;
  // Rows of earlier versions do not say the rest.
  const about = {
    view: row.view ?? [],
    withoutStoreMs: row.withoutStoreMs ?? 0,
    looked: row.looked ?? 0,
    publicUrl: row.publicUrl ?? "",
    process: row.process ?? "",
  };
  return { id, incarnation, address, beat, left: left === true, ...about };
}

/**
 * Says in the rows of nodes whose processes are known to have ended that they have left, so that
 * others take over at once. What fails is found out by the others after a while.
 */
export function noteEnded(
  store: Pick<Store, "list" | "write">,
  ended: (id: string) => boolean,
  done: () => void,
): void {
  store.list({ prefix: PREFIX, after: null, limit: PAGE }, (error, rows) => {
    const own = error === null ? rows.filter(({ key }) => ended(String(key[1]))) : [];
    store.write(
      own.map(({ key, value }) => {
        const row = { ...JSON.parse(fromUtf8.decode(value)), address: "", left: true };
        return { kind: "set", key, value: utf8.encode(JSON.stringify(row)) };
      }),
      () => done(),
    );
  });
}
