/**
 * Serves a store that this process has open to the machine's other processes, over a socket. Requests
 * of one connection begin in the order in which they were sent. A client that asks for more than its
 * share waits: its connection is not read meanwhile.
 */
import type { Cancel, Log, Store, StoreError } from "../node/ports.ts";
import type { FramedEvents, FramedSocket } from "../system/framed_socket.ts";
import { AppendQueue } from "./append_queue.ts";
import { checkRequest } from "./store_checks.ts";
import { decodeRequest, encodeReply, STORE_FRAMES_VERSION } from "./store_frames.ts";
import type { StoreReply, StoreRequest } from "./store_frames.ts";

/** Requests of one connection under way at once. */
const REQUESTS_MAX = 256;
/** Bytes that wait for one client before its connection is not read. */
const SENDING_BYTES_MAX = 8 * 1024 * 1024;
/** About the longest part of a list (bytes). */
const PART_BYTES = 512 * 1024;
/** Most bytes of one page of a log. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Registers that one client watches. */
const WATCHED_MAX = 4096;
/** Keys and claims of one request. */
const ITEMS_MAX = 65_536;

type Numbered = Exclude<StoreRequest, { readonly kind: "hello" | "watch" }>;

/** See the head of this file. */
export class StoreServer {
  readonly #store: Store;
  readonly #log: Log;
  readonly #appends: AppendQueue;
  readonly #clients = new Set<Client>();

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
    this.#appends = new AppendQueue(store);
  }

  /** Appends so far: those of the clients, and the writes that they became. */
  get appends(): Readonly<AppendQueue["counts"]> {
    return this.#appends.counts;
  }

  /** Serves a connection. */
  accept(socket: FramedSocket): FramedEvents {
    const client = new Client(socket, this.#store, this.#appends);
    this.#clients.add(client);
    return {
      frame: (frame) => client.take(frame),
      drained: () => client.flow(),
      closed: (why) => {
        this.#clients.delete(client);
        client.end();
        this.#log.debug("store connection ends", { node: client.node, why });
      },
    };
  }

  /** Ends the connections of a process that has ended: nothing of it happens from now on. */
  drop(node: string): void {
    for (const client of this.#clients) {
      if (client.node === node) client.close("the process has ended");
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const client of this.#clients) client.close("the store is closed");
  }
}

/** One connection. */
class Client {
  node = "";
  readonly #socket: FramedSocket;
  readonly #store: Store;
  readonly #appends: AppendQueue;
  readonly #watched = new Map<string, Cancel>();
  #underWay = 0;
  #ended = false;

  constructor(socket: FramedSocket, store: Store, appends: AppendQueue) {
    this.#socket = socket;
    this.#store = store;
    this.#appends = appends;
  }

  /** Takes a frame; throws where it is none, or breaks a limit. */
  take(frame: Uint8Array): void {
    const request = decodeRequest(frame);
    if (request.kind === "hello") return this.#greet(request);
    if (this.node === "") throw new Error("it does not say who it is");
    checkRequest(request);
    if (request.kind === "watch") return this.#watch(request.name);
    this.#underWay++;
    this.#run(request);
    this.flow();
  }

  /** Reads the connection where the client has not asked for too much. */
  flow(): void {
    const { waitingBytes } = this.#socket;
    this.#socket.flow(this.#underWay < REQUESTS_MAX && waitingBytes < SENDING_BYTES_MAX);
  }

  close(why: string): void {
    this.end();
    this.#socket.close(why);
  }

  end(): void {
    this.#ended = true;
    for (const cancel of this.#watched.values()) cancel();
    this.#watched.clear();
  }

  #greet({ version, node }: { readonly version: number; readonly node: string }): void {
    if (version !== STORE_FRAMES_VERSION || node === "") {
      throw new Error(`it speaks version ${version} of the store, not ${STORE_FRAMES_VERSION}`);
    }
    this.node = node;
  }

  #watch(name: string): void {
    if (this.#watched.has(name)) return;
    if (this.#watched.size >= WATCHED_MAX) throw new Error("it watches too many registers");
    const hint = (version: number) => {
      if (!this.#ended) this.#socket.send(encodeReply({ kind: "hint", name, version }));
    };
    this.#watched.set(name, this.#store.watch(name, hint));
  }

  // ---- requests

  #run(request: Numbered): void {
    const { n } = request;
    const store = this.#store;
    switch (request.kind) {
      case "append":
        return this.#appends.append(request.batches, () => !this.#ended, this.#done(n));
      case "checkpoint":
        return store.checkpoint(request.claims, request.rows, request.cuts, this.#done(n));
      case "write":
        return store.write(request.rows, this.#done(n));
      case "read_log":
        return this.#readLog(request);
      case "read":
        return this.#read(request);
      case "list":
        return store.list(
          request,
          (error, rows) =>
            this.#parts(
              n,
              error,
              rows,
              sizeOfRow,
              (rows, more) => ({ kind: "rows", n, rows, more }),
            ),
        );
      case "holders":
        return store.holders((error, holders) =>
          this.#reply(n, error, { kind: "holders", n, holders })
        );
      case "claim":
        if (request.claims.length > ITEMS_MAX) throw new Error("too many claims");
        return store.claim(
          request.claims,
          request.owner,
          (error, owned) => this.#reply(n, error, { kind: "owned", n, owned }),
        );
      case "reshape":
        return store.reshape(
          request,
          (error, made) => this.#reply(n, error, { kind: "made", n, made }),
        );
      case "register":
        return store.register(
          request.name,
          (error, register) => this.#reply(n, error, { kind: "register", n, register }),
        );
      case "cas": {
        const { name, version, value, rows } = request;
        return store.cas(
          name,
          version,
          value,
          rows,
          (error, made) => this.#reply(n, error, { kind: "made", n, made }),
        );
      }
    }
  }

  #read({ n, keys }: Extract<Numbered, { readonly kind: "read" }>): void {
    this.#store.read(keys, (error, values) =>
      this.#parts(
        n,
        error,
        values,
        (value) => value?.length ?? 0,
        (values, more) => ({ kind: "values", n, values, more }),
      ));
  }

  #readLog({ n, log, after, bytesMax }: Extract<Numbered, { readonly kind: "read_log" }>): void {
    this.#store.readLog(
      log,
      after,
      Math.min(bytesMax, PAGE_BYTES_MAX),
      (error, { records, end }) =>
        this.#parts(
          n,
          error,
          records,
          ({ bytes }) => bytes.length,
          (records, more) => ({ kind: "records", n, records, end, more }),
        ),
    );
  }

  // ---- replies

  #done(n: number): (error: StoreError | null) => void {
    return (error) => this.#reply(n, error, { kind: "done", n });
  }

  #reply(n: number, error: StoreError | null, reply: StoreReply): void {
    this.#underWay--;
    if (this.#ended) return;
    this.#socket.send(encodeReply(error === null ? reply : { kind: "failed", n, error }));
    this.flow();
  }

  /** A list in parts that are frames of moderate length; at least one. */
  #parts<T>(
    n: number,
    error: StoreError | null,
    items: readonly T[],
    sizeOf: (item: T) => number,
    partOf: (items: readonly T[], more: boolean) => StoreReply,
  ): void {
    let part: T[] = [];
    let bytes = 0;
    for (const item of error === null && !this.#ended ? items : []) {
      if (bytes >= PART_BYTES) {
        this.#socket.send(encodeReply(partOf(part, true)));
        part = [];
        bytes = 0;
      }
      part.push(item);
      bytes += sizeOf(item);
    }
    this.#reply(n, error, partOf(part, false));
  }
}

function sizeOfRow(
  { key, value }: { readonly key: readonly unknown[]; readonly value: Uint8Array },
) {
  // Keys are at most 2 KB: the parts of one are counted with their least length.
  return 64 * key.length + value.length;
}
