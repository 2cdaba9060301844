import assert from "node:assert/strict";
import { primaryFaults, type Served } from "../prove/one_primary.ts";

function served(kind: Served["kind"], place: string, beganMs: number, seq: number): Served {
  return { account: "ann", kind, place, beganMs, endedMs: beganMs + 10, seq };
}

Deno.test("primaryFaults: a store that changes hands once has one primary at a time", () => {
  const history = [
    served("write", "a", 0, 1),
    served("read", "a", 20, 1),
    served("write", "b", 5000, 2),
    served("read", "b", 5020, 2),
    // Under way together, in either order.
    served("write", "b", 5040, 4),
    served("write", "b", 5041, 3),
    served("read", "b", 5045, 3),
  ];
  assert.deepEqual(primaryFaults(history), []);
});

Deno.test("primaryFaults: one position that two places have given", () => {
  const history = [served("write", "a", 0, 1), served("write", "b", 5, 1)];
  assert.deepEqual(primaryFaults(history), ["b and a have both given position 1"]);
});

Deno.test("primaryFaults: a place that writes or reads on behind what another has acknowledged", () => {
  const before = [served("write", "a", 0, 1), served("write", "b", 5000, 5)];
  assert.deepEqual(primaryFaults([...before, served("write", "a", 5011, 2)]), [
    "a writes 2 after b has acknowledged 5",
  ]);
  assert.deepEqual(primaryFaults([...before, served("read", "a", 5011, 1)]), [
    "a reads 1 after b has acknowledged 5",
  ]);
  // It began before that, and may have ended before it, too.
  assert.deepEqual(primaryFaults([...before, served("read", "a", 5010, 1)]), []);
});

Deno.test("primaryFaults: each account has positions of its own", () => {
  const history = [
    served("write", "a", 0, 7),
    { ...served("write", "b", 5000, 1), account: "bob" },
    { ...served("read", "b", 5020, 1), account: "bob" },
  ];
  assert.deepEqual(primaryFaults(history), []);
});
