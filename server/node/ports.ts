/**
 * The outside world as the node sees it. The real ones are in `server/system/`, the simulated ones
 * in `tests/sim/`; nothing else in `server/` or `shard/` may touch a clock, a timer, a random
 * source, the disk or the network.
 */

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

/** A failed store operation. `unknown`: it may have happened; read before acting further. */
export interface StoreError {
  readonly kind: "full" | "failed" | "unknown";
  readonly message: string;
}

/** A row. */
export interface Row {
  readonly key: StoreKey;
  readonly value: Uint8Array;
}

/** Bounds of one atomic write, from Deno KV's own. */
export const STORE_LIMITS = {
  mutationsMax: 1000,
  valueBytesMax: 65_536,
  /** Keys and values together, where Deno KV counts the key of a set twice. */
  writeBytesMax: 800 * 1024,
} as const;

/** The engine under the shards. Callbacks come in a later turn, never before the call returns. */
export interface Store {
  /** All or nothing; durable when `done(null)`. Callers keep one write in flight. */
  write(mutations: readonly Mutation[], done: (error: StoreError | null) => void): void;
  /** Values in the order of the keys (any number of them), null where there is none. */
  read(
    keys: readonly StoreKey[],
    done: (error: StoreError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void;
  /** Rows under `prefix`, ascending, after `after` (exclusive), at most `limit` (≤ 500). */
  list(
    options: {
      readonly prefix: StoreKey;
      readonly after: StoreKey | null;
      readonly limit: number;
    },
    done: (error: StoreError | null, rows: readonly Row[]) => void,
  ): void;
  /** Closes it after what is under way. */
  close(done: () => void): void;
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

/** All of them. */
export interface Ports {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly store: Store;
  readonly kdf: Kdf;
  readonly log: Log;
}
