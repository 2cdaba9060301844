/**
 * The outside as the node sees it. The real ones are in `server/system/`, the simulated ones
 * in `tests/sim/`; nothing else in `server/` or `shard/` may touch a clock, a timer, a random
 * source, the disk or the network.
 */
import type { NodeRef } from "../../shard/name/ids.ts";
import type { Retries } from "../../shard/retry.ts";

/** Time, in milliseconds. */
export interface Clock {
  /** Wall time since 1970; may jump. Only for what people see and for expiry dates. */
  wallMs(): number;
  /** Monotonic time from an arbitrary start; for every delay and deadline. */
  monoMs(): number;
}

/** Cancels a timer; harmless when it has fired. */
export type Cancel = () => void;

/** Timers on the monotonic clock. */
export interface Timers {
  /** Calls `run` once, `delayMs` from now or later. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` once, as soon as the current turn and what it queued are done. */
  soon(run: () => void): void;
}

/** Randomness fit for secrets. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1); for jitter. */
  number(): number;
}

/** A key of the store: parts order as Deno KV orders them (bytes < string < number). */
export type StoreKey = readonly (string | number)[];

/** One change of an atomic write. */
export type Mutation =
  | { readonly kind: "set"; readonly key: StoreKey; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: StoreKey };

/**
 * A failed store operation. `full`, `failed`: it has not happened. `unknown`: it may have happened;
 * read before acting further. `fenced`: it has not happened, because the claims to `shards` (at
 * least one) are not current or their logs end elsewhere: the caller no longer owns these shards.
 * `damaged`: a read found rows at `keys` (at least one) whose bytes are not those that were written;
 * a repetition finds the same. Other rows can be read without them.
 */
export type StoreError =
  | { readonly kind: "full" | "failed" | "unknown"; readonly message: string }
  | { readonly kind: "damaged"; readonly message: string; readonly keys: readonly StoreKey[] }
  | { readonly kind: "fenced"; readonly message: string; readonly shards: readonly number[] };

/** A row. */
export interface Row {
  readonly key: StoreKey;
  readonly value: Uint8Array;
}

/**
 * Bounds of one atomic write, from Deno KV's own (1,000 mutations, 800 KiB); a value is stored behind
 * eight bytes. A store that has standbys adds a row with the number of the write.
 */
export const STORE_LIMITS = {
  mutationsMax: 999,
  valueBytesMax: 65_528,
  /** Keys and values together, where Deno KV counts the key of a set twice. */
  writeBytesMax: 800 * 1024 - 256,
} as const;

/** The right to write for a shard; it ends when somebody claims the shard with a higher epoch. */
export interface Claim {
  readonly shard: number;
  readonly epoch: number;
}

/** A claim that was granted. */
export interface Owned extends Claim {
  /**
   * The LSN of the last record of the shard's log; where there is none, the one before its start.
   */
  readonly head: number;
}

/** Who owns a shard; `owner` is null where nobody has claimed it yet. */
export interface Holder extends Claim {
  readonly owner: NodeRef | null;
}

/** Records to append to the log of one shard: the first gets the LSN `from`, the others follow. */
export interface LogBatch extends Claim {
  readonly from: number;
  readonly records: readonly Uint8Array[];
}

/** A record of a log. */
export interface LogRecord {
  readonly lsn: number;
  readonly bytes: Uint8Array;
}

/** Deletes the records `from ≤ lsn < below` of a log; there are none before `from`. */
export interface Cut {
  readonly log: number;
  readonly from: number;
  readonly below: number;
}

/** A shard that a reshape begins: its log starts at the LSN `start`. */
export interface Opening extends Claim {
  readonly start: number;
  readonly owner: NodeRef;
}

/** One change of the shard table, as the store makes it. */
export interface TableChange {
  /** Version of the register `table` that the change is based on; 0 where it does not exist. */
  readonly version: number;
  readonly table: Uint8Array;
  /** Shards that end, each at exactly this head: nothing is appended to their logs any more. */
  readonly seal: readonly Owned[];
  readonly open: readonly Opening[];
}

/** A value that is changed by compare-and-set only; `version` rises by one with every change. */
export interface Register {
  readonly version: number;
  readonly value: Uint8Array;
}

/** Told how a store operation went: the value is undefined where `error` is not null. */
export type Done<T = void> = (error: StoreError | null, value: T) => void;

/** Name of the register that holds the shard table. */
export const TABLE_REGISTER = "table";

/**
 * The store of a cell. Callbacks run in a later turn, never before the call returns. Limits of one
 * operation are `STORE_LIMITS`; breaking one is a bug of the caller and throws.
 *
 * Logs and checkpoints are fenced: a write names the claims that it rests on, and is refused as a
 * whole, as `fenced`, where one of them is not current. An append whose outcome is `unknown` voids
 * its claims: claim the shards again, which decides the outcome, before the next append.
 */
export interface Store {
  /**
   * Appends to the logs of several shards, all or nothing; durable when `done(null)`. Each batch
   * needs the current claim and `from === head + 1`. One append at a time: a second one throws.
   */
  append(batches: readonly LogBatch[], done: Done): void;
  /** Records of a log after the LSN `after`, ascending, about `bytesMax` bytes but at least one. */
  readLog(
    log: number,
    after: number,
    bytesMax: number,
    done: Done<{ readonly records: readonly LogRecord[]; readonly end: boolean }>,
  ): void;
  /**
   * Writes rows and cuts logs of the claimed shards, all or nothing. Logs of ended shards need
   * none.
   */
  checkpoint(
    claims: readonly Claim[],
    rows: readonly Mutation[],
    cuts: readonly Cut[],
    done: Done,
  ): void;
  /** Writes rows that belong to no shard, all or nothing; the last writer wins. */
  write(mutations: readonly Mutation[], done: (error: StoreError | null) => void): void;
  /** Values in the order of the keys (any number of them), null where there is none. */
  read(
    keys: readonly StoreKey[],
    done: (error: StoreError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void;
  /** Rows under `prefix`, ascending, after `after` (exclusive), at most `limit` (≤ 500). */
  list(options: ListOptions, done: (error: StoreError | null, rows: readonly Row[]) => void): void;
  /** Who owns which shard, in the order of their ids. */
  holders(done: Done<readonly Holder[]>): void;
  /**
   * Raises the epochs of shards and makes `owner` their owner, each where its epoch is still the
   * given one; null in the place of those that somebody else has claimed or that have ended. What
   * was appended under the old epoch is decided by then. `failed`, `unknown`: ask for the holders
   * first.
   */
  claim(
    claims: readonly Claim[],
    owner: NodeRef,
    done: Done<readonly (Owned | null)[]>,
  ): void;
  /**
   * Changes the table, seals shards and opens others in one transaction. False: the register or a
   * sealed shard is not as stated, and nothing has changed.
   */
  reshape(change: TableChange, done: Done<boolean>): void;
  /** The register of this name; null where it does not exist. */
  register(name: string, done: Done<Register | null>): void;
  /**
   * Sets a register that has this version (0: does not exist), and writes rows of no shard with it,
   * all or nothing. False: it has another version, and nothing has changed.
   */
  cas(
    name: string,
    version: number,
    value: Uint8Array,
    rows: readonly Mutation[],
    done: Done<boolean>,
  ): void;
  /** Calls `changed` after a register has changed: a hint, which may be late or get lost. */
  watch(name: string, changed: (version: number) => void): Cancel;
  /** Closes it after what is under way. */
  close(done: () => void): void;
}

/** A page of rows. */
export interface ListOptions {
  readonly prefix: StoreKey;
  readonly after: StoreKey | null;
  readonly limit: number;
  /** Values are not wanted: each row has an empty one, also where it is damaged. */
  readonly keysOnly?: boolean;
}

/** Password hashing, off the event loop. */
export interface Kdf {
  /** PBKDF2 (RFC 8018) with as many bytes as the hash has. */
  pbkdf2(
    hash: "SHA-256" | "SHA-1",
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    done: (key: Uint8Array) => void,
  ): void;
}

/** Structured log lines; `fields` never hold bodies, passwords or tokens. */
export interface Log {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void;
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Whether debug lines are wanted; guards the cost of making them. */
  readonly debugOn: boolean;
}

/** A request to the receiver of a webhook. */
export interface HookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

/** How it ended. `retryAfterMs`: when the receiver wants to be asked again, null where not said. */
export type HookAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly retryAfterMs: number | null }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * Posts a request. Calls `done` once, in a later turn, unless the returned `Cancel` is called
 * before.
 */
export type PostHook = (request: HookRequest, done: (answer: HookAnswer) => void) => Cancel;

/** A request to a push service. */
export type PushRequest = Omit<HookRequest, "body"> & { readonly body: Uint8Array };

/** The same as `PostHook` for requests to push services. */
export type PostPush = (request: PushRequest, done: (answer: HookAnswer) => void) => Cancel;

/** Those of a part that stores nothing and repeats nothing. */
export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

/** All of them. */
export interface Ports extends Runtime {
  readonly store: Store;
  readonly kdf: Kdf;
  /** The waits before something is tried again, counted for the node. */
  readonly retries: Retries;
}
