import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const BOB = "bob" as AccountName;

/** Alice writes to Bob once in `every` messages; her blocks are in the store. */
function sparse(count: number, every: number): NodeFixture {
  const w = new NodeFixture({
    limits: { cacheIdleMs: 500, checkpointMs: 200, outboxCharsMax: 1e6, inboundMessageMs: 0.1 },
  });
  for (const user of ["alice", "bob", "carol"]) w.account(user);
  w.befriend("alice", "bob");
  w.befriend("alice", "carol");
  for (let i = 0; i < count; i++) {
    w.send("alice", i % every === 0 ? "bob" : "carol", `m${i}`, "x".repeat(1000));
  }
  w.settle(10_000);
  equal(w.node.accountsInMemory, 0);
  return w;
}

function history(w: NodeFixture, query: Partial<Ops["conversation.history"]["in"]>) {
  const asked = { with: BOB, before: null, after: null, limit: 500, bytesMax: 262_144, ...query };
  return w.must("alice", "conversation.history", asked);
}

/** Counts the mailbox blocks that are read from the store. */
function countBlocks(w: NodeFixture): () => number {
  const submitRead = w.disk.submitRead.bind(w.disk);
  let blocks = 0;
  w.disk.submitRead = (keys, ...rest) => {
    blocks += keys.filter((key) => key[0] === "m").length;
    return submitRead(keys, ...rest);
  };
  return () => blocks;
}

Deno.test("10.4: a page of a sparse conversation reads a bounded number of blocks", () => {
  const w = sparse(600, 9);
  const blocks = countBlocks(w);
  const page = history(w, {});
  ok(blocks() <= 32, `${blocks()} blocks are read for one page`);
  ok(page.more && page.events.length >= 31, `${page.events.length} messages`);
});

Deno.test("10.4: pages of a sparse conversation join, though each ends before its limit", () => {
  const w = sparse(600, 9);
  const wanted = w.mailbox("alice").filter((e) => e.kind === "message" && e.with === BOB);
  const back = [];
  for (let before: number | null = null;;) {
    const { events, more } = history(w, { before });
    back.unshift(...events);
    if (!more) break;
    ok(events.length > 0 && events.length < 500);
    before = events[0]!.seq;
  }
  deepEqual(back, wanted);
  const forth = [];
  for (let after = 0;;) {
    const { events, more } = history(w, { after });
    forth.push(...events);
    if (!more) break;
    after = events.at(-1)!.seq;
  }
  deepEqual(forth, wanted);
});

Deno.test("10.4: a page that messages are added to while it is read has no gap", () => {
  const w = sparse(300, 9);
  let page: Ops["conversation.history"]["out"] | null = null;
  const asked = { with: BOB, before: null, after: 0, limit: 500, bytesMax: 262_144 };
  w.node.request("alice" as AccountName, "conversation.history", asked, (result) => {
    ok(result.ok);
    page = result.value;
  });
  for (let i = 0; i < 30; i++) w.send("alice", "bob", `late${i}`, "y".repeat(1000));
  w.settle();
  const { events } = page! as Ops["conversation.history"]["out"];
  const seqs = w.mailbox("alice").flatMap((e) =>
    e.kind === "message" && e.with === BOB ? [e.seq] : []
  );
  deepEqual(events.map((e) => e.seq), seqs.slice(0, events.length));
});

Deno.test("10.4: a page ends at its bytes", () => {
  const w = sparse(100, 1);
  const { events, more } = history(w, { bytesMax: 20_000 });
  deepEqual([events.length < 20, events.length > 15, more], [true, true, true]);
});
