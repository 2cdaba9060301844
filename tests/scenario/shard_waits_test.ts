/** Requests that wait for another account's shard or for the store, and answers that get lost. */
import assert from "node:assert/strict";
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";
import { REQUEST_TIMEOUT_MS } from "../../shard/limits.ts";
import { RESOLVE_TIMEOUT_MS } from "../../shard/step/requests.ts";

/** Begins to send a message; `ok()` is null before the reply, which came at `atMs()`. */
function begin(fixture: NodeFixture, from: string, to: string) {
  let ok: boolean | null = null;
  let atMs = 0;
  const input = {
    device: "phone" as DeviceId,
    to: to as AccountName,
    id: `${from} to ${to}`,
    body: "hello",
    ext: "",
  };
  fixture.node.request(from as AccountName, "message.send", input, (result) => {
    ok = result.ok;
    atMs = fixture.time.nowMs;
  });
  return { ok: () => ok, atMs: () => atMs };
}

/** Two names of different shards. */
function apart(fixture: NodeFixture): readonly [string, string] {
  const other = ["bob", "carol", "dave", "erin"].find((name) =>
    fixture.node.shardOf(name as AccountName) !== fixture.node.shardOf("alice" as AccountName)
  );
  return ["alice", other!];
}

/** Starts the node again without its accounts in memory. */
function restart(fixture: NodeFixture): void {
  // A clean stop cuts the log but for its last row, which is of another account.
  fixture.account("last");
  let stopped = false;
  fixture.node.stop(() => stopped = true);
  fixture.time.runWhile(() => !stopped, fixture.time.nowMs + 5000);
  fixture.kill();
  fixture.start();
}

Deno.test("an account named dedupe does not wait in the place of another's dedupe window", () => {
  const fixture = new NodeFixture({ shards: 1 });
  for (const name of ["dedupe", "bob", "carol"]) fixture.account(name);
  fixture.send("bob", "carol", "m1");
  fixture.settle(5000);
  restart(fixture);
  fixture.disk.failReadsOf("bob", 300);
  // bob cannot be loaded: who bob is stays unanswered.
  const first = begin(fixture, "dedupe", "bob");
  fixture.settle(400);
  assert.equal(first.ok(), null);
  const second = begin(fixture, "bob", "carol");
  fixture.settle(100);
  assert.equal(second.ok(), true);
  fixture.settle(1000);
  assert.equal(first.ok(), true, "who bob is was asked again");
});

Deno.test("a lost answer to resolve is asked for again", () => {
  const fixture = new NodeFixture();
  const [from, to] = apart(fixture);
  for (const name of [from, to]) fixture.account(name);
  let lost = 0;
  fixture.loses = ({ kind }) => (kind === "resolve" || kind === "resolved") && lost++ < 3;
  const sent = begin(fixture, from, to);
  fixture.settle(RESOLVE_TIMEOUT_MS);
  assert.equal(lost > 3, true);
  assert.equal(sent.ok(), true);
});

Deno.test("requests with the same question wait for one answer, each to its own deadline", () => {
  const fixture = new NodeFixture();
  const [from, to] = apart(fixture);
  for (const name of [from, to]) fixture.account(name);
  let asked = 0;
  fixture.loses = ({ kind }) => kind === "resolve" && ++asked > 0;
  const first = begin(fixture, from, to);
  fixture.settle(400);
  const second = begin(fixture, from, to);
  assert.equal(asked, 1);
  fixture.settle(RESOLVE_TIMEOUT_MS - 300);
  assert.deepEqual([first.ok(), second.ok()], [false, null]);
  fixture.settle(400);
  assert.equal(second.ok(), false);
  assert.ok(asked <= 6, `asked ${asked} times`);
});

Deno.test("a request for which no answer comes is refused before its own timeout", () => {
  assert.ok(RESOLVE_TIMEOUT_MS < REQUEST_TIMEOUT_MS);
  const fixture = new NodeFixture();
  const [from, to] = apart(fixture);
  for (const name of [from, to]) fixture.account(name);
  fixture.loses = ({ kind }) => kind === "resolved";
  const began = fixture.time.nowMs;
  const sent = begin(fixture, from, to);
  fixture.settle(REQUEST_TIMEOUT_MS + 5000);
  assert.equal(sent.ok(), false);
  assert.ok(sent.atMs() - began < REQUEST_TIMEOUT_MS, `after ${sent.atMs() - began} ms`);
  assert.deepEqual(fixture.bodies(from), []);
});

Deno.test("what a session is to show is set after the announcement that has been asked for before", () => {
  const fixture = new NodeFixture({ shards: 1 });
  fixture.account("alice");
  fixture.settle(5000);
  restart(fixture);
  // Its account has to be read for that, but not for a change.
  const session = "session000000001" as SessionId;
  const name = "alice" as AccountName;
  const away = { ...ONLINE, show: "away" } as const;
  const expiresAt = fixture.process.clock.wallMs() + 86_400_000;
  const announcement = {
    session,
    device: "phone" as DeviceId,
    auth: { kind: "issuer", expiresAt },
    cursor: null,
    presence: ONLINE,
    announced: true,
  } as const;
  const replies: boolean[] = [];
  fixture.node.request(name, "session.attach", announcement, ({ ok }) => replies.push(ok));
  fixture.node.request(name, "presence.set", { session, presence: away }, ({ ok }) => {
    replies.push(ok);
  });
  fixture.settle(1000);
  assert.deepEqual(replies, [true, true]);
  const [answer] = fixture.watch("alice", fixture.attach("alice", "laptop"));
  const shown = answer!.presence?.devices.find(({ device }) => device === "phone");
  assert.deepEqual(shown?.presence, away);
});

Deno.test("a node that gives an interest up before the account is loaded does not watch", () => {
  const bob = "bob" as AccountName;
  for (const again of [false, true]) {
    const fixture = new NodeFixture({ shards: 1 });
    const id = fixture.account(bob);
    fixture.settle(5000);
    restart(fixture);
    let answers = 0;
    const item = { watcher: bob, watcherId: id, watched: bob, watchedId: id };
    const watch = () => fixture.node.interest([item], () => answers++);
    const watched = () => fixture.node.shards[0]!.ofEdge(fixture.node.id).watched;
    fixture.disk.failReadsOf("bob", 2000);
    watch();
    fixture.settle(1000);
    assert.deepEqual([answers, watched()], [0, [bob]], "what is to be forgotten counts it");
    fixture.node.uninterest([bob]);
    if (again) watch();
    fixture.settle(3000);
    assert.deepEqual([answers, watched()], again ? [2, [bob]] : [1, []]);
    assert.equal(fixture.node.shards[0]!.presence.size, answers - 1);
  }
});

Deno.test("a node that gives an interest up before the commit that its answer rests on fails does not watch", () => {
  const bob = "bob" as AccountName;
  for (const again of [false, true]) {
    const fixture = new NodeFixture({ shards: 1 });
    const id = fixture.account(bob);
    fixture.settle(5000);
    let answers = 0;
    const item = { watcher: bob, watcherId: id, watched: bob, watchedId: id };
    const watch = () => fixture.node.interest([item], () => answers++);
    const { presence } = fixture.node.shards[0]!;
    const change = { contact: "carol" as AccountName, blocked: true };
    fixture.disk.failNext("failed");
    fixture.node.request(bob, "roster.block", change, () => {});
    watch();
    fixture.time.runWhile(() => presence.size === 0, fixture.time.nowMs + 100);
    assert.deepEqual([answers, presence.ofEdge(fixture.node.id).watched], [0, [bob]]);
    fixture.node.uninterest([bob]);
    if (again) watch();
    fixture.settle(5000);
    assert.equal(fixture.node.shards[0]!.presence, presence);
    const { watched } = presence.ofEdge(fixture.node.id);
    assert.deepEqual([answers, watched], again ? [2, [bob]] : [1, []]);
  }
});
