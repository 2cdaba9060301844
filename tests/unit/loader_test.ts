import { deepEqual } from "node:assert/strict";
import type { LogRecord, Ports, StoreError } from "../../server/node/ports.ts";
import { Loader } from "../../server/node/loader.ts";
import type { Shard } from "../../shard/step/shard.ts";

type Read = (error: StoreError | null, page: { records: LogRecord[]; end: boolean }) => void;

/** A loader whose store replies, and whose retries are due, when the test says so. */
class LoaderFixture {
  readonly shard = { id: 0, ended: false, reading: 1, row: { inherits: [] } };
  /** Reads of the log that have no reply yet. */
  readonly reads: Read[] = [];
  /** Retries that are not due yet. */
  readonly due: (() => void)[] = [];
  /** The readings whose rows the shard got. */
  readonly taken: number[] = [];
  readonly #loader: Loader;

  constructor() {
    const ports = {
      store: {
        readLog: (...[, , , done]: [number, number, number, Read]) => this.reads.push(done),
      },
      timers: { after: (_ms: number, run: () => void) => this.due.push(run) },
      random: { number: () => 0 },
      retries: { againMs: () => 1 },
      log: { error: () => {} },
    } as unknown as Ports;
    this.#loader = new Loader(ports, (_shard, input) => {
      if (input.kind === "log_rows") this.taken.push(input.reading);
    });
  }

  /** The shard begins to read its log (anew). */
  begin(reading: number): void {
    this.shard.reading = reading;
    this.#loader.log(this.shard as unknown as Shard);
  }

  /** The store replies to the first of the reads; `error`: that it has failed. */
  reply(error: StoreError | null = null): void {
    this.reads.shift()!(error, { records: [], end: true });
  }
}

const FAILED: StoreError = { kind: "failed", message: "A read has failed." };

Deno.test("10: a failed read of a log is tried again, unless its shard reads the log anew", () => {
  const fixture = new LoaderFixture();
  fixture.begin(1);
  fixture.reply(FAILED);
  fixture.due.shift()!();
  fixture.reply(FAILED);
  fixture.begin(2);
  fixture.reply();
  deepEqual(fixture.taken, [2]);
  // The shard serves by now, and takes rows for a bug.
  fixture.due.shift()!();
  deepEqual([fixture.reads.length, fixture.due.length, fixture.taken], [0, 0, [2]]);
});

Deno.test("10: rows of a reading are dropped that its shard has given up meanwhile", () => {
  const fixture = new LoaderFixture();
  fixture.begin(1);
  fixture.begin(2);
  fixture.reply();
  fixture.reply();
  deepEqual(fixture.taken, [2]);
});
