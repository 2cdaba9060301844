/**
 * The store of a cell that another process of this machine has open and serves over a socket
 * (`store_server.ts`). A connection is made when an operation needs it, and again after it was lost:
 * what was sent over it is then `unknown` where it may have changed something, as with any engine.
 */
import type {
  Cancel,
  Claim,
  Cut,
  Done,
  Holder,
  ListOptions,
  LogBatch,
  LogRecord,
  Mutation,
  Owned,
  Register,
  Row,
  Store,
  StoreError,
  StoreKey,
  TableChange,
} from "../node/ports.ts";
import { decodeReply, encodeRequest, STORE_FRAMES_VERSION } from "./store_frames.ts";
import { checkRequest } from "./store_checks.ts";
import type { FramedEvents, FramedSocket } from "../system/framed_socket.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { ObserveDamage } from "./checked_rows.ts";
import { OwnClaims } from "./own_claims.ts";
import { RegisterHints } from "./register_hints.ts";
import type { StoreReply, StoreRequest } from "./store_frames.ts";

/** Requests without a reply at once; others wait here. */
const REQUESTS_MAX = 128;
/** Bytes that wait for the store's process before requests wait here. */
const SENDING_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes that may wait here; what is asked for beyond that fails. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Keys of one request. */
const KEYS_MAX = 100;

const CLOSED: StoreError = { kind: "failed", message: "The store is closed." };

type Numbered = Exclude<StoreRequest, { readonly kind: "hello" | "watch" }>;
type Unnumbered<R> = R extends unknown ? Omit<R, "n"> : never;
/** A request before it has a number. */
type Ask = Unnumbered<Numbered>;
type ReplyOf<K extends StoreReply["kind"]> = Extract<StoreReply, { readonly kind: K }>;

/** What was asked and has no reply. */
interface Asked {
  readonly frame: Uint8Array;
  /** Whether it changes something, so that its outcome is unknown where the connection is lost. */
  readonly changes: boolean;
  /** The kind of its reply. */
  readonly wanted: StoreReply["kind"];
  /** Takes a reply, or why there is none. */
  readonly settle: (error: StoreError | null, reply: StoreReply | null) => void;
}

/** What it is made with. */
export interface ServedStoreOptions {
  /** Connects to the store's process. */
  readonly dial: (events: FramedEvents) => FramedSocket;
  /** Names this process in the log of the store's process. */
  readonly node: NodeId;
  /** Called with every damaged row that is read. */
  readonly observe: ObserveDamage;
  /** Calls back with what a frame has brought; nothing that is thrown reaches the connection. */
  readonly call: (callback: () => void) => void;
  /** Runs something soon, not within the present call. */
  readonly later: (run: () => void) => void;
}

/** See the head of this file. */
export class ServedStore implements Store {
  readonly #options: ServedStoreOptions;
  readonly #mine = new OwnClaims();
  readonly #hints = new RegisterHints();
  readonly #watched = new Set<string>();
  #socket: FramedSocket | null = null;
  /** Sent, by number; in the order of sending. */
  #asked = new Map<number, Asked>();
  /** Not sent yet. */
  #waiting: (readonly [n: number, asked: Asked])[] = [];
  #waitingBytes = 0;
  #lastNumber = 0;
  #appending = false;
  #closing: (() => void)[] | null = null;

  constructor(options: ServedStoreOptions) {
    this.#options = options;
  }

  // ---- logs and checkpoints

  append(batches: readonly LogBatch[], done: Done): void {
    if (this.#appending) throw new Error("append: another append is in flight");
    const refusal = this.#mine.refusal(batches);
    if (refusal !== null) return this.#later(() => done(refusal));
    this.#ask({ kind: "append", batches }, "done", (error) => {
      this.#appending = false;
      if (error?.kind === "unknown") this.#mine.voided(batches);
      done(error);
    });
    this.#appending = true;
  }

  readLog(
    log: number,
    after: number,
    bytesMax: number,
    done: Done<{ readonly records: readonly LogRecord[]; readonly end: boolean }>,
  ): void {
    const records: LogRecord[] = [];
    this.#ask({ kind: "read_log", log, after, bytesMax }, "records", (error, reply) => {
      records.push(...reply?.records ?? []);
      if (error !== null) done(error, { records: [], end: false });
      else if (!reply!.more) done(null, { records, end: reply!.end });
    });
  }

  checkpoint(
    claims: readonly Claim[],
    rows: readonly Mutation[],
    cuts: readonly Cut[],
    done: Done,
  ): void {
    this.#mine.checkCuts(claims, cuts);
    const refusal = this.#mine.refusal(claims);
    if (refusal !== null) return this.#later(() => done(refusal));
    this.#ask({ kind: "checkpoint", claims, rows, cuts }, "done", (error) => done(error));
  }

  // ---- rows

  write(rows: readonly Mutation[], done: (error: StoreError | null) => void): void {
    this.#ask({ kind: "write", rows }, "done", (error) => done(error));
  }

  read(
    keys: readonly StoreKey[],
    done: (error: StoreError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    const values: (Uint8Array | null)[][] = [];
    let left = Math.max(1, Math.ceil(keys.length / KEYS_MAX));
    let failure: StoreError | null = null;
    checkRequest({ kind: "read", n: 0, keys });
    for (let from = 0; from === 0 || from < keys.length; from += KEYS_MAX) {
      values[from / KEYS_MAX] = [];
      const some = keys.slice(from, from + KEYS_MAX);
      this.#ask({ kind: "read", keys: some }, "values", (error, reply) => {
        failure ??= error;
        values[from / KEYS_MAX]!.push(...reply?.values ?? []);
        if (reply?.more === true) return;
        left--;
        if (left === 0) done(failure, failure === null ? values.flat() : []);
      });
    }
  }

  list(
    { prefix, after, limit, keysOnly = false }: ListOptions,
    done: (error: StoreError | null, rows: readonly Row[]) => void,
  ): void {
    const rows: Row[] = [];
    this.#ask({ kind: "list", prefix, after, limit, keysOnly }, "rows", (error, reply) => {
      rows.push(...reply?.rows ?? []);
      if (error !== null) done(error, []);
      else if (!reply!.more) done(null, rows);
    });
  }

  // ---- ownership

  holders(done: Done<readonly Holder[]>): void {
    this.#ask({ kind: "holders" }, "holders", (error, reply) => {
      if (reply !== null) this.#mine.learn(reply.holders);
      done(error, reply?.holders ?? []);
    });
  }

  claim(claims: readonly Claim[], owner: NodeRef, done: Done<readonly (Owned | null)[]>): void {
    this.#ask({ kind: "claim", claims, owner }, "owned", (error, reply) => {
      if (error !== null) {
        this.#mine.voided(claims);
        return done(error, []);
      }
      const { owned } = reply!;
      for (const each of owned) if (each !== null) this.#mine.granted(each);
      done(null, owned);
    });
  }

  reshape(change: TableChange, done: Done<boolean>): void {
    const { seal, open } = change;
    this.#ask({ kind: "reshape", ...change }, "made", (error, reply) => {
      if (error !== null) this.#mine.voided(seal);
      if (reply?.made === true) {
        this.#mine.ended(seal);
        for (const opening of open) this.#mine.granted(opening);
      }
      done(error, reply?.made ?? false);
    });
  }

  // ---- registers

  register(name: string, done: Done<Register | null>): void {
    this.#ask({ kind: "register", name }, "register", (error, reply) => {
      done(error, reply?.register ?? null);
    });
  }

  cas(
    name: string,
    version: number,
    value: Uint8Array,
    rows: readonly Mutation[],
    done: Done<boolean>,
  ): void {
    this.#ask({ kind: "cas", name, version, value, rows }, "made", (error, reply) => {
      done(error, reply?.made ?? false);
    });
  }

  watch(name: string, changed: (version: number) => void): Cancel {
    checkRequest({ kind: "watch", name });
    const cancel = this.#hints.watch(name, changed);
    if (this.#watched.has(name) || this.#closing !== null) return cancel;
    this.#watched.add(name);
    if (this.#socket === null) this.#connect();
    else this.#socket.send(encodeRequest({ kind: "watch", name }));
    return cancel;
  }

  close(done: () => void): void {
    if (this.#closing !== null && this.#socket === null) return this.#later(done);
    this.#closing = [...this.#closing ?? [], done];
    this.#later(() => this.#closeWhenIdle());
  }

  // ---- requests and replies

  /** Checks a request, sends it, and calls back with each part of its reply. */
  #ask<K extends StoreReply["kind"]>(
    ask: Ask,
    wanted: K,
    done: (error: StoreError | null, reply: ReplyOf<K> | null) => void,
  ): void {
    const n = ++this.#lastNumber;
    const request = { n, ...ask } as Numbered;
    checkRequest(request);
    if (this.#closing !== null) return this.#later(() => done(CLOSED, null));
    const frame = encodeRequest(request);
    if (this.#waitingBytes + frame.length > WAITING_BYTES_MAX) {
      const message =
        `${this.#waitingBytes} bytes wait for the store, limit is ${WAITING_BYTES_MAX}`;
      return this.#later(() => done({ kind: "failed", message }, null));
    }
    const settle = (error: StoreError | null, reply: StoreReply | null) => {
      if (error?.kind === "damaged") {
        for (const key of error.keys) this.#options.observe(key, error.message);
      }
      this.#options.call(() => done(error, reply as ReplyOf<K> | null));
    };
    this.#waitingBytes += frame.length;
    this.#waiting.push([n, { frame, changes: CHANGES.has(ask.kind), wanted, settle }]);
    this.#send();
  }

  #later(run: () => void): void {
    this.#options.later(run);
  }

  #send(): void {
    if (this.#waiting.length === 0) return;
    const socket = this.#socket ?? this.#connect();
    let count = 0;
    for (const [n, asked] of this.#waiting) {
      if (this.#asked.size >= REQUESTS_MAX || socket.waitingBytes >= SENDING_BYTES_MAX) break;
      count++;
      this.#waitingBytes -= asked.frame.length;
      this.#asked.set(n, asked);
      socket.send(asked.frame);
    }
    this.#waiting.splice(0, count);
  }

  #connect(): FramedSocket {
    const { dial, node } = this.#options;
    const socket: FramedSocket = dial({
      frame: (frame) => this.#socket === socket && this.#take(decodeReply(frame)),
      drained: () => this.#socket === socket && this.#send(),
      closed: (why, connected) => this.#lost(socket, why, connected),
    });
    this.#socket = socket;
    socket.send(encodeRequest({ kind: "hello", version: STORE_FRAMES_VERSION, node }));
    for (const name of this.#watched) socket.send(encodeRequest({ kind: "watch", name }));
    return socket;
  }

  #take(reply: StoreReply): void {
    if (reply.kind === "hint") {
      return this.#options.call(() => this.#hints.changed(reply.name, reply.version));
    }
    const asked = this.#asked.get(reply.n);
    if (asked === undefined || reply.kind !== "failed" && reply.kind !== asked.wanted) {
      throw new Error(`the store's process sends ${reply.kind} to request ${reply.n}`);
    }
    const more = "more" in reply && reply.more;
    if (!more) this.#asked.delete(reply.n);
    if (reply.kind === "failed") asked.settle(reply.error, null);
    else asked.settle(null, reply);
    this.#send();
    this.#closeWhenIdle();
  }

  /** What was sent may have happened; what was not sent has not, and fails where nobody listens. */
  #lost(socket: FramedSocket, why: string, connected: boolean): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    const sent = [...this.#asked.values()];
    const unsent = connected ? [] : this.#waiting.map(([, asked]) => asked);
    this.#asked = new Map();
    if (!connected) {
      this.#waiting = [];
      this.#waitingBytes = 0;
    }
    const message = `The store's process cannot be reached: ${why}`;
    for (const { changes, settle } of [...sent, ...unsent]) {
      settle({ kind: changes && connected ? "unknown" : "failed", message }, null);
    }
    this.#send();
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#closing === null || this.#asked.size > 0 || this.#waiting.length > 0) return;
    const closing = this.#closing;
    this.#closing = [];
    const socket = this.#socket;
    this.#socket = null;
    socket?.close("the store is closed");
    for (const done of closing) this.#later(done);
  }
}

const CHANGES: ReadonlySet<Ask["kind"]> = new Set(
  ["append", "checkpoint", "write", "claim", "reshape", "cas"],
);
