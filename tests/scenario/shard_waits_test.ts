/** Requests that wait for another account's shard or for the store, and answers that get lost. */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeWorld } from "../sim/node_world.ts";
import { REQUEST_TIMEOUT_MS } from "../../shard/limits.ts";
import { RESOLVE_TIMEOUT_MS } from "../../shard/step/requests.ts";

/** Begins to send a message; `ok()` is null before the reply, which came at `atMs()`. */
function begin(world: NodeWorld, from: string, to: string) {
  let ok: boolean | null = null;
  let atMs = 0;
  const input = {
    device: "phone" as DeviceId,
    to: to as AccountName,
    id: `${from} to ${to}`,
    body: "hello",
    ext: "",
  };
  world.node.request(from as AccountName, "message.send", input, (result) => {
    ok = result.ok;
    atMs = world.time.nowMs;
  });
  return { ok: () => ok, atMs: () => atMs };
}

/** Two names of different shards. */
function apart(world: NodeWorld): readonly [string, string] {
  const other = ["bob", "carol", "dave", "erin"].find((name) =>
    world.node.shardOf(name as AccountName) !== world.node.shardOf("alice" as AccountName)
  );
  return ["alice", other!];
}

Deno.test("an account named dedupe does not wait in the place of another's dedupe window", () => {
  const world = new NodeWorld({ shards: 1 });
  for (const name of ["dedupe", "bob", "carol"]) world.account(name);
  world.send("bob", "carol", "m1");
  world.settle(5000);
  // A clean stop cuts the log but for its last row, which is not of bob.
  world.account("last");
  let stopped = false;
  world.node.stop(() => stopped = true);
  world.time.runWhile(() => !stopped, world.time.nowMs + 5000);
  world.kill();
  world.start();
  world.disk.failReadsOf("bob", 300);
  // bob cannot be loaded: who bob is stays unanswered.
  const first = begin(world, "dedupe", "bob");
  world.settle(400);
  assert.equal(first.ok(), null);
  const second = begin(world, "bob", "carol");
  world.settle(100);
  assert.equal(second.ok(), true);
  world.settle(1000);
  assert.equal(first.ok(), true, "who bob is was asked again");
});

Deno.test("a lost answer to resolve is asked for again", () => {
  const world = new NodeWorld();
  const [from, to] = apart(world);
  for (const name of [from, to]) world.account(name);
  let lost = 0;
  world.loses = ({ kind }) => (kind === "resolve" || kind === "resolved") && lost++ < 3;
  const sent = begin(world, from, to);
  world.settle(RESOLVE_TIMEOUT_MS);
  assert.equal(lost > 3, true);
  assert.equal(sent.ok(), true);
});

Deno.test("requests with the same question wait for one answer, each to its own deadline", () => {
  const world = new NodeWorld();
  const [from, to] = apart(world);
  for (const name of [from, to]) world.account(name);
  let asked = 0;
  world.loses = ({ kind }) => kind === "resolve" && ++asked > 0;
  const first = begin(world, from, to);
  world.settle(400);
  const second = begin(world, from, to);
  assert.equal(asked, 1);
  world.settle(RESOLVE_TIMEOUT_MS - 300);
  assert.deepEqual([first.ok(), second.ok()], [false, null]);
  world.settle(400);
  assert.equal(second.ok(), false);
  assert.ok(asked <= 6, `asked ${asked} times`);
});

Deno.test("a request for which no answer comes is refused before its own timeout", () => {
  assert.ok(RESOLVE_TIMEOUT_MS < REQUEST_TIMEOUT_MS);
  const world = new NodeWorld();
  const [from, to] = apart(world);
  for (const name of [from, to]) world.account(name);
  world.loses = ({ kind }) => kind === "resolved";
  const began = world.time.nowMs;
  const sent = begin(world, from, to);
  world.settle(REQUEST_TIMEOUT_MS + 5000);
  assert.equal(sent.ok(), false);
  assert.ok(sent.atMs() - began < REQUEST_TIMEOUT_MS, `after ${sent.atMs() - began} ms`);
  assert.deepEqual(world.bodies(from), []);
});
