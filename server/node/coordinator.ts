/**
 * Changes of the number of shards over the nodes of a cell. One node makes them, step by step, as the
 * store says; each step is made by the node that owns its shards, after the others were moved to it.
 * What is to be reached is in the store: when the node dies, another one goes on from the table as it
 * is.
 */
import { askMove } from "./ask_move.ts";
import { Balancer } from "./balancer.ts";
import type { ClusterControl } from "./control.ts";
import { ClusterOrders } from "./cluster_orders.ts";
import type { Goal, Work } from "./cluster_state.ts";
import type { NodeParts } from "./parts.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { Reshaping } from "./resharder.ts";
import type { StoreError } from "./ports.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { peerKey } from "./peers.ts";
import { type PlannedStep, planTo, type Reshape, reshapeFault } from "../../shard/table/table.ts";
import { reshapeOf, type ShardRow, type ShardTable } from "../../shard/table/table.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** Time between two looks at what is under way, and after a step that could not be made (ms). */
const LOOK_MS = 250;
/** How long a change may be without a step before it is given up (ms). */
const STUCK_MS = 60_000;
/** How long the caller of a whole change waits for it at most (ms). */
const WAIT_MAX_MS = 60_000;

/** What it needs of its node. */
export interface CoordinatorHost {
  parts(): NodeParts;
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void;
}

/** The steps from a table to what it is to become. */
export function stepsTo(table: ShardTable, goal: Goal): readonly PlannedStep[] {
  if (goal.kind === "count") return planTo(table, goal.count);
  const { lo, hi, at } = goal;
  const bounds = table.shards.filter((s) => s.lo >= lo && s.lo < hi).map((s) => s.lo);
  return bounds.join() === [lo, ...at].join() ? [] : [{ lo, hi, at }];
}

/** See the head of this file. */
export class Coordinator {
  readonly #host: CoordinatorHost;
  readonly #control: ClusterControl;
  /** What operators order of the nodes. */
  readonly orders: ClusterOrders;
  /** Moves shards by load. */
  readonly balancer: Balancer;
  #stepping = false;
  #progressMs = 0;
  #stopped = true;
  /** What became known of the work of this node: each write has all of it, until one succeeds. */
  #figures: Pick<Work, "id" | "changesMs" | "movesMs" | "shards"> | null = null;
  /** Moves before the change that is made next (ms). */
  #movesMs: number[] = [];

  constructor(host: CoordinatorHost, control: ClusterControl) {
    this.#host = host;
    this.#control = control;
    this.orders = new ClusterOrders(() => host.parts(), control);
    this.balancer = new Balancer(() => host.parts(), control);
  }

  get #parts(): NodeParts {
    return this.#host.parts();
  }

  /** From now on goes on with what is under way, where no other node does. */
  start(): void {
    this.#stopped = false;
    this.balancer.start();
    this.#control.read(() => this.#look());
  }

  /** Makes no further steps. */
  stop(): void {
    this.#stopped = true;
  }

  /** What is under way, or was last. */
  get work(): Work | null {
    return this.#control.state.work;
  }

  /** Begins a change of the shards. Refused as `conflict` where another one is under way. */
  begin(goal: Goal, done: (result: Result<Work>) => void): void {
    const { ownership: { self }, map } = this.#parts;
    const steps = stepsTo(map.table, goal).length;
    let mine: Work | null = null;
    this.#control.update((state) => {
      mine = null;
      const { work } = state;
      if (work?.state === "running") return null;
      const id = (work?.id ?? 0) + 1;
      const none = { error: null, changesMs: [], movesMs: [], shards: [] };
      mine = { id, goal, by: self, state: "running", steps, ...none };
      return { ...state, work: mine };
    }, (error) => {
      if (error !== null) return done(unavailable(error));
      if (mine === null) return done(fail("conflict", "Another change of the shards is under way"));
      this.#progressMs = this.#nowMs;
      done(ok(mine));
      this.#run();
    });
  }

  /** Begins a change and waits for its end; without other nodes it is made at once. */
  change(reshape: Reshape, done: (result: Result<Reshaping>) => void): void {
    if (this.#parts.cell === null) return this.#host.reshape(reshape, done);
    const { table } = this.#parts.map;
    const fault = reshapeFault(table, reshape);
    if (fault !== null) return done(fail("conflict", `Cannot change the shards: ${fault}`));
    const rows = reshape.of.map((id) => table.shards.find((row) => row.id === id)!);
    const goal = { kind: "cut", lo: rows[0]!.lo, hi: rows.at(-1)!.hi, at: reshape.at } as const;
    this.begin(goal, (begun) => {
      if (!begun.ok) return done(begun);
      this.#await(begun.value.id, this.#nowMs + WAIT_MAX_MS, done);
    });
  }

  #await(id: number, untilMs: number, done: (result: Result<Reshaping>) => void): void {
    const { work } = this.#control.state;
    if (work?.id !== id || this.#nowMs > untilMs) {
      return done(
        fail("unavailable", "It is not known how the change of the shards went", LOOK_MS),
      );
    }
    if (work.state === "failed") return done(fail("busy", work.error ?? "", LOOK_MS));
    if (work.state === "done") {
      const { changesMs, shards } = work;
      return done(ok({ pauseMs: Math.max(0, ...changesMs), shards }));
    }
    this.#parts.ports.timers.after(LOOK_MS / 5, () => this.#await(id, untilMs, done));
  }

  // ---- whose it is

  /** What this node is to do. */
  get #mine(): Work | null {
    const { work } = this.#control.state;
    if (work === null || work.state !== "running") return null;
    return sameNode(work.by, this.#parts.ownership.self) ? work : null;
  }

  /** Takes over what a node that has died has begun. */
  #look(): void {
    const { ports: { timers } } = this.#parts;
    if (this.#stopped || this.#parts.stopped()) return;
    timers.after(LOOK_MS * 4, () => this.#control.read(() => this.#look()));
    this.orders.look();
    this.balancer.look();
    if (this.#mine !== null) return this.#run();
    const { work } = this.#control.state;
    if (work?.state !== "running" || this.#isLive(work.by)) return;
    const { ownership: { self } } = this.#parts;
    this.#control.update((state) => {
      const { work: now } = state;
      if (now?.id !== work.id || now.state !== "running" || !sameNode(now.by, work.by)) return null;
      return { ...state, work: { ...now, by: self } };
    }, (error) => {
      if (error !== null || this.#mine === null) return;
      this.#parts.ports.log.info("change of shards taken over", { of: work.by.id, work: work.id });
      this.#progressMs = this.#nowMs;
      this.#run();
    });
  }

  #isLive(node: NodeRef): boolean {
    const { cell, ownership } = this.#parts;
    return cell === null ? sameNode(node, ownership.self) : cell.liveness.isLive(node);
  }

  // ---- one step after another

  get #nowMs(): number {
    return this.#parts.ports.clock.monoMs();
  }

  #run(): void {
    if (this.#stepping || this.#stopped) return;
    this.#stepping = true;
    this.#next();
  }

  #next(): void {
    const { cell } = this.#parts;
    const go = () => {
      const work = this.#mine;
      if (work === null || this.#stopped || this.#parts.stopped()) {
        return void (this.#stepping = false);
      }
      const { table } = this.#parts.map;
      const [step] = stepsTo(table, work.goal);
      if (step === undefined) return this.#end(work, "done", null);
      const change = reshapeOf(table, step);
      if (change === null) return this.#end(work, "failed", "The shards have changed meanwhile");
      const fault = reshapeFault(table, change);
      if (fault !== null) return this.#end(work, "failed", `Cannot change the shards: ${fault}`);
      this.#gather(work, change);
    };
    if (cell === null) go();
    else cell.look(() => this.#control.read(() => go()));
  }

  /** Moves the shards of a change to one node, which makes it. */
  #gather(work: Work, change: Reshape): void {
    const rows = change.of.map((id) => this.#parts.map.table.shards.find((s) => s.id === id)!);
    const unowned = rows.find(({ owner }) => owner === null || !this.#isLive(owner));
    if (unowned !== undefined) return this.#again(work, `Shard ${unowned.id} has no owner`);
    const target = this.#targetOf(rows);
    const away = rows.find(({ owner }) => !sameNode(owner, target));
    if (away === undefined) return this.#make(work, change, target);
    askMove(this.#parts, away.id, target, (result) => {
      if (!result.ok) return this.#again(work, result.message);
      this.#movesMs.push(rounded(result.value.pauseMs));
      this.#next();
    });
  }

  /** The node with most of the shards, that is to have any. */
  #targetOf(rows: readonly ShardRow[]): NodeRef {
    const { drained } = this.#control.state;
    const count = (node: NodeRef) =>
      rows.filter(({ owner }) => sameNode(owner, node)).length -
      (drained.includes(node.id) ? rows.length : 0);
    return rows.map(({ owner }) => owner!).reduce((a, b) => count(b) > count(a) ? b : a);
  }

  #make(work: Work, { of, at }: Reshape, owner: NodeRef): void {
    this.#ask(owner, { of, at }, (result) => {
      if (!result.ok) return this.#again(work, result.message);
      const { pauseMs, shards } = result.value;
      const { id, changesMs, movesMs } = this.#figures?.id === work.id ? this.#figures : work;
      this.#figures = {
        id,
        changesMs: [...changesMs, rounded(pauseMs)],
        movesMs: [...movesMs, ...this.#movesMs.splice(0)],
        shards,
      };
      this.#progressMs = this.#nowMs;
      this.#note(work, {}, () => this.#next());
    });
  }

  /** A node makes the change of its shards, this one too. */
  #ask(node: NodeRef, change: Reshape, done: (result: Result<Reshaping>) => void): void {
    const { cell, ownership } = this.#parts;
    if (cell === null || sameNode(node, ownership.self)) return this.#host.reshape(change, done);
    const replied = done as (result: Result<unknown>) => void;
    cell.calls.call(peerKey(node), { kind: "reshape", ...change }, replied);
  }

  /** A step could not be made: it is planned again a little later. */
  #again(work: Work, why: string): void {
    const { ports: { timers, log } } = this.#parts;
    if (this.#nowMs - this.#progressMs > STUCK_MS) return this.#end(work, "failed", why);
    log.info("change of shards waits", { work: work.id, why });
    timers.after(LOOK_MS, () => this.#next());
  }

  #end(work: Work, state: "done" | "failed", error: string | null): void {
    const { ports: { log } } = this.#parts;
    this.#note(work, { state, error }, () => {
      log.info("change of shards over", { work: work.id, state, error });
      this.#stepping = false;
    });
  }

  /** Writes how far it is, and how it has ended, where it is still this node's. */
  #note(work: Work, ended: Partial<Pick<Work, "state" | "error">>, done: () => void): void {
    const { ownership: { self }, ports: { timers } } = this.#parts;
    const figures = this.#figures?.id === work.id ? this.#figures : {};
    this.#control.update((state) => {
      const { work: now } = state;
      if (now?.id !== work.id || now.state !== "running" || !sameNode(now.by, self)) return null;
      return { ...state, work: { ...now, ...figures, ...ended } };
    }, (error) => {
      if (error === null) return done();
      // The figures are written with the next step, and its end when it is planned again.
      timers.after(LOOK_MS, done);
    });
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function unavailable(error: StoreError): Result<never> {
  return fail("unavailable", `The store does not take changes now: ${error.message}`, 1000);
}
