import assert from "node:assert/strict";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import { Settling } from "../../shard/presence/settling.ts";
import type { ShardInput } from "../../shard/effects.ts";

const [A, B, C] = ["a.1", "b.1", "c.1"] as readonly string[] as readonly [NodeId, NodeId, NodeId];

function interest(node: NodeId, request: number): ShardInput {
  return { kind: "interest", request, node, items: [] };
}

Deno.test("11.8: Settling tells a node that returns nobody's presence before it has announced its sessions", () => {
  const settling = new Settling();
  const begun = { kind: "taken_over", nodes: [A, B], lost: [B], returning: true } as const;
  settling.begin({ ...begun, epoch: 2, graceMs: 15_000 }, 15_000);
  assert.ok(settling.withholdsPresence);
  settling.announced(A, 2);
  assert.ok(settling.active && !settling.withholdsPresence, "others do not wait for a lost node");
  assert.ok(settling.withholdsFrom(B) && !settling.withholdsFrom(C));
  const uninterest: ShardInput = { kind: "uninterest", node: B, watched: ["u" as AccountName] };
  const [ofB, ofC] = [interest(B, 1), interest(C, 2)];
  for (const input of [ofB, uninterest, ofC]) settling.withhold(input);
  assert.equal(settling.next(), ofC);
  assert.equal(settling.next(), undefined);
  settling.announced(B, 2);
  assert.deepEqual([settling.next(), settling.next()], [ofB, uninterest]);
});
