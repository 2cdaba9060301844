/**
 * The store that the nodes of a simulated cell share: each reaches it over a way of its own, which can
 * break, be slow, and lose replies. What it grants and takes is written down and checked.
 */
import type {
  Claim,
  Cut,
  LogBatch,
  LogRecord,
  Mutation,
  Owned,
  Store,
} from "../../server/node/ports.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Opening, StoreError, TableChange } from "../../server/node/ports.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { memoryLog } from "./sim_ports.ts";
import { ServedWays } from "./served_ways.ts";
import type { StoreRequest } from "../../server/store/store_frames.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { StoreBook } from "./store_book.ts";

/** Longest way to the store and back, ms. */
const WAY_MS = 1;
/** How much longer a late reply takes at most, ms: one of these. */
const LATE_MS = [3, 30, 300, 3000] as const;

type Call = (...args: unknown[]) => void;
interface Trap {
  readonly call: StoreCall;
  readonly lateMs: number;
  /** Whether it is this one. */
  readonly springs: (args: readonly unknown[]) => boolean;
  readonly run: (args: readonly unknown[]) => void;
}

type Fenced = Extract<StoreError, { readonly kind: "fenced" }>;

/** The operations that end with a callback. */
const CALLS = [
  "append",
  "readLog",
  "checkpoint",
  "write",
  "read",
  "list",
  "holders",
  "claim",
  "reshape",
  "register",
  "cas",
] as const;

/** Name of an operation. */
export type StoreCall = typeof CALLS[number];

const LOST = { kind: "unknown", message: "the store cannot be reached" };

/** See the head of this file. */
export class SimCellStore {
  readonly book = new StoreBook();
  /** Probability that a request or a reply is late, so that later ones overtake it. */
  lateCalls = 0;
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #latePrng: Prng;
  readonly #store: Store;
  /** Where its clients reach it through another process; else null. */
  readonly #served: ServedWays | null = null;
  /** Nodes that cannot reach it. */
  readonly #away = new Set<NodeId>();
  /** Nodes that reach it, but get no replies: the outcome of what they ask is unknown. */
  readonly #deaf = new Set<NodeId>();
  /** Replies to these operations of a node get lost, so many times. */
  readonly #losing = new Map<NodeId, { readonly call: StoreCall; left: number }>();
  /** What is to happen while the next append of a node is on its way. */
  readonly #traps = new Map<NodeId, Trap>();
  /** How long each way takes besides, for some nodes (ms). */
  readonly #slowMs = new Map<NodeId, number>();
  /** What is on its way to or from slow nodes. */
  readonly #late = new Map<() => void, () => void>();
  /** Appends wait for each other: it takes one at a time. */
  #appends: (() => void)[] = [];

  /** `served`: by a process that has it open, over its frames. */
  constructor(time: VirtualTime, prng: Prng, disk: MemoryDisk, served: boolean) {
    this.#time = time;
    this.#prng = prng;
    this.#latePrng = prng.fork("late");
    this.#store = new FencedStore(disk.open(time.process()));
    if (served) this.#served = this.#makeServed();
  }

  #makeServed(): ServedWays {
    const calls = CALLS.map((name) => {
      const call: Call = (...args) => {
        const done = args.pop() as Call;
        this.#serve(name, args, done);
      };
      return [name, call];
    });
    const noted = {
      ...Object.fromEntries(calls),
      watch: (...watched: Parameters<Store["watch"]>) => this.#store.watch(...watched),
    } as Store;
    return new ServedWays(this.#time, noted, memoryLog().log, {
      isAway: (node) => this.#away.has(node),
      wayMs: (node) => this.#wayMs(node),
      loses: (node, kind) => this.#loses(node, kind),
      lateMs: (node, request) =>
        request.kind === "append" ? this.#trapped(node, "append", [request.batches]) : 0,
    });
  }

  /** As a process of a node reaches it: what that has asked happens, though it may have died. */
  of(node: NodeId, process: VirtualProcess): Store {
    if (this.#served !== null) return this.#served.client(node, process);
    const client: Record<string, Call> = {};
    for (const name of CALLS) {
      client[name] = (...args) => {
        const done = args.pop() as Call;
        if (this.#away.has(node)) return void process.timers.after(WAY_MS, () => done(LOST, []));
        const lateMs = this.#trapped(node, name, args);
        this.#way(node, () =>
          this.#serve(name, args, (...values) => {
            const known = this.#loses(node, name) ? [LOST, []] : values;
            this.#way(node, () => process.timers.soon(() => done(...known)));
          }), lateMs);
      };
    }
    return {
      ...client as unknown as Store,
      watch: () => () => {},
      close: (done) => process.timers.soon(done),
    };
  }

  /** How much later an operation is than others; what waits for it is called. */
  #trapped(node: NodeId, name: StoreCall, args: readonly unknown[]): number {
    const trap = this.#traps.get(node);
    if (trap?.call !== name || !trap.springs(args)) return 0;
    this.#traps.delete(node);
    this.#time.global.timers.soon(() => trap.run(args));
    return trap.lateMs;
  }

  #loses(node: NodeId, call: StoreCall | StoreRequest["kind"]): boolean {
    if (this.#deaf.has(node)) return true;
    const losing = this.#losing.get(node);
    if (losing?.call !== call || losing.left === 0) return false;
    losing.left--;
    return true;
  }

  #serve(name: StoreCall, args: readonly unknown[], reply: Call): void {
    const server = this.#store as unknown as Record<string, Call>;
    const run = (reply: Call) => {
      const note = this.#noting(name, args);
      server[name]!(...args, (...values: unknown[]) => {
        note(...values);
        reply(...values);
      });
    };
    // The process that serves the store has a queue of its own.
    if (name !== "append" || this.#served !== null) return run(reply);
    this.#append(() =>
      run((...values) => {
        this.#appends.shift();
        reply(...values);
        this.#appends[0]?.();
      })
    );
  }

  /** Writes down how an operation went. */
  #noting(name: StoreCall, args: readonly unknown[]): Call {
    const { book } = this;
    const noted = <T>(ok: (value: T) => void) => (error: unknown, value: unknown) => {
      if (error === null) ok(value as T);
    };
    switch (name) {
      case "append": {
        const [batches] = args as [readonly LogBatch[]];
        const current = book.current(batches);
        return (error) => {
          const { kind, shards = [] } = (error ?? {}) as Partial<Fenced>;
          if (error === null) book.appended(batches);
          else if (kind === "fenced") book.refused(shards, current);
          else book.doubtful(batches.map(({ shard }) => shard));
        };
      }
      case "checkpoint": {
        const [claims, , cuts] = args as [readonly Claim[], unknown, readonly Cut[]];
        book.cuts(cuts);
        return noted(() => book.checkpointed(claims, cuts));
      }
      case "claim": {
        const [claims, owner] = args as [readonly Claim[], NodeRef];
        const over = book.changes(claims);
        return (error, owned) => {
          over(error !== null);
          for (const each of error === null ? owned as readonly (Owned | null)[] : []) {
            if (each !== null) book.granted(each, owner);
          }
        };
      }
      case "reshape": {
        const [{ seal, open }] = args as [TableChange];
        const over = book.changes(seal);
        return (error, made) => {
          over(error !== null);
          if (made === true) book.reshaped(seal, open as readonly Opening[]);
        };
      }
      case "readLog": {
        const [log, after] = args as [number, number];
        const acked = book.reads(log);
        return noted<{ records: readonly LogRecord[]; end: boolean }>(({ records, end }) =>
          book.read(log, after, acked, records, end)
        );
      }
      default:
        return () => {};
    }
  }

  #append(run: () => void): void {
    this.#appends.push(run);
    if (this.#appends.length === 1) run();
  }

  /** How much later than others a request or a reply is. */
  #lateMs(): number {
    if (this.lateCalls === 0 || !this.#latePrng.chance(this.lateCalls)) return 0;
    return this.#latePrng.number() * this.#latePrng.pick(LATE_MS);
  }

  #wayMs(node: NodeId): number {
    return this.#prng.number() * (WAY_MS + (this.#slowMs.get(node) ?? 0) + this.#lateMs());
  }

  /** One way between a node and the store. */
  #way(node: NodeId, run: () => void, lateMs = 0): void {
    const slowMs = (this.#slowMs.get(node) ?? 0) + lateMs + this.#lateMs();
    const arrive = () => {
      this.#late.delete(arrive);
      run();
    };
    const { timers } = this.#time.global;
    const cancel = timers.after(this.#prng.number() * (WAY_MS + slowMs), arrive);
    if (slowMs > 0) this.#late.set(arrive, cancel);
  }

  // ---- faults

  /**
   * Makes the next append of a node to several shards up to `lateMs` later, and calls `run` with
   * them while it is on its way.
   */
  atAppend(node: NodeId, lateMs: number, run: (shards: readonly number[]) => void): void {
    const shardsOf = ([batches]: readonly unknown[]) =>
      (batches as readonly LogBatch[]).map(({ shard }) => shard);
    this.#traps.set(node, {
      call: "append",
      lateMs,
      springs: (args) => shardsOf(args).length > 1,
      run: (args) => run(shardsOf(args)),
    });
  }

  /** The same with the next checkpoint that has pages of a head without it: `run` takes its point. */
  atPages(node: NodeId, lateMs: number, run: (point: number) => void): void {
    const pageOf = ([, rows]: readonly unknown[]) => {
      const heads = (rows as readonly Mutation[]).map(({ key }) => key).filter(([t]) => t === "u");
      return heads.find((key) =>
        key.length > 4 && !heads.some((head) => head.length === 4 && head[2] === key[2])
      );
    };
    this.#traps.set(node, {
      call: "checkpoint",
      lateMs,
      springs: (args) => pageOf(args) !== undefined,
      run: (args) => run(pageOf(args)![1] as number),
    });
  }

  /** Keeps a node from the store, or lets it reach it again. */
  keepFrom(node: NodeId, away: boolean): void {
    if (!away) return void this.#away.delete(node);
    this.#away.add(node);
    this.#served?.break(node, "the store cannot be reached");
  }

  /** The process of a node has ended. */
  ended(node: NodeId): void {
    this.#served?.ended(node);
  }

  /** Loses the replies to a node, or no longer. */
  loseReplies(node: NodeId, lost: boolean): void {
    if (lost) this.#deaf.add(node);
    else this.#deaf.delete(node);
  }

  /** Loses the replies to the next operations of one kind of a node. */
  loseRepliesTo(node: NodeId, call: StoreCall, times: number): void {
    this.#losing.set(node, { call, left: times });
  }

  /** Makes a node's ways take up to `ms` longer. */
  slowDown(node: NodeId, ms: number): void {
    this.#slowMs.set(node, ms);
  }

  /** Everything gets through again; what was late arrives. */
  heal(): void {
    this.lateCalls = 0;
    this.#traps.clear();
    for (const broken of [this.#away, this.#deaf, this.#losing, this.#slowMs]) broken.clear();
    const late = [...this.#late];
    this.#late.clear();
    for (const [arrive, cancel] of late) {
      cancel();
      this.#time.global.timers.after(WAY_MS, arrive);
    }
  }
}
