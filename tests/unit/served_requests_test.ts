/** What a node remembers of the requests of other nodes that it has refused. */
import { deepEqual } from "node:assert/strict";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { RequestId } from "../../shard/effects.ts";
import { ServedRequests } from "../../server/node/served_requests.ts";

const [A, B] = ["a.1" as NodeId, "b.1" as NodeId];
const [ALICE, BOB] = ["alice" as AccountName, "bob" as AccountName];

/** Requests in the order in which they arrive: those that wait for one before them are refused too. */
function arriving() {
  const served = new ServedRequests();
  /** Whether the node could serve it, and what came of it. */
  const arrives = (asked: number, serves: boolean, nowMs = 0, peer = A, name = ALICE) => {
    const which = { peer, asked };
    if (serves && !served.isBehind(which, name, nowMs)) return "served";
    served.refused(which, name, nowMs);
    return "refused";
  };
  return { served, arrives };
}

Deno.test("ServedRequests: what was on its way behind a refused request waits until that comes again", () => {
  const { arrives } = arriving();
  deepEqual([arrives(1, false), arrives(2, false), arrives(3, true)], Array(3).fill("refused"));
  // They come again in their order; what was asked after they were refused comes behind them.
  deepEqual([1, 2, 3, 4].map((asked) => arrives(asked, true)), Array(4).fill("served"));
});

Deno.test("ServedRequests: one that is refused again keeps its place", () => {
  const { arrives } = arriving();
  arrives(1, false);
  arrives(2, false);
  deepEqual([arrives(1, false), arrives(2, true)], ["refused", "served"]);
});

Deno.test("ServedRequests: a request that nobody waits for any more costs the next one a way at most", () => {
  const { arrives } = arriving();
  arrives(1, false);
  arrives(2, false);
  deepEqual([arrives(2, true), arrives(3, true)], ["served", "served"]);
  arrives(4, false);
  deepEqual([arrives(5, true), arrives(5, true), arrives(6, true)], [
    "refused",
    "served",
    "served",
  ]);
  arrives(7, false);
  deepEqual(arrives(8, true, 10_001), "served");
});

Deno.test("ServedRequests: other accounts and other nodes do not wait", () => {
  const { arrives } = arriving();
  arrives(1, false);
  deepEqual([arrives(2, true, 0, B), arrives(2, true, 0, A, BOB)], ["served", "served"]);
});

Deno.test("ServedRequests: who has asked is known once, and not after the link is broken", () => {
  const { served } = arriving();
  const [first, second] = [1 as RequestId, 2 as RequestId];
  served.add(first, A, 7);
  served.add(second, B, 8);
  served.unlinked(B);
  deepEqual([served.take(first), served.take(first), served.take(second)], [
    [{ peer: A, asked: 7 }],
    [],
    [],
  ]);
});

Deno.test("ServedRequests: a copy of what is under way gets its reply, over the link that there is", () => {
  const { served } = arriving();
  const request = 1 as RequestId;
  const copy = { peer: A, asked: 7 };
  served.add(request, A, 7);
  deepEqual([served.joins(copy), served.joins({ peer: B, asked: 7 })], [true, false]);
  served.unlinked(A);
  deepEqual(served.joins(copy), true);
  deepEqual([served.take(request), served.joins(copy)], [[copy], false]);
  served.add(request, A, 7);
  served.joins(copy);
  deepEqual(served.take(request), [copy, copy]);
});
