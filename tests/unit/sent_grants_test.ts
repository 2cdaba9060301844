import { deepEqual, equal } from "node:assert/strict";
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import { ARRIVES_MS, GRANTS_MAX, SentGrants } from "../../server/node/sent_grants.ts";

const PEER = "node000000000002 1" as NodeId;

function grant(n: number) {
  const to = `user${n}` as AccountName;
  const ids = { fromId: "a" as AccountId, toId: "b" as AccountId };
  const packet = { kind: "rewatch", from: "alice" as AccountName, to, ...ids } as const;
  return { kind: "packet", packet } as const;
}

Deno.test("SentGrants returns what may be on its way to a node, once", () => {
  let nowMs = 1000;
  const grants = new SentGrants(() => nowMs);
  grants.sent(PEER, grant(1));
  nowMs += ARRIVES_MS;
  grants.sent(PEER, grant(2));
  const resolve = { from: "alice" as AccountName, to: "bob" as AccountName };
  grants.sent(PEER, { kind: "packet", packet: { kind: "resolve", ...resolve } });
  nowMs += 1;
  deepEqual(grants.lost("another" as NodeId), []);
  deepEqual(grants.lost(PEER), [grant(2)]);
  deepEqual(grants.lost(PEER), []);
});

Deno.test("SentGrants keeps the last of them", () => {
  const grants = new SentGrants(() => 0);
  for (let n = 0; n <= GRANTS_MAX; n++) grants.sent(PEER, grant(n));
  const lost = grants.lost(PEER);
  equal(lost.length, GRANTS_MAX);
  deepEqual(lost[0], grant(1));
});
