import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { AccountName, MailboxId } from "../../shard/name/ids.ts";
import {
  ConversationPage,
  type HistoryPage,
  PAGE_BLOCKS_MAX,
} from "../../shard/mailbox/conversation_page.ts";
import { Mailbox } from "../../shard/mailbox/mailbox.ts";
import { decodeBlock, decodeEvent } from "../../shard/mailbox/mailbox_event.ts";
import type { MailboxBody, MailboxEvent } from "../../shard/mailbox/mailbox_event.ts";

const BYTES_MAX = 262_144;
const NAMES = ["bob", "bo", "zoë", "carol"] as AccountName[];

/** A mailbox whose sealed blocks are in a store, and how often each was searched. */
class StoredMailbox {
  readonly mailbox = new Mailbox("AAAAAAAAAAAAAAAA" as MailboxId);
  readonly store = new Map<number, Uint8Array>();
  /** Times that a block was taken apart, by its first position. */
  readonly unpacked = new Map<number, number>();

  constructor(bodies: readonly MailboxBody[]) {
    const { mailbox } = this;
    for (const body of bodies) mailbox.append(1, body, "with" in body ? indexOf(body.with) : -1);
    for (const [first, bytes] of mailbox.unsaved) this.store.set(first, bytes);
    mailbox.unsaved.clear();
    const block = mailbox.block.bind(mailbox);
    mailbox.block = (ref, loaded) => {
      const events = block(ref, loaded);
      if (events !== null) this.unpacked.set(ref.first, (this.unpacked.get(ref.first) ?? 0) + 1);
      return events;
    };
  }

  get all(): readonly MailboxEvent[] {
    const blocks = [...this.store.values(), this.mailbox.encodeTail()];
    return blocks.flatMap(decodeBlock).map((bytes, i) => decodeEvent(bytes, i + 1));
  }

  page(
    peer: AccountName,
    before: number | null,
    after: number | null,
    limit: number,
    bytesMax = BYTES_MAX,
  ): HistoryPage {
    const query = { peer, conversation: indexOf(peer), before, after, limit, bytesMax };
    const page = new ConversationPage(query);
    let loaded = new Map<number, Uint8Array>();
    for (;;) {
      const result = page.read(this.mailbox, loaded);
      if (!("need" in result)) return result;
      loaded = new Map([[result.need, this.store.get(result.need)!]]);
    }
  }

  /** All pages one after another, as clients ask for them. */
  pages(peer: AccountName, forward: boolean, limit: number, bytesMax = BYTES_MAX): HistoryPage[] {
    const pages: HistoryPage[] = [];
    for (let edge: number | null = forward ? 0 : null;;) {
      const page = this.page(peer, forward ? null : edge, forward ? edge : null, limit, bytesMax);
      pages.push(page);
      if (!page.more) return pages;
      const next = forward ? page.events.at(-1) : page.events[0];
      ok(next !== undefined, "a page without events says that more follow");
      edge = next.seq;
    }
  }
}

function indexOf(name: AccountName): number {
  return NAMES.indexOf(name);
}

function message(peer: AccountName, chars: number): MailboxBody {
  const text = { id: "k", body: "x".repeat(chars), ext: "", device: "" as const };
  return { kind: "message", with: peer, out: false, num: 1, ...text };
}

/** Every `every`th message is of bob's conversation, the others of carol's. */
function sparse(count: number, every: number): StoredMailbox {
  const peers = Array.from({ length: count }, (_, i) => i % every === 0 ? "bob" : "carol");
  return new StoredMailbox(peers.map((peer) => message(peer as AccountName, 90)));
}

const peer = fc.constantFrom(...NAMES);
const chars = fc.constantFrom(0, 20, 600, 3000);
const anyBody: fc.Arbitrary<MailboxBody> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(peer, chars).map(([name, n]) => message(name, n)) },
  peer.map((name): MailboxBody => ({
    kind: "undelivered",
    with: name,
    num: 3,
    id: "k",
    reason: "quota",
  })),
  peer.map((name): MailboxBody => ({ kind: "roster_removed", contact: name })),
);

Deno.test("ConversationPage gives exactly the events of the conversation, both ways", () => {
  const bodies = fc.array(anyBody, { maxLength: 120 });
  const limit = fc.integer({ min: 1, max: 40 });
  const bytesMax = fc.constantFrom(1, 2000, BYTES_MAX);
  fc.assert(
    fc.property(bodies, peer, fc.boolean(), limit, bytesMax, (list, name, forward, n, bytes) => {
      const stored = new StoredMailbox(list);
      const wanted = stored.all.filter((e) =>
        (e.kind === "message" || e.kind === "undelivered") && e.with === name
      );
      const pages = stored.pages(name, forward, n, bytes);
      const found = forward ? pages : pages.toReversed();
      deepEqual(found.flatMap(({ events }) => events), wanted);
      ok(pages.every(({ events }) => events.length <= n));
    }),
    { numRuns: 300 },
  );
});

Deno.test("ConversationPage keeps to positions between two events and beyond the ends", () => {
  const stored = sparse(400, 7);
  const seqs = (page: HistoryPage) => page.events.map(({ seq }) => seq);
  deepEqual(seqs(stored.page("bob" as AccountName, 9, null, 50)), [1, 8]);
  deepEqual(seqs(stored.page("bob" as AccountName, 8, null, 50)), [1]);
  deepEqual(stored.page("bob" as AccountName, 1, null, 50), { events: [], more: false, blocks: 0 });
  deepEqual(seqs(stored.page("bob" as AccountName, null, 386, 50)), [393, 400]);
  deepEqual(stored.page("bob" as AccountName, null, 400, 50).events, []);
  deepEqual(stored.page("bob" as AccountName, 9999, null, 2).events.length, 2);
});

Deno.test("10.4: a page searches each block once, whatever must be read from the store", () => {
  const stored = sparse(6000, 60);
  for (const forward of [false, true]) {
    stored.unpacked.clear();
    const edge = forward ? stored.page("bob" as AccountName, null, 0, 40) : null;
    const page = edge ?? stored.page("bob" as AccountName, null, null, 40);
    ok(page.blocks > 20 && page.blocks <= PAGE_BLOCKS_MAX, `${page.blocks} blocks`);
    deepEqual([...new Set(stored.unpacked.values())], [1]);
  }
});

Deno.test("10.4: a page ends after a bounded number of blocks, and the next one goes on there", () => {
  const stored = sparse(12_000, 60);
  for (const forward of [false, true]) {
    const pages = stored.pages("bob" as AccountName, forward, 500);
    equal(pages.flatMap(({ events }) => events).length, 200);
    ok(pages.length >= 4, `${pages.length} pages`);
    ok(pages.every(({ blocks }) => blocks <= PAGE_BLOCKS_MAX));
  }
});

Deno.test("10.4: a page of large messages ends at its bytes, and has one at least", () => {
  const bodies = Array.from({ length: 40 }, () => message("bob" as AccountName, 5000));
  const stored = new StoredMailbox(bodies);
  equal(stored.page("bob" as AccountName, null, null, 500, 1).events.length, 1);
  const page = stored.page("bob" as AccountName, null, null, 500, 26_000);
  deepEqual([page.events.length, page.more], [5, true]);
});

Deno.test("10.4: a page needs no block to say that more follow, and none without the conversation", () => {
  const stored = new StoredMailbox([
    ...Array.from({ length: 60 }, () => message("bob" as AccountName, 1000)),
    ...Array.from({ length: 600 }, () => message("carol" as AccountName, 1000)),
  ]);
  equal(stored.page("bob" as AccountName, null, null, 1).blocks, 1);
  const all = stored.page("bob" as AccountName, null, null, 60);
  deepEqual([all.more, all.blocks < 10], [false, true]);
});
