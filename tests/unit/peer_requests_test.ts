import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import {
  EACH_MAX,
  PeerRequests,
  SILENT_AT,
  SILENT_MS,
  TRIAL_MS,
} from "../../server/node/peer_requests.ts";
import { ACCOUNT_MAX, OWNER_MAX, Parked } from "../../server/node/parked.ts";

const [A, B] = ["a.1", "b.1"] as [NodeId, NodeId];
const of = (peer: NodeId) => ({ peer, shard: 0, epoch: 1 });

function open() {
  const changes: string[] = [];
  const requests = new PeerRequests((peer, silent) => changes.push(`${peer} ${silent}`));
  let last = 0;
  const ask = (peer: NodeId, nowMs: number, commits = false) => {
    requests.add(++last, of(peer), nowMs, commits);
    return last;
  };
  return { ask, changes, requests };
}

Deno.test("11: PeerRequests: a node has a budget of its own, and gets it back by replies", () => {
  const { ask, requests } = open();
  for (let i = 0; i < EACH_MAX; i++) ask(A, 0);
  deepEqual([requests.refusal(A, 0, false), requests.refusal(B, 0, false)], ["full", null]);
  deepEqual(requests.replied(1, A, 1, true), { ...of(A), sinceMs: 0, commits: false });
  equal(requests.replied(1, A, 1, true), undefined);
  equal(requests.refusal(A, 1, false), null);
});

Deno.test("11: PeerRequests: a node that is silent gets one request now and then until it replies", () => {
  const { ask, changes, requests } = open();
  for (let i = 0; i < SILENT_AT; i++) ask(A, 0);
  equal(requests.refusal(A, SILENT_MS - 1, false), null);
  const at = (ms: number) => requests.refusal(A, SILENT_MS + ms, false);
  equal(at(0), null, "the first trial");
  ask(A, SILENT_MS);
  deepEqual([at(0), at(TRIAL_MS - 1), at(TRIAL_MS)], ["silent", "silent", null]);
  equal(requests.refusal(B, SILENT_MS, false), null);
  const trial = ask(A, SILENT_MS + TRIAL_MS);
  // What it says too late is no sign that it replies.
  requests.replied(1, A, SILENT_MS + TRIAL_MS, true);
  equal(at(TRIAL_MS + 1), "silent");
  requests.replied(trial, A, SILENT_MS + TRIAL_MS + 1, true);
  deepEqual([at(TRIAL_MS + 1), at(TRIAL_MS + 1)], [null, null]);
  deepEqual(changes, [`${A} true`, `${A} false`]);
});

Deno.test("11: PeerRequests: few slow requests, or many of a node that replies, are no silence", () => {
  const { ask, changes, requests } = open();
  for (let i = 0; i < SILENT_AT - 1; i++) ask(A, 0);
  equal(requests.refusal(A, 2 * SILENT_MS, false), null);
  for (let i = 0; i < SILENT_AT; i++) ask(B, 0);
  requests.replied(ask(B, SILENT_MS - 2), B, SILENT_MS - 1, true);
  equal(requests.refusal(B, SILENT_MS, false), null);
  deepEqual(changes, []);
});

Deno.test("11: PeerRequests: requests that wait for the store say nothing of their node", () => {
  const { ask, changes, requests } = open();
  for (let i = 0; i < 10 * SILENT_AT; i++) ask(A, 0, true);
  equal(requests.refusal(A, 2 * SILENT_MS, false), null);
  for (let i = 0; i < SILENT_AT; i++) ask(A, 2 * SILENT_MS);
  equal(requests.refusal(A, 3 * SILENT_MS - 1, false), null);
  deepEqual(changes, []);
  // Where it is silent they are no trial.
  equal(requests.refusal(A, 3 * SILENT_MS, false), null);
  const later = 3 * SILENT_MS + TRIAL_MS;
  deepEqual([true, false].map((commits) => requests.refusal(A, later, commits)), ["silent", null]);
  deepEqual(changes, [`${A} true`]);
});

Deno.test("11: PeerRequests: the next link with a node begins anew", () => {
  const { ask, requests } = open();
  const asked = Array.from({ length: SILENT_AT }, () => ask(A, 0));
  equal(requests.refusal(A, SILENT_MS, false), null);
  equal(requests.refusal(A, SILENT_MS, false), "silent");
  deepEqual(requests.takeAll(A).map((sent) => sent.asked), asked);
  equal(requests.refusal(A, SILENT_MS, false), null);
  equal(requests.refusal(A, SILENT_MS, false), null);
});

Deno.test("11: Parked: what waits for one owner, or one account, leaves room for others", () => {
  const parked = new Parked();
  const park = (name: string, owner: NodeId | null) => {
    const input = { kind: "request", request: 1, node: A, name: name as AccountName } as const;
    const request = { ...input, op: "account.remove", input: {}, seed: null } as const;
    return parked.add({ input: request, refused: null, againMs: 0 }, owner, 0);
  };
  let taken = 0;
  while (park("ann", A)) taken++;
  equal(taken, ACCOUNT_MAX);
  for (let i = ACCOUNT_MAX; i < OWNER_MAX; i++) equal(park(`user${i}`, A), true);
  deepEqual([park("bob", A), park("bob", B), park("zoe", null)], [false, true, true]);
  deepEqual([parked.has("ann" as AccountName), parked.has("eve" as AccountName)], [true, false]);
  equal(parked.takeAll(0).length, OWNER_MAX + 2);
  deepEqual([parked.has("ann" as AccountName), park("ann", A)], [false, true]);
});
