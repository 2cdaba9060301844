import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { SearchedPage } from "../../shard/search/search_page.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const BOB = "bob" as AccountName;
const CAROL = "carol" as AccountName;
type Asked = Partial<Ops["mailbox.search"]["in"]>;

/** Alice has written to Bob and Carol in turn; her blocks are in the store. */
function written(
  count: number,
  bodyOf: (i: number) => string,
  limits: ConstructorParameters<typeof NodeFixture>[0] = {},
): NodeFixture {
  const w = new NodeFixture({
    ...limits,
    limits: {
      cacheIdleMs: 500,
      checkpointMs: 200,
      outboxCharsMax: 1e6,
      inboundMessageMs: 0.1,
      ...limits?.limits,
    },
  });
  for (const user of ["alice", "bob", "carol"]) w.account(user);
  w.befriend("alice", "bob");
  w.befriend("alice", "carol");
  for (let i = 0; i < count; i++) {
    w.send("alice", i % 2 === 0 ? "bob" : "carol", `k${i}`, bodyOf(i));
  }
  w.settle(10_000);
  equal(w.node.accountsInMemory, 0);
  return w;
}

function asked(query: Asked): Ops["mailbox.search"]["in"] {
  return { text: "ticket", with: null, before: null, limit: 20, ...query };
}

function search(w: NodeFixture, name: string, query: Asked): SearchedPage {
  return w.must(name, "mailbox.search", asked(query));
}

/** Keys of all that is found, page by page. */
function all(w: NodeFixture, name: string, query: Asked): string[] {
  const found: string[] = [];
  for (let before: number | null = null;;) {
    const page = search(w, name, { ...query, before });
    found.push(...page.found.map(({ id }) => id));
    if (page.next === null) return found;
    before = page.next;
  }
}

const filler = "lorem ipsum dolor sit amet ".repeat(20);

Deno.test("search: finds in one conversation or all, in both mailboxes, also after a restart", () => {
  const bodyOf = (i: number) => i % 30 < 2 ? `Two Tickets ${i}` : filler;
  const w = written(200, bodyOf);
  const ids = [180, 150, 120, 90, 60, 30, 0].flatMap((i) => [`k${i + 1}`, `k${i}`]);
  for (let round = 0; round < 2; round++) {
    deepEqual(all(w, "alice", {}), ids);
    deepEqual(all(w, "alice", { limit: 3 }), ids);
    deepEqual(all(w, "alice", { with: BOB }), ids.filter((_, i) => i % 2 === 1));
    deepEqual(all(w, "bob", {}), ids.filter((_, i) => i % 2 === 1));
    deepEqual(all(w, "bob", { with: CAROL }), []);
    deepEqual(all(w, "carol", { text: "TICKETS two 9" }), ["k91"]);
    w.kill();
    w.start();
  }
});

Deno.test("search: what retention and removal drop is not found any more", () => {
  const w = written(400, (i) => `ticket ${i} ${filler}`, { limits: { mailboxEventsMax: 100 } });
  for (const peer of [BOB, CAROL]) {
    w.must(peer, "conversation.read", { with: "alice" as AccountName, upTo: 10_000 });
  }
  const found = all(w, "alice", {});
  const kept = w.mailbox("alice").flatMap((e) => e.kind === "message" ? [e.id] : []);
  deepEqual(found, kept.reverse());
  ok(found.length < 140, `${found.length}`);
  w.must("bob", "account.remove", {});
  w.settle();
  const gone = w.ask("bob", "mailbox.search", asked({}));
  equal(gone.ok ? "ok" : gone.code, "unauthorized");
  w.must("bob", "account.release", {});
  w.account("bob");
  deepEqual(search(w, "bob", {}), { found: [], next: null, bytes: 0 });
});

Deno.test("search: rubbish is refused as bad_request", () => {
  const w = written(2, () => "ticket");
  for (const text of ["", "?", "a b c d e f g h i"]) {
    const result = w.ask("alice", "mailbox.search", asked({ text }));
    ok(!result.ok && result.code === "bad_request", JSON.stringify(result));
  }
});

Deno.test("search: an account that searches much is limited, and others are not", () => {
  const limits = { searchedKibMs: 10, searchedKibBurst: 200 };
  const w = written(100, () => filler.repeat(4), { limits });
  let pages = 0;
  let refused: Result<unknown> | null = null;
  while (refused === null && pages < 100) {
    const result = w.ask("alice", "mailbox.search", asked({ text: "nothing" }));
    if (result.ok) pages++;
    else refused = result;
  }
  ok(pages > 0 && pages < 4, `${pages} pages`);
  ok(refused !== null && !refused.ok && refused.code === "rate_limited");
  const waitMs = refused.retryAfterMs!;
  ok(waitMs > 0 && waitMs < 4000, `${waitMs}`);
  ok(w.ask("bob", "mailbox.search", asked({ text: "nothing" })).ok);
  w.settle(waitMs);
  ok(w.ask("alice", "mailbox.search", asked({ text: "nothing" })).ok);
});

Deno.test("search: few are under way at once, of one account and of all, and each block is a step", () => {
  const w = written(60, () => filler.repeat(4), { shards: 1 });
  const done: Result<unknown>[] = [];
  const begin = (name: string) =>
    w.node.request(name as AccountName, "mailbox.search", asked({}), (r) => done.push(r));
  for (const name of ["alice", "bob", "carol"]) w.must(name, "mailbox.snapshot", {});
  for (let i = 0; i < 3; i++) begin("alice");
  w.time.runWhile(() => done.length < 1, w.time.nowMs + 1000);
  const [first] = done;
  ok(first !== undefined && !first.ok && first.code === "busy" && first.retryAfterMs === 200);
  // Others are served between the blocks of a search.
  ok(w.ask("bob", "mailbox.search", asked({})).ok);
  w.settle();
  deepEqual(done.map((r) => r.ok), [false, true, true]);
  ok(w.ask("alice", "mailbox.search", asked({})).ok, "those that are over do not count");
});

Deno.test("search: an operation of a later version is refused, and is no bug", () => {
  const w = written(2, () => "ticket");
  const result = w.ask("alice", "mailbox.later" as "mailbox.snapshot", {});
  ok(!result.ok && result.code === "unsupported", JSON.stringify(result));
  equal(w.node.bugs, 0);
});
