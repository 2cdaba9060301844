import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { DedupeWindow, type SentMessage } from "../../shard/message/dedupe.ts";
import type { DedupeTable } from "../../shard/message/dedupe_rows.ts";
import { ByteReader, ByteWriter } from "../../shard/record/bytes.ts";

const ID = "AAAAAAAAAAAAAAAA";
const SMALL = { blockEntries: 3, rowBlocks: 2, hashBits: 64 };
const message = (id: string, body = id): SentMessage => ({ id, to: "bob", body, ext: "" });

/** A window with the store behind it: what was written, and the last head. */
class Stored {
  readonly shape: typeof SMALL;
  readonly rows = { d: new Map<number, Uint8Array>(), h: new Map<number, Uint8Array>() };
  /** Stored blocks that were read for a message. */
  reads = 0;
  window: DedupeWindow;
  #head: Uint8Array;
  /** Changes since the head, which the log has. */
  #log: ((window: DedupeWindow) => void)[] = [];

  constructor(shape: typeof SMALL) {
    this.shape = shape;
    this.window = new DedupeWindow(ID, shape);
    this.#head = encoded(this.window);
  }

  change(run: (window: DedupeWindow) => void): void {
    run(this.window);
    this.#log.push(run);
  }

  checkpoint(): void {
    while (this.window.unsaved) {
      for (const { table, number, value } of this.window.takeUnsaved(1)) {
        ok(!this.rows[table].has(number), `${table} ${number} is written once`);
        this.rows[table].set(number, value);
      }
    }
    this.window.saved();
    for (const { table, from, to } of this.window.takeDropped()) {
      for (let n = from; n < to; n++) this.rows[table].delete(n);
    }
    this.#head = encoded(this.window);
    this.#log = [];
  }

  /** As after a start: the head, then the log. */
  restart(): void {
    const before = encoded(this.window);
    this.window = new DedupeWindow(ID, this.shape);
    this.window.decode(new ByteReader(this.#head), []);
    for (const run of this.#log) run(this.window);
    deepEqual(encoded(this.window), before, "a replay gives the same");
  }

  find(m: SentMessage) {
    this.open();
    const loaded = new Map<number, Uint8Array>();
    for (;;) {
      const found = this.window.find(m, loaded);
      if (found.kind !== "read") return found;
      this.reads++;
      loaded.set(found.block, this.rows.d.get(found.block)!);
    }
  }

  open(): void {
    if (this.window.open()) return;
    const { rows } = this.window.toLoad();
    const read = new Map(rows.map((n) => [n, this.rows.h.get(n)!]));
    equal(this.window.load(read, new Map()), false);
  }
}

function encoded(window: DedupeWindow): Uint8Array {
  const w = new ByteWriter();
  window.encode(w);
  return w.take();
}

const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("send"), key: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("other"), key: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trim"), key: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("checkpoint"), key: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart"), key: fc.constant(0) }) },
);

/** Runs actions on a window and on a map that has everything; they agree about every message. */
function agree(actions: readonly { do: string; key: number }[], hashBits: number): void {
  const stored = new Stored({ ...SMALL, hashBits });
  const model = new Map<string, { seq: number; at: number; num: number }>();
  let seq = 0;
  for (const { do: what, key } of actions) {
    const m = message(`m${key}`);
    const before = model.get(m.id);
    if (what === "send") {
      const found = stored.find(m);
      deepEqual(
        found,
        before === undefined ? { kind: "new" } : { kind: "sent", before, same: true },
      );
      if (before !== undefined) continue;
      const sent = { seq: ++seq, at: seq * 10, num: seq };
      model.set(m.id, sent);
      stored.change((w) => w.remember(m, sent));
    } else if (what === "other") {
      const found = stored.find(message(m.id, "other"));
      deepEqual(
        found,
        before === undefined ? { kind: "new" } : { kind: "sent", before, same: false },
      );
    } else if (what === "trim") {
      const cutoff = (seq - key) * 10;
      const block = stored.window.expired(cutoff);
      if (block <= stored.window.first) continue;
      stored.open();
      const kept = new Set(
        [...model.keys()].filter((id) => stored.find(message(id)).kind === "sent"),
      );
      equal(kept.size, model.size);
      stored.change((w) => w.trim(block));
      for (const [id, { at }] of model) {
        const found = stored.find(message(id));
        if (found.kind === "new") {
          ok(at < cutoff, `${id} of ${at} is dropped, the window begins at ${cutoff}`);
          model.delete(id);
        }
      }
      equal(stored.window.count, model.size);
    } else if (what === "checkpoint") stored.checkpoint();
    else stored.restart();
  }
  stored.checkpoint();
  const wanted = { d: [] as number[], h: [] as number[] };
  for (const { table, from, to } of stored.window.stored) {
    for (let n = from; n < to; n++) wanted[table].push(n);
  }
  const sorted = (table: DedupeTable) => [...stored.rows[table].keys()].sort((a, b) => a - b);
  deepEqual({ d: sorted("d"), h: sorted("h") }, wanted, "the store has the window, nothing else");
}

for (const hashBits of [64, 4, 1]) {
  Deno.test(`DedupeWindow is a map with a window, over restarts: ${hashBits} bits`, () => {
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 150, size: "max" }),
        (actions) => agree(actions, hashBits),
      ),
      { numRuns: 200 },
    );
  });
}

/** `count` messages, one each 10 ms, checkpointed and started again. */
function filled(count: number, shape = SMALL): Stored {
  const stored = new Stored(shape);
  for (let i = 1; i <= count; i++) {
    const sent = { seq: i, at: i * 10, num: i };
    stored.change((w) => w.remember(message(`m${i}`), sent));
  }
  stored.checkpoint();
  stored.restart();
  return stored;
}

Deno.test("DedupeWindow.find: a new key reads nothing, a repetition one block", () => {
  const stored = filled(100);
  deepEqual(stored.find(message("new")), { kind: "new" });
  equal(stored.reads, 0);
  equal(stored.find(message("m7")).kind, "sent");
  equal(stored.reads, 1);
  equal(stored.find(message("m100")).kind, "sent");
  equal(stored.reads, 1, "the last ones are in the head");
});

Deno.test("DedupeWindow.find: a false match costs reads, and is new", () => {
  const stored = filled(100, { ...SMALL, hashBits: 2 });
  for (let i = 0; i < 20; i++) deepEqual(stored.find(message(`new ${i}`)), { kind: "new" });
  ok(stored.reads > 100, `${stored.reads} reads`);
  for (let i = 1; i <= 100; i++) {
    const before = { seq: i, at: i * 10, num: i };
    deepEqual(stored.find(message(`m${i}`)), { kind: "sent", before, same: true });
  }
});

Deno.test("DedupeWindow.find: recipient, body and ext count, and nothing else", () => {
  const stored = filled(1);
  const m = message("m1");
  const same = [m, { ...m, to: "cid" }, { ...m, body: "m2" }, { ...m, ext: "e" }].map((other) => {
    const found = stored.find(other);
    return found.kind === "sent" && found.same;
  });
  deepEqual(same, [true, false, false, false]);
});

Deno.test("DedupeWindow.expired drops whole blocks, also where their hashes were not read", () => {
  const stored = filled(20);
  // Rows have blocks 1 to 6, the head has the messages 19 and 20 in block 7.
  equal(stored.window.expired(0), 1);
  equal(stored.window.expired(180), 1, "of rows that were not read only the end is known");
  equal(stored.window.expired(181), 7);
  equal(stored.window.expired(201), 8);
  stored.open();
  equal(stored.window.expired(61), 3);
  equal(stored.window.oldestAt, 30);
  stored.change((w) => w.trim(3));
  equal(stored.window.oldestAt, 90);
  equal(stored.window.count, 14);
  stored.change((w) => w.trim(8));
  deepEqual([stored.window.count, stored.window.oldestAt], [0, null]);
});

/** Blocks as versions before the hashes wrote them. */
function formerBlock(entries: readonly [string, number][]): Uint8Array {
  const w = new ByteWriter().u8(1).uint(entries.length);
  for (const [key, n] of entries) w.str(key).uint(n).uint(n * 10).uint(n);
  return w.take();
}

Deno.test("DedupeWindow.load makes rows of former blocks, whose entries match any content", () => {
  const blocks = new Map<number, Uint8Array>();
  const former = [4, 5, 6, 7].map((number) => {
    const count = number === 6 ? 1 : 5;
    const entries = Array.from({ length: count }, (_, i): [string, number] => {
      return [`old ${number} ${i}`, number * 10 + i];
    });
    blocks.set(number, formerBlock(entries));
    const lastAt = entries.at(-1)![1] * 10;
    return { number, firstAt: number * 100, lastAt, count };
  });
  const window = new DedupeWindow(ID, SMALL);
  window.decodeFormer(former, 7);
  // What the log has is replayed before anything is read.
  for (let i = 0; i < 8; i++) window.remember(message(`m${i}`), { seq: i, at: 1000, num: i });
  equal(window.open(), false);
  deepEqual(window.toLoad(), { rows: [], blocks: [4, 5, 6, 7] });
  throws(() => window.load(new Map(), new Map()), {
    name: "CorruptBytes",
    message: /4 is missing/,
  });
  equal(window.load(new Map(), blocks), true);
  equal(window.count, 16 + 8);
  const found = window.find(message("old 5 3", "other"), blocks);
  deepEqual(found, { kind: "sent", before: { seq: 53, at: 530, num: 53 }, same: true });
  const rows = new Map<number, Uint8Array>();
  for (const row of window.takeUnsaved(1e6)) {
    if (row.table === "h") rows.set(row.number, row.value);
    else blocks.set(row.number, row.value);
  }
  // Once more, from the new form alone.
  const again = new DedupeWindow(ID, SMALL);
  again.decode(new ByteReader(encoded(window)), window.former);
  const { rows: wanted, blocks: none } = again.toLoad();
  deepEqual([wanted, none], [[...rows.keys()].sort((a, b) => a - b), []]);
  equal(again.load(rows, new Map()), false);
  equal(again.count, 24);
  equal(again.find(message("old 7 4"), blocks).kind, "sent");
  equal(again.find(message("m1"), blocks).kind, "sent");
  equal(again.find(message("m9"), blocks).kind, "new");
});
