/** Requests that wait for another account's shard or for the store, and answers that get lost. */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
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

Deno.test("an account named dedupe does not wait in the place of another's dedupe window", () => {
  const fixture = new NodeFixture({ shards: 1 });
  for (const name of ["dedupe", "bob", "carol"]) fixture.account(name);
  fixture.send("bob", "carol", "m1");
  fixture.settle(5000);
  // A clean stop cuts the log but for its last row, which is not of bob.
  fixture.account("last");
  let stopped = false;
  fixture.node.stop(() => stopped = true);
  fixture.time.runWhile(() => !stopped, fixture.time.nowMs + 5000);
  fixture.kill();
  fixture.start();
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
