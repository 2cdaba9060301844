/** The rows that one process has open on a simulated disk. */
import type { ListOptions, Mutation, Row, StoreKey } from "../../server/node/ports.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { OrderedRows } from "./ordered_rows.ts";
import type { RowError, RowStore } from "../../server/store/row_store.ts";
import type { VirtualProcess } from "./virtual_time.ts";
import { checkKey, checkList } from "../../server/store/store_limits.ts";

const CLOSED: RowError = { kind: "failed", message: "The store is closed." };

/** The port. Its callbacks run as turns of its process: held while paused, lost when dead. */
export class MemoryRows implements RowStore {
  readonly #disk: MemoryDisk;
  readonly #process: VirtualProcess;
  #state: "open" | "closed" | "dead" = "open";

  constructor(disk: MemoryDisk, process: VirtualProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  write(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    if (this.#state !== "open") return this.answer(() => done(CLOSED));
    if (mutations.length === 0) return this.answer(() => done(null));
    const copies = mutations.map((mutation): Mutation =>
      mutation.kind === "set" ? { ...mutation, value: mutation.value.slice() } : mutation
    );
    this.#disk.submitWrite(copies, done);
  }

  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    for (const key of keys) checkKey("read", key);
    if (this.#state !== "open") return this.answer(() => done(CLOSED, []));
    if (keys.length === 0) return this.answer(() => done(null, []));
    const wanted = [...keys];
    this.#disk.submitRead(
      wanted,
      (rows) => wanted.map((key) => rows.get(key)?.slice() ?? null),
      (error, values) => done(error, values ?? []),
    );
  }

  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void {
    checkList(options);
    if (this.#state !== "open") return this.answer(() => done(CLOSED, []));
    const { prefix, after, limit } = options;
    this.#disk.submitRead(
      [prefix],
      (all) =>
        all.list(prefix, after, limit).map((r) => ({ key: [...r.key], value: r.value.slice() })),
      (error, rows) => done(error, rows ?? []),
    );
  }

  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void {
    if (this.#state !== "open") return this.answer(() => done(CLOSED, null));
    const last = (rows: OrderedRows): StoreKey | null => {
      const row = rows.last(prefix);
      return row === undefined ? null : [...row.key];
    };
    this.#disk.submitRead<StoreKey | null>([prefix], last, done);
  }

  close(done: () => void): void {
    if (this.#state !== "open") return this.answer(done);
    this.#state = "closed";
    this.#disk.submitClose(done);
  }

  /** For its disk: calls back in a turn of the process. */
  answer(run: () => void): void {
    this.#process.timers.soon(() => {
      if (this.#state !== "dead") run();
    });
  }

  /** For its disk: whether its process lives. */
  get alive(): boolean {
    return this.#process.state !== "dead";
  }

  /** For its disk: nothing is called back any more. */
  die(): void {
    this.#state = "dead";
  }
}
