/**
 * Moves all accounts of this cell to other ones, so many a second. The order is a value of the cell,
 * with how far it has got; the node that has the first shard carries it out. What it has begun goes on
 * by itself, whatever becomes of that node: see `Moves`. Passes over all accounts are made until one
 * finds nothing to move.
 */
import type { AccountName, CellName } from "../../shard/name/ids.ts";
import { cellJson, CellValue, type Registers } from "./cell_value.ts";
import type { AccountPage } from "./account_listing.ts";
import type { Cancel, Runtime, StoreKey } from "./ports.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { newId, POINT_SPACE } from "../../shard/name/ids.ts";
import type { Router } from "./router.ts";

/** How often moves are begun and looked at (ms). */
const STEP_MS = 250;
/** Accounts of one page. */
const PAGE = 200;
/** Moves on their way at once, at most. */
const MOVING_MAX = 256;
/** How often what has happened is stored (ms). */
const SAVE_MS = 1000;

/** What operators have ordered, and how far it is. */
export interface EvacuationOrder {
  readonly id: string;
  readonly to: readonly CellName[];
  readonly perSecond: number;
  readonly state: "running" | "paused" | "stopped" | "done";
  /** Accounts up to this key were looked at in this pass; null: none were. */
  readonly after: StoreKey | null;
  /** Passes before this one. */
  readonly passes: number;
  /** Moves that this pass has begun. */
  readonly begun: number;
  readonly moved: number;
  /** Moves on their way, when it was stored. */
  readonly moving: number;
  /** Times in ms since 1970; 0: it is not over. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** The value of a cell. */
export const EVACUATION_FORMAT = cellJson<EvacuationOrder | null>(
  "evacuation",
  (done) => done(null, null),
);

/** What it needs of its node. */
export interface EvacuationHost extends Runtime {
  readonly store: Registers;
  readonly router: Pick<Router, "request">;
  listAccounts(after: StoreKey | null, limit: number, done: AccountPage): void;
  /** Whether this node carries the order out. */
  isFirst(): boolean;
  /** Whether the cell is a member of the federation that can be reached now. */
  isLinked(cell: CellName): boolean;
}

/**
 * About how many accounts are still to move, from the part of all that this pass has looked at: keys
 * are in the order of hashes of the names. Null: this pass has found none so far.
 */
export function remainingOf({ after, begun, moving, state }: EvacuationOrder): number | null {
  if (state === "done") return 0;
  const looked = lookedAt(after);
  return looked === 0 || begun === 0 ? null : moving + Math.round(begun * (1 - looked) / looked);
}

/** Which part of all accounts has a key up to this one. */
function lookedAt(after: StoreKey | null): number {
  const point = after?.[1];
  return typeof point === "number" ? point / POINT_SPACE : 0;
}

type Done = (result: Result<EvacuationOrder | null>) => void;

/** See the head of this file. */
export class Evacuation {
  readonly #host: EvacuationHost;
  readonly #value: CellValue<EvacuationOrder | null>;
  #order: EvacuationOrder | null = null;
  /** Accounts on their way; `refused`: the other cell takes in fewer. */
  readonly #moving = new Map<AccountName, "begun" | "refused">();
  /** Accounts that are still to be looked at, and where the next page begins. */
  #page: AccountName[] = [];
  #pageEnd: StoreKey | null = null;
  #isLast = false;
  #lists = false;
  /** Moves that may be begun now. */
  #tokens = 0;
  #steppedMs: number;
  #savedMs = 0;
  #stopped = false;
  #next: Cancel = () => {};
  #unwatch: Cancel = () => {};

  constructor(host: EvacuationHost) {
    this.#host = host;
    this.#value = new CellValue(host.store, EVACUATION_FORMAT);
    this.#steppedMs = host.clock.monoMs();
  }

  /** Goes on with what was ordered before. */
  start(): void {
    this.#value.onChange = (order) => this.#take(order);
    this.#unwatch = this.#value.watch();
    this.#load();
  }

  #load(): void {
    this.#value.load((error, order) => {
      if (error === null) this.#take(order);
      else if (!this.#stopped) this.#next = this.#host.timers.after(STEP_MS, () => this.#load());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#next();
    this.#unwatch();
  }

  /** The order as it is stored; null: there never was one. */
  view(done: Done): void {
    // By another reader: what was read here would be no change that this one notices.
    new CellValue(this.#host.store, EVACUATION_FORMAT).load((error, order) => {
      if (error !== null) return done(fail("unavailable", error.message, 1000));
      const own = this.progress;
      done(ok(own?.id === order?.id ? own : order));
    });
  }

  /** What this node knows of the order that it carries out; null: there is none, or another node does. */
  get progress(): EvacuationOrder | null {
    if (this.#order === null || !this.#host.isFirst()) return null;
    return { ...this.#order, moving: this.#moving.size };
  }

  /** Begins an evacuation; `conflict` where one goes on. */
  order(to: readonly CellName[], perSecond: number, done: Done): void {
    const { clock, random } = this.#host;
    const fresh: EvacuationOrder = {
      id: newId(random.bytes(12)),
      to,
      perSecond,
      state: "running",
      after: null,
      passes: 0,
      begun: 0,
      moved: 0,
      moving: 0,
      startedAt: clock.wallMs(),
      endedAt: 0,
    };
    let goesOn = false;
    this.#change((order) => {
      goesOn = order?.state === "running" || order?.state === "paused";
      return goesOn ? null : fresh;
    }, (result) => {
      done(goesOn ? fail("conflict", "An evacuation goes on already: stop it first") : result);
    });
  }

  /**
   * Pauses it, goes on with it, gives it up, or changes its rate (null: as it was). What has begun to
   * move moves all the same.
   */
  set(
    state: "running" | "paused" | "stopped" | null,
    perSecond: number | null,
    done: Done,
  ): void {
    let over = false;
    this.#change((order) => {
      over = order === null || order.state === "done" || order.state === "stopped";
      if (order === null || over) return null;
      const next = { state: state ?? order.state, perSecond: perSecond ?? order.perSecond };
      return { ...order, ...next, endedAt: state === "stopped" ? this.#host.clock.wallMs() : 0 };
    }, (result) => done(over ? fail("conflict", "No evacuation goes on") : result));
  }

  #change(change: (order: EvacuationOrder | null) => EvacuationOrder | null, done: Done): void {
    this.#value.update(change, (error, order) => {
      if (error !== null) return done(fail("unavailable", error.message, 1000));
      this.#take(order);
      done(ok(order));
    });
  }

  #take(order: EvacuationOrder | null): void {
    if (this.#stopped) return;
    const own = this.#order;
    if (order?.id !== own?.id) this.#forget();
    // What has happened since it was stored is known here only.
    const ahead = own !== null && own.id === order?.id && isAhead(own, order);
    this.#order = ahead ? { ...order, ...progressOf(own) } : order;
    if (this.#goesOn) this.#schedule();
    else this.#next();
  }

  /** Whether there are moves to begin, or to look at: those that have begun are not given up. */
  get #goesOn(): boolean {
    return !this.#stopped && (this.#order?.state === "running" || this.#moving.size > 0);
  }

  #forget(): void {
    this.#moving.clear();
    this.#page = [];
    this.#pageEnd = null;
    this.#isLast = false;
  }

  #schedule(): void {
    this.#next();
    this.#next = this.#host.timers.after(STEP_MS, () => {
      this.#step();
      if (this.#goesOn) this.#schedule();
      else if (!this.#stopped) this.#save(this.#host.clock.monoMs());
    });
  }

  #step(): void {
    const { clock, isFirst } = this.#host;
    const order = this.#order;
    if (this.#stopped || order === null) return;
    if (!isFirst.call(this.#host)) return this.#forget();
    const nowMs = clock.monoMs();
    const gained = (nowMs - this.#steppedMs) / 1000 * order.perSecond;
    this.#steppedMs = nowMs;
    this.#tokens = Math.min(this.#tokens + gained, Math.max(1, order.perSecond));
    for (const name of this.#moving.keys()) this.#look(name);
    // The other cells want fewer.
    const refused = [...this.#moving.values()].filter((state) => state === "refused").length;
    if (order.state === "running" && refused * 4 <= this.#moving.size) this.#beginSome(order);
    if (nowMs - this.#savedMs >= SAVE_MS) this.#save(nowMs);
  }

  #beginSome(order: EvacuationOrder): void {
    const most = Math.min(MOVING_MAX, Math.max(16, order.perSecond * 2));
    while (this.#tokens >= 1 && this.#moving.size < most) {
      const name = this.#page.shift();
      if (name === undefined) return this.#nextPage(order);
      this.#tokens--;
      this.#begin(order, name);
    }
  }

  #begin(order: EvacuationOrder, name: AccountName): void {
    const { isLinked, random, router } = this.#host;
    const linked = order.to.filter((cell) => isLinked.call(this.#host, cell));
    const to = linked[Math.floor(random.number() * linked.length)];
    if (to === undefined) return void this.#page.unshift(name);
    this.#moving.set(name, "begun");
    const move = newId<never>(random.bytes(12)) as string;
    router.request(name, "move.begin", { to, move }, (result) => {
      if (this.#order?.id !== order.id) return;
      const moved = result.ok && result.value.phase === "moved";
      if (!moved && (result.ok || result.code === "conflict")) return this.#count({ begun: 1 });
      this.#moving.delete(name);
      // It is no account of this cell, or not any more: that was for nothing.
      if (result.ok || result.code === "not_found") this.#tokens++;
      else this.#page.push(name);
    });
  }

  #look(name: AccountName): void {
    const id = this.#order?.id;
    this.#host.router.request(name, "move.state", {}, (result) => {
      if (this.#order?.id !== id || !this.#moving.has(name)) return;
      if (!result.ok) {
        if (result.code === "not_found") this.#moving.delete(name);
        return;
      }
      const view = result.value;
      if (view !== null && view.phase !== "moved") {
        this.#moving.set(name, view.refused === "busy" ? "refused" : "begun");
        return;
      }
      this.#moving.delete(name);
      if (view !== null) this.#count({ moved: 1 });
    });
  }

  #count({ begun = 0, moved = 0 }: { readonly begun?: number; readonly moved?: number }): void {
    const order = this.#order;
    if (order === null) return;
    this.#order = { ...order, begun: order.begun + begun, moved: order.moved + moved };
  }

  #nextPage(order: EvacuationOrder): void {
    if (this.#lists) return;
    if (this.#isLast) return this.#endPass();
    if (this.#pageEnd !== null) this.#order = { ...order, after: this.#pageEnd };
    const after = this.#order!.after;
    this.#lists = true;
    this.#host.listAccounts(after, PAGE, (error, names, next) => {
      this.#lists = false;
      if (error !== null || this.#order?.id !== order.id) return;
      this.#page.push(...names);
      this.#pageEnd = next;
      this.#isLast = next === null;
    });
  }

  /** All of a pass was begun: it ends with its last move. */
  #endPass(): void {
    const order = this.#order;
    if (order === null || this.#moving.size > 0) return;
    const done = order.begun === 0;
    const { clock } = this.#host;
    this.#pageEnd = null;
    this.#isLast = false;
    const over = done ? { state: "done", endedAt: clock.wallMs() } as const : {};
    this.#order = { ...order, ...over, after: null, begun: 0, passes: order.passes + 1 };
    this.#save(clock.monoMs());
    this.#host.log.info("evacuation pass ended", { moved: order.moved, done });
  }

  #save(nowMs: number): void {
    const own = this.#order;
    if (own === null) return;
    this.#savedMs = nowMs;
    const { endedAt, state } = own;
    // Whether it is paused operators say, perhaps at another node, which is not known here yet.
    const end = state === "done" ? { endedAt, state } as const : {};
    const progress = { ...progressOf(own), moving: this.#moving.size };
    this.#value.update((stored) => {
      if (stored?.id !== own.id) return null;
      return { ...stored, ...progress, ...(stored.state === "running" ? end : {}) };
    }, (error, order) => {
      // An operator may have changed it meanwhile, at another node.
      if (error === null && order !== null) this.#take(order);
    });
  }
}

type Progress = Pick<EvacuationOrder, "after" | "passes" | "begun" | "moved">;

function progressOf({ after, passes, begun, moved }: Progress): Progress {
  return { after, passes, begun, moved };
}

/** Whether `own` has got further than what was stored. */
function isAhead(own: Progress, stored: Progress): boolean {
  return own.passes > stored.passes ||
    own.passes === stored.passes && own.begun + own.moved > stored.begun + stored.moved;
}
