import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { AccountName, MailboxId } from "../../shard/name/ids.ts";
import { BLOCK_BYTES, Mailbox } from "../../shard/mailbox/mailbox.ts";
import type { MailboxBody } from "../../shard/mailbox/mailbox_event.ts";
import { Query } from "../../shard/search/query.ts";
import {
  type FoundMessage,
  SEARCHED_BYTES_MAX,
  type SearchedPage,
  SearchPage,
} from "../../shard/search/search_page.ts";
import { naivelyFinds } from "../sim/naive_search.ts";

const NAMES = ["bob", "bo", "zoë", "carol"] as AccountName[];

function message(peer: number, body: string): MailboxBody {
  const text = { id: "k", body, ext: "ticket", device: "" as const };
  return { kind: "message", with: NAMES[peer]!, out: peer === 1, num: 1, ...text };
}

/** A mailbox whose sealed blocks are in a store. */
class StoredMailbox {
  readonly mailbox = new Mailbox("AAAAAAAAAAAAAAAA" as MailboxId);
  readonly store = new Map<number, Uint8Array>();
  /** Blocks that were read for the last page. */
  reads = 0;

  constructor(bodies: readonly MailboxBody[], stored = true) {
    for (const body of bodies) {
      this.mailbox.append(1000, body, "with" in body ? NAMES.indexOf(body.with) : -1);
    }
    if (stored) this.checkpoint();
  }

  checkpoint(): void {
    for (const [first, bytes] of this.mailbox.unsaved) this.store.set(first, bytes);
    this.mailbox.unsaved.clear();
  }

  page(text: string, peer: number | null, before: number | null, limit: number): SearchedPage {
    const query = Query.parse(text) as Query;
    const within = peer === null ? null : { peer: NAMES[peer]!, conversation: peer };
    const page = new SearchPage({ query, within, before, limit });
    let loaded = new Map<number, Uint8Array>();
    this.reads = 0;
    for (;;) {
      const result = page.read(this.mailbox, loaded);
      if (!("need" in result)) return result;
      this.reads++;
      loaded = new Map([[result.need, this.store.get(result.need)!]]);
    }
  }

  /** What all pages find, one after another. */
  all(text: string, peer: number | null, limit: number): FoundMessage[] {
    const found: FoundMessage[] = [];
    for (let before: number | null = null;;) {
      const page: SearchedPage = this.page(text, peer, before, limit);
      found.push(...page.found);
      if (page.next === null) return found;
      ok(page.next < (before ?? Infinity), "the next page goes on");
      before = page.next;
    }
  }
}

const WORDS = ["ticket", "Tickets", "tick", "Zürich", "zurich", "東京都", "seven", "x".repeat(700)];
const body = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 6 })
  .map((all) => all.join(" "));
const bodies: fc.Arbitrary<MailboxBody[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.nat(3), body).map(([p, b]) => message(p, b)) },
    fc.nat(3).map((p) => ({ kind: "read" as const, with: NAMES[p]!, upTo: 1, unread: 0 })),
    fc.nat(3).map((p) => ({
      kind: "undelivered" as const,
      with: NAMES[p]!,
      num: 1,
      id: "ticket",
      reason: "ticket",
    })),
  ),
  { maxLength: 120 },
);

Deno.test("search: pages find what the naive search of all events finds, newest first", () => {
  const asked = {
    bodies,
    text: fc.constantFrom("tick", "ticket", "zurich tick", "京", "seven zürich", "nothing"),
    peer: fc.constantFrom(null, 0, 1, 2, 3),
    limit: fc.integer({ min: 1, max: 30 }),
    stored: fc.boolean(),
  };
  fc.assert(
    fc.property(fc.record(asked), ({ bodies, text, peer, limit, stored }) => {
      const box = new StoredMailbox(bodies, stored);
      const wanted = bodies.flatMap((b, i) => {
        if (b.kind !== "message" || peer !== null && b.with !== NAMES[peer]) return [];
        return naivelyFinds(text, b.body) ? [i + 1] : [];
      });
      deepEqual(box.all(text, peer, limit).map(({ seq }) => seq), wanted.reverse());
    }),
    { numRuns: 400 },
  );
});

Deno.test("search: a result says where the message is, and which words are in it", () => {
  const box = new StoredMailbox([message(0, "no"), message(1, "Two Tickets"), message(2, "no")]);
  const wanted = {
    seq: 2,
    at: 1000,
    with: "bo",
    out: true,
    num: 1,
    id: "k",
    excerpt: "Two Tickets",
    marks: [[4, 8]],
  };
  const { found, next } = box.page("tick", null, null, 10);
  deepEqual([found, next], [[wanted], null]);
  deepEqual(box.page("tick", null, 2, 10).found, []);
  deepEqual(box.page("tick", null, 3, 10).found, [wanted]);
  deepEqual(box.page("tick", null, 1e15, 10).found, [wanted]);
  deepEqual(box.page("tick", null, 0, 10).found, []);
});

Deno.test("search: a page reads a bounded number of bytes, and only blocks of its conversation", () => {
  const count = 8000;
  const filler = "lorem ipsum dolor sit amet ".repeat(10);
  const box = new StoredMailbox(
    Array.from({ length: count }, (_, i) => message(i === 40 || i === 4000 ? 3 : 0, filler)),
  );
  const { found, next } = box.page("nothing", null, null, 20);
  deepEqual(found, []);
  ok(next !== null && next > 1);
  ok(box.reads <= SEARCHED_BYTES_MAX / BLOCK_BYTES + 1, `${box.reads} blocks`);
  deepEqual(box.all("nothing", null, 20), []);
  deepEqual(box.page("lorem", 3, null, 20).found.map(({ seq }) => seq), [4001, 41]);
  equal(box.reads, 2);
});

Deno.test("search: of blocks in memory a step searches a few, and the next page goes on", () => {
  const bodies = Array.from({ length: 400 }, (_, i) => message(0, `m${i} ${"x".repeat(200)}`));
  const box = new StoredMailbox(bodies, false);
  ok(box.mailbox.unsaved.size > 8);
  const page = box.page("m0", null, null, 20);
  deepEqual(page.found, []);
  ok(page.next !== null && page.bytes <= 5 * BLOCK_BYTES + 2000, `${page.bytes} bytes`);
  deepEqual(box.all("m0", null, 20).map(({ seq }) => seq), [1]);
});

Deno.test("search: a page goes on where blocks were sealed, trimmed and replaced meanwhile", () => {
  const filler = "x".repeat(500);
  const bodies = Array.from({ length: 100 }, (_, i) => message(0, `tick m${i} ${filler}`));
  const box = new StoredMailbox(bodies);
  const query = Query.parse("tick") as Query;
  const page = new SearchPage({ query, within: null, before: null, limit: 200 });
  const asked = page.read(box.mailbox, new Map()) as { need: number };
  // What is sealed, written and dropped meanwhile.
  for (let i = 0; i < 40; i++) box.mailbox.append(1000, message(0, `tick late ${filler}`), 0);
  box.checkpoint();
  const { first } = box.mailbox.blocks[3]!;
  box.mailbox.trim(first);
  let loaded = new Map([[asked.need, box.store.get(asked.need)!]]);
  for (;;) {
    const result = page.read(box.mailbox, loaded);
    if (!("need" in result)) {
      const wanted = Array.from({ length: 100 - first + 1 }, (_, i) => 100 - i);
      deepEqual(result.found.map(({ seq }) => seq), wanted);
      return;
    }
    loaded = new Map([[result.need, box.store.get(result.need)!]]);
  }
});
