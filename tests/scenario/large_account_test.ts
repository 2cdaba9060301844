/** The most that an account may have by its settings, in a node and after a restart (issue 10.7). */
import assert from "node:assert/strict";
import type { Account } from "../../shard/account/account.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Row } from "../../server/node/ports.ts";
import { SMALL_PAGES } from "../sim/config.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function ann(w: NodeFixture): Account {
  return w.node.shards.flatMap((s) => [...s.inspect().accounts]).find((a) => a.name === "ann")!;
}

function restarted(w: NodeFixture): NodeFixture {
  w.settle(10_000);
  w.kill();
  w.start();
  return w;
}

const send = (w: NodeFixture, to: string, id: string) =>
  w.ask("ann", "message.send", {
    to: name(to),
    id,
    body: id,
    ext: "",
    device: "phone" as DeviceId,
  });

/** Bytes of the rows of heads that the checkpoint after `change` has written. */
function checkpointBytes(w: NodeFixture, change: () => void): number {
  w.settle(10_000);
  const before = new Map(w.disk.stored(["u"]).map(({ key, value }) => [key.join(" "), value]));
  change();
  w.settle(10_000);
  const isNew = ({ key, value }: Row) => {
    const was = before.get(key.join(" "));
    return was === undefined || was.length !== value.length || value.some((b, i) => b !== was[i]);
  };
  return w.disk.stored(["u"]).filter(isNew).reduce((sum, { value }) => sum + value.length, 0);
}

Deno.test("10.7: conversationsMax of 10,000 is reached twice over, and one changed one is a small write", () => {
  const limits = { conversationsMax: 10_000, waitingMs: 1000, mailboxEventsMax: 100_000 };
  const w = new NodeFixture({ shards: 1, limits });
  w.account("ann");
  for (let i = 0; i < 20_000; i++) {
    assert.ok(send(w, `peer${i}`, `m${i}`).ok, `${i}`);
    // None has such a name: few messages may wait at a time.
    if (i % 300 === 299) w.settle(3000);
  }
  const over = send(w, "one-more", "over");
  assert.equal(over.ok ? "ok" : over.code, "limit_reached");
  const bytes = checkpointBytes(w, () => assert.ok(send(w, "peer7", "again").ok));
  assert.ok(bytes > 1000 && bytes < 60_000, `${bytes} bytes`);
  restarted(w);
  const { snapshot } = w.must("ann", "mailbox.snapshot", {});
  assert.equal(snapshot.conversations.length, 20_000);
  assert.ok(send(w, "peer8", "after").ok);
  assert.equal(ann(w).conversations.get(name("peer8"))!.outNum, 2);
  assert.equal(ann(w).conversations.get(name("peer7"))!.outNum, 2);
});

Deno.test("10.7: rosterMax and blockedMax of 10,000 are reached with long names and labels", () => {
  const w = new NodeFixture({ shards: 1, limits: { rosterMax: 10_000, blockedMax: 10_000 } });
  w.account("ann");
  const long = (i: number) => name(`${"x".repeat(200)}${i}`);
  const label = "y".repeat(256);
  for (let i = 0; i < 10_000; i++) {
    const set = w.ask("ann", "roster.set", { contact: long(i), label, groups: ["friends"] });
    assert.ok(set.ok, `contact ${i}`);
  }
  for (let i = 10_000; i < 20_000; i++) {
    assert.ok(w.ask("ann", "roster.block", { contact: long(i), blocked: true }).ok, `block ${i}`);
  }
  const bytes = checkpointBytes(w, () => {
    w.must("ann", "roster.set", { contact: long(5), label: "new", groups: [] });
  });
  assert.ok(bytes > 1000 && bytes < 100_000, `${bytes} bytes`);
  restarted(w);
  const { snapshot } = w.must("ann", "mailbox.snapshot", {});
  assert.equal(snapshot.roster.length, 10_000);
  assert.equal(snapshot.blocked.length, 10_000);
  assert.equal(ann(w).roster.get(long(5))!.label, "new");
});

Deno.test("10.7: a released name leaves no page behind, and the next account of it begins anew", () => {
  const w = new NodeFixture({ shards: 1, limits: { headShape: SMALL_PAGES, checkpointMs: 100 } });
  w.account("ann");
  for (let i = 0; i < 400; i++) {
    w.must("ann", "roster.set", { contact: name(`c${i}`), label: "x".repeat(50), groups: [] });
    w.must("ann", "roster.block", { contact: name(`b${i}`), blocked: true });
    if (i % 50 === 49) w.settle(1000);
  }
  w.settle(20_000);
  const rows = () => w.disk.stored(["u"]).filter(({ key }) => key[2] === "ann").length;
  assert.ok(rows() > 400, `${rows()} rows`);
  w.must("ann", "account.remove", {});
  w.settle(20_000);
  assert.equal(rows(), 1, "the head of a closed account");
  w.must("ann", "account.release", {});
  w.settle(20_000);
  assert.equal(rows(), 0);
  w.account("ann");
  restarted(w);
  assert.equal(w.must("ann", "mailbox.snapshot", {}).snapshot.roster.length, 0);
});

Deno.test("12: what is left of a removed account is deleted after a crash, too", () => {
  const w = new NodeFixture({ shards: 1, limits: { headShape: SMALL_PAGES, checkpointMs: 100 } });
  w.account("ann");
  for (let i = 0; i < 400; i++) {
    w.must("ann", "roster.set", { contact: name(`c${i}`), label: "x".repeat(50), groups: [] });
    if (i % 50 === 49) w.settle(1000);
  }
  w.settle(20_000);
  const rows = () => w.disk.stored(["u"]).filter(({ key }) => key[2] === "ann").length;
  const all = rows();
  w.must("ann", "account.remove", {});
  for (let i = 0; rows() === all && i < 1000; i++) w.settle(10);
  assert.ok(rows() > 1 && rows() < all, `${rows()} of ${all} rows`);
  w.kill();
  w.start();
  w.settle(20_000);
  assert.equal(rows(), 1, "the head of a closed account");
});
