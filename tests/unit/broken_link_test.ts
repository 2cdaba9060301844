/** Requests that were sent to the owner of their shard, and what becomes of them when it changes. */
import { deepEqual, equal } from "node:assert/strict";
import type { Bugs } from "../../server/node/bugs.ts";
import { Callers, type Request } from "../../server/node/callers.ts";
import type { Dispatch } from "../../server/node/dispatch.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { ok } from "../../shard/errors.ts";
import type { OpName } from "../../shard/ops.ts";
import { type PeerFrame, peerKey } from "../../server/node/peers.ts";
import { Remote, type RemoteHost } from "../../server/node/remote.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import { WAY_MS } from "../../server/node/too_late.ts";

const SELF = "n1" as NodeId;
const peer = (id: string) => {
  const ref = { id: id as NodeId, incarnation: 1 } as NodeRef;
  return { ...ref, key: peerKey(ref) };
};
const [A, B] = [peer("n2"), peer("n3")];

/** A node that has no shard; the first owner of the only one is A. */
function node() {
  const row = { id: 0, epoch: 1, owner: A as NodeRef | null };
  const map = {
    rowOf: () => row,
    byId: () => undefined,
    table: { shards: [row] },
  } as unknown as NodeParts["map"];
  const sent: string[] = [];
  const timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  const callers = new Callers({} as Bugs);
  const time = { nowMs: 0 };
  const dispatch = {
    route: (input: Request) => remote.send(row as ShardRow, input),
  } as unknown as Dispatch;
  const parts = {
    options: { id: SELF },
    callers,
    dispatch,
    map,
    ports: {
      clock: { monoMs: () => time.nowMs },
      log: { info: () => {}, warn: () => {} },
      timers: {
        after: (delayMs: number, run: () => void) => {
          timers.push({ delayMs, run });
          return () => {};
        },
      },
    },
    traces: { routed: () => {} },
  } as unknown as NodeParts;
  const linked = new Set([A.key, B.key]);
  const host = {
    links: {
      send: (to: NodeId, frame: PeerFrame) => {
        if (frame.kind === "request") sent.push(`${to} ${frame.asked}`);
      },
    },
    isLinked: (to: NodeId) => linked.has(to),
    look: () => {},
    mayServe: true,
  };
  const remote = new Remote(() => parts, host as unknown as RemoteHost);
  const replies: string[] = [];
  const ask = (op: OpName) => {
    const request = callers.next();
    const input = { kind: "request", request, node: SELF, name: "ann", op, input: {}, seed: null };
    callers.request(
      input as unknown as Request,
      (result) => replies.push(`${request} ${result.ok ? "ok" : result.code}`),
      time.nowMs,
    );
    dispatch.route(input as unknown as Request);
    return request;
  };
  const reply = (from: typeof A, asked: number, op: OpName) =>
    remote.take(from, { kind: "reply", asked, op, result: ok(null) } as PeerFrame);
  const unlink = (of: typeof A, gone: boolean) => {
    linked.delete(of.key);
    remote.unlinked(of.key, gone);
  };
  return { ask, remote, replies, reply, row, sent, time, timers, unlink };
}

Deno.test("who asked for a write over a link that breaks looks when it cannot arrive any more", () => {
  const { ask, replies, time, timers, unlink } = node();
  ask("roster.remove");
  time.nowMs = 1000;
  unlink(A, false);
  deepEqual(replies, []);
  equal(timers[0]!.delayMs, WAY_MS - 1000);
  timers[0]!.run();
  deepEqual(replies, ["1 unavailable"]);
});

Deno.test("the outcome of a request is unknown at once where it cannot arrive, or changes nothing", () => {
  const gone = node();
  gone.ask("roster.remove");
  gone.unlink(A, true);
  deepEqual(gone.replies, ["1 unavailable"]);
  const signal = node();
  signal.ask("signal.send");
  signal.unlink(A, false);
  deepEqual(signal.replies, ["1 unavailable"]);
});

Deno.test("a reply of a node that was asked before is not taken for that of the next owner", () => {
  const { ask, remote, replies, reply, row, sent, unlink } = node();
  ask("mailbox.read");
  unlink(A, false);
  row.owner = B;
  row.epoch = 2;
  remote.retry();
  deepEqual(sent, [`${A.key} 1`, `${B.key} 1`]);
  reply(A, 1, "mailbox.read");
  deepEqual(replies, []);
  reply(B, 1, "mailbox.read");
  deepEqual(replies, ["1 ok"]);
});
