/** Lists of all accounts while shards change hands. */
import { deepEqual } from "node:assert/strict";
import { CellNodes } from "./cell_nodes.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { AccountPage, PageOptions } from "../../server/ops/api.ts";
import { accountListing } from "../../server/ops/account_listing.ts";
import { peerKey } from "../../server/node/peers.ts";
import type { SimNode } from "../sim/sim_node.ts";

const PAGE: PageOptions = { after: null, limit: 1000, match: "", synthetic: true, state: "any" };
/** Moves, each with a list that begins a little later in it. */
const MOVES = 40;

Deno.test("11: a list has all accounts, also those whose shard is just given to another node", () => {
  const cell = new CellNodes(3, 6);
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  const [, , list] = [first, second, third].map(({ running: { node, ports } }) =>
    accountListing(node, ports.clock)
  );
  const made: string[] = [];
  for (let n = 0; n < MOVES; n++) {
    const [from, to] = n % 2 === 0 ? [first, second] : [second, first];
    const shard = from.running.node.shards[0]!;
    const names: string[] = [];
    for (let i = 0; names.length < 3; i++) {
      const name = `user-${n}-${i}`;
      if (shard.owns(name as AccountName)) names.push(name);
    }
    let left = names.length;
    for (const name of names) {
      const { node } = from.running;
      node.request(name as AccountName, "account.create", { credentials: null }, () => left--);
    }
    cell.await("the accounts", () => left === 0, 5000);
    made.push(...names);
    const { id, incarnation } = to.running.node.nodes[0]!;
    let moved = false;
    const call = { kind: "move", shard: shard.id, to: { id, incarnation } } as const;
    const key = peerKey({ id: from.id, incarnation: from.running.node.nodes[0]!.incarnation });
    third.running.node.cell!.calls.call(key, call, () => moved = true);
    cell.cluster.time.runFor(n);
    let page: AccountPage | null = null;
    list!(PAGE, (result) => {
      if (result.ok) page = result.value;
    });
    cell.await("a list", () => page !== null, 10_000);
    const { accounts, missing } = page!;
    const found = [n, accounts.map(({ name }) => name).join(), missing];
    deepEqual(found, [n, [...made].sort().join(), []]);
    cell.await("the move", () => moved, 10_000);
    cell.cluster.time.runFor(500);
  }
});
