import assert from "node:assert/strict";
import type { AccountId, AccountName, CellName, NodeId } from "../../shard/name/ids.ts";
import { PresenceTable } from "../../shard/presence/presence.ts";
import { Proxied } from "../../shard/presence/proxied.ts";

const CAROL = "carol" as AccountName;
const NODE = "node1" as NodeId;

/** Carol has moved here, a node watches her, and her clients may return until 15 s. */
function arrived(): PresenceTable {
  const table = new PresenceTable();
  const p = table.ensure(CAROL, "a1" as AccountId, 0, 0);
  table.addInterest(p, NODE);
  table.arrive(p, 15_000);
  return table;
}

Deno.test("PresenceTable.endAwaiting: who has moved here and not returned is shown offline", () => {
  const table = arrived();
  table.endAwaiting(14_999);
  assert.deepEqual(table.takeChanged(), []);
  table.endAwaiting(15_000);
  assert.deepEqual(table.takeChanged().map(({ id }) => id), ["a1"]);
});

Deno.test("PresenceTable.ensure: nobody waits for clients of a former account of the name", () => {
  const table = arrived();
  table.ensure(CAROL, "a2" as AccountId, 0, 0);
  assert.equal(table.awaiting, false);
  table.endAwaiting(15_000);
  assert.deepEqual(table.takeChanged(), []);
});

Deno.test("PresenceTable.serves: who has moved here may return once the shard serves", () => {
  const table = arrived();
  table.serves(10_000);
  table.endAwaiting(24_999);
  assert.deepEqual(table.takeChanged(), []);
  table.endAwaiting(25_000);
  assert.deepEqual(table.takeChanged().map(({ id }) => id), ["a1"]);
});

/** What is known of Carol where she has just left for another cell, of what is known of her here. */
function left(table: PresenceTable) {
  const proxied = new Proxied("bb" as CellName);
  table.leave(CAROL, proxied, () => true);
  return { isKnown: proxied.epoch > 0, devices: proxied.devices };
}

Deno.test("PresenceTable.leave: who may return goes on to be undecided, not offline (seed 2821)", () => {
  assert.deepEqual(left(arrived()), { isKnown: false, devices: [] });
  const table = new PresenceTable();
  table.returning.begin(15_000);
  table.addInterest(table.ensure(CAROL, "a1" as AccountId, 0, 0), NODE);
  assert.deepEqual(left(table), { isKnown: false, devices: [] });
});

Deno.test("PresenceTable.leave: who is offline stands as that until the new home says more", () => {
  const table = arrived();
  table.endAwaiting(15_000);
  assert.deepEqual(left(table), { isKnown: true, devices: [] });
});
