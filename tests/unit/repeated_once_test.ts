/** Requests that wait for the owner of their shard, and are repeated because the shard gets another. */
import { deepEqual, equal } from "node:assert/strict";
import type { Bugs } from "../../server/node/bugs.ts";
import { Callers, type Request } from "../../server/node/callers.ts";
import { Dispatch } from "../../server/node/dispatch.ts";
import type { Inbox } from "../../server/node/inbox.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import { Remote } from "../../server/node/remote.ts";
import type { RemoteHost } from "../../server/node/remote_host.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardMap } from "../../server/node/shard_map.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import { Takeovers } from "../../server/node/takeovers.ts";

const SELF = { id: "n1" as NodeId, incarnation: 1 } as NodeRef;
const OTHER = { id: "n2" as NodeId, incarnation: 1 } as NodeRef;

/** The map of a node that has one shard, which it owns. */
function shardMap() {
  const makeShard = (row: ShardRow) =>
    ({
      row,
      writable: true,
      presence: { returning: {} },
      owns: () => true,
      takeBegun: () => new Map(),
    }) as unknown as Shard;
  const row = { id: 0, epoch: 1, owner: SELF } as ShardRow;
  const shards = { row, mine: makeShard(row) as Shard | undefined };
  const map = {
    rowOf: () => shards.row,
    byId: () => shards.mine,
    shardOf: () => shards.mine,
    makeShard,
    put: (fresh: Shard) => shards.mine = fresh,
    remove: () => shards.mine = undefined,
    get table() {
      return { shards: [shards.row] };
    },
  } as unknown as ShardMap;
  return { map, shards };
}

/** A node that has a shard, and may not serve it. */
function node() {
  const sent: PeerFrame[] = [];
  const submitted: number[] = [];
  const { map, shards } = shardMap();
  const callers = new Callers({} as Bugs);
  const inbox = {
    put: (_: Shard, input: Request) => void submitted.push(input.request),
  } as unknown as Inbox;
  const dispatch = new Dispatch(SELF.id, map, callers, inbox);
  const parts = {
    options: { id: SELF.id },
    callers,
    cell: null,
    dispatch,
    map,
    ownership: { self: SELF, takeOver: () => {} },
    ports: { clock: { monoMs: () => 0 } },
    traces: { routed: () => {} },
    stopped: () => false,
  } as unknown as NodeParts;
  const host = {
    links: { send: (_: NodeId, frame: PeerFrame) => void sent.push(frame) },
    // This node is not linked with itself.
    isLinked: () => shards.row.owner !== SELF,
    mayServe: false,
  };
  const remote = new Remote(() => parts, host as unknown as RemoteHost);
  dispatch.elsewhere = remote;
  const replies: number[] = [];
  const ask = (begun: boolean) => {
    const request = callers.next();
    const input = {
      kind: "request",
      request,
      node: SELF.id,
      name: "ann",
      op: "message.send",
      input: {},
      seed: null,
    } as unknown as Request;
    callers.request(input, () => void replies.push(request), 0);
    if (!begun) dispatch.route(input);
  };
  const asked = () => sent.map((frame) => frame.kind === "request" ? frame.asked : frame.kind);
  const takeovers = new Takeovers(parts);
  return { callers, host, shards, remote, ask, asked, submitted, takeovers, replies };
}

Deno.test("what waits for the node's lease is asked once of the node that takes the shard over", () => {
  const { shards, remote, ask, asked, takeovers, replies } = node();
  // The shard has begun the first; the others came when the node had lost its lease.
  ask(true);
  ask(false);
  ask(false);
  deepEqual(asked(), []);
  shards.row = { ...shards.row, epoch: 2, owner: OTHER };
  takeovers.drop(shards.mine!);
  remote.retry();
  remote.retry();
  deepEqual(asked(), [1, 2, 3]);
  // They have left nothing behind that others would wait for.
  ask(false);
  deepEqual(asked(), [1, 2, 3, 4]);
  equal(replies.length, 0);
});

Deno.test("what was withdrawn while it waited is not repeated", () => {
  const { callers, shards, remote, ask, asked, takeovers, replies } = node();
  ask(false);
  ask(false);
  callers.withdraw(1);
  shards.row = { ...shards.row, epoch: 2, owner: OTHER };
  takeovers.drop(shards.mine!);
  remote.retry();
  deepEqual(asked(), [2]);
  deepEqual(replies, [1]);
});

Deno.test("what waits for the node's lease is done once where the node takes its shard over", () => {
  const { host, shards, remote, ask, asked, submitted, takeovers } = node();
  ask(true);
  ask(false);
  takeovers.takeOver(shards.mine!, () => {});
  host.mayServe = true;
  remote.retry();
  deepEqual(submitted, [1, 2]);
  deepEqual(asked(), []);
});
