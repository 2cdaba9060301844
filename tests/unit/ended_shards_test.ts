/** Shards that another node has ended: it had claimed them, and has changed the table since. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Bugs } from "../../server/node/bugs.ts";
import { Callers, type Request } from "../../server/node/callers.ts";
import { Dispatch, type Elsewhere } from "../../server/node/dispatch.ts";
import { evenTable } from "../../shard/table/table.ts";
import type { Inbox } from "../../server/node/inbox.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { SHARD_LIMITS } from "../sim/limits.ts";
import { ShardMap } from "../../server/node/shard_map.ts";
import { simRetries } from "../sim/sim_ports.ts";
import { Takeovers } from "../../server/node/takeovers.ts";

const SELF = "n1" as NodeId;
const OTHER = { id: "n2", incarnation: 1 } as NodeRef;
const NAME = "ann" as AccountName;

Deno.test("what a shard was asked goes to the next owner where another node has ended the shard", () => {
  const map = new ShardMap(SHARD_LIMITS, 100, simRetries());
  map.table = evenTable(1);
  map.open(() => true);
  const [shard] = map.shards;
  const callers = new Callers({} as Bugs);
  const dispatch = new Dispatch(SELF, map, callers, { put: () => {} } as unknown as Inbox);
  const sent: [string | undefined, number, number][] = [];
  dispatch.elsewhere = {
    send: (row, input) => sent.push([row.owner?.id, row.id, (input as Request).request]),
    forgetWaiting: () => {},
    isAsked: () => false,
    mayServe: true,
  } as Partial<Elsewhere> as Elsewhere;
  const takeovers = new Takeovers({ callers, dispatch, map } as unknown as NodeParts);
  const input = { kind: "request", request: callers.next(), node: SELF, name: NAME };
  const request = { ...input, op: "mailbox.read", input: {}, seed: null } as unknown as Request;
  callers.request(request, () => {}, 0);
  dispatch.route(request);
  deepEqual(sent, []);
  const { shards, version } = map.table;
  const split = evenTable(2).shards.map((row) => ({ ...row, id: row.id + 1, owner: OTHER }));
  equal(shards.length, 1);
  takeovers.adopt({ ...map.table, version: version + 1, shards: split }, [], () => false);
  deepEqual(sent, [[OTHER.id, map.rowOf(NAME).id, request.request]]);
  equal(shard!.ended, true);
  // What still comes for the former shard follows.
  dispatch.submit(shard!, request);
  equal(sent.length, 2);
});
