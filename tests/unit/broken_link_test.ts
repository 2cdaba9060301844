/** Requests that were sent to the owner of their shard, and what becomes of them when it changes. */
import { deepEqual, equal } from "node:assert/strict";
import type { Bugs } from "../../server/node/bugs.ts";
import { Callers, type Request } from "../../server/node/callers.ts";
import { Dispatch } from "../../server/node/dispatch.ts";
import type { Inbox } from "../../server/node/inbox.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { Takeovers } from "../../server/node/takeovers.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { fail, ok } from "../../shard/errors.ts";
import type { OpName } from "../../shard/ops.ts";
import { type PeerFrame, peerKey } from "../../server/node/peers.ts";
import { Remote } from "../../server/node/remote.ts";
import type { RemoteHost } from "../../server/node/remote_host.ts";
import { REQUEST_TIMEOUT_MS } from "../../shard/limits.ts";
import { WAY_MS } from "../../server/node/too_late.ts";

const SELF = "n1" as NodeId;
const peer = (id: string) => {
  const ref = { id: id as NodeId, incarnation: 1 } as NodeRef;
  return { ...ref, key: peerKey(ref) };
};
const [A, B] = [peer("n2"), peer("n3")];

interface Timer {
  readonly delayMs: number;
  readonly run: () => void;
}

/** The map of a node that has no shard, of the only one there is. */
function shardMap(row: { readonly id: number }) {
  const shards = { mine: undefined as Shard | undefined };
  const map = {
    rowOf: () => row,
    byId: () => shards.mine,
    shardOf: () => shards.mine,
    remove: () => shards.mine = undefined,
    table: { shards: [row] },
  } as unknown as NodeParts["map"];
  return { map, shards };
}

/** Asks for the user of the shard; returns what is replied. */
function asking(callers: Callers, dispatch: Dispatch, nowMs: () => number) {
  const replies: string[] = [];
  const ask = (op: OpName) => {
    const request = callers.next();
    const input = { kind: "request", request, node: SELF, name: "ann", op, input: {}, seed: null };
    callers.request(
      input as unknown as Request,
      (result) => replies.push(`${request} ${result.ok ? "ok" : result.code}`),
      nowMs(),
    );
    dispatch.route(input as unknown as Request);
    return request;
  };
  return { ask, replies };
}

/** A request as it comes from another node. */
function sendFrame({ id: shard, epoch }: { id: number; epoch: number }, asked: number): PeerFrame {
  const frame = { kind: "request", asked, shard, epoch, name: "ann", op: "message.send" };
  return { ...frame, input: {}, seed: "", accountId: null } as unknown as PeerFrame;
}

/** A node that has no shard; the first owner of the only one is A. */
function node() {
  const row = { id: 0, epoch: 1, owner: A as NodeRef | null };
  const { map, shards } = shardMap(row);
  const sent: string[] = [];
  const timers: Timer[] = [];
  const callers = new Callers({} as Bugs);
  const time = { nowMs: 0 };
  const inbox = {
    put: (_: Shard, input: Request) => void sent.push(`${SELF} ${input.request}`),
  } as unknown as Inbox;
  const dispatch = new Dispatch(SELF, map, callers, inbox);
  const parts = {
    options: { id: SELF },
    callers,
    dispatch,
    map,
    ports: {
      clock: { monoMs: () => time.nowMs },
      log: { info: () => {}, warn: () => {} },
      timers: {
        after: (delayMs: number, run: () => void) => void timers.push({ delayMs, run }),
      },
    },
    traces: { routed: () => {}, request: (...[, , , reply]: unknown[]) => reply },
  } as unknown as NodeParts;
  const linked = new Set([A.key, B.key]);
  const host = {
    links: {
      send: (to: NodeId, frame: PeerFrame) => {
        if (frame.kind === "request") sent.push(`${to} ${frame.asked}`);
        else if (frame.kind === "moved") sent.push(`${to} moved ${frame.asked}`);
        else if (frame.kind === "reply") sent.push(`${to} reply ${frame.asked}`);
      },
    },
    isLinked: (to: NodeId) => linked.has(to),
    look: () => {},
    mayServe: true,
  };
  const remote = new Remote(() => parts, host as unknown as RemoteHost);
  dispatch.elsewhere = remote;
  const claim = () => {
    const mine = { row, owns: () => true, takeBegun: () => new Map() };
    shards.mine = mine as unknown as Shard;
    remote.ownersChanged();
    return shards.mine;
  };
  const takeovers = new Takeovers(parts);
  const { ask, replies } = asking(callers, dispatch, () => time.nowMs);
  const reply = (from: typeof A, asked: number, op: OpName, result: unknown = ok(null)) =>
    remote.take(from, { kind: "reply", asked, op, result } as PeerFrame);
  const unlink = (of: typeof A, gone: boolean) => {
    linked.delete(of.key);
    remote.unlinked(of.key, gone);
  };
  const arrives = (from: typeof A, asked: number) => remote.take(from, sendFrame(row, asked));
  const asked = { arrives, ask, claim, replies, reply, sent, unlink };
  return { ...asked, callers, host, remote, row, takeovers, time, timers };
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

Deno.test("what the next owner of a shard is asked follows what the former was asked", () => {
  const { ask, remote, replies, reply, row, sent } = node();
  ask("message.send");
  ask("roster.remove");
  row.owner = B;
  row.epoch = 2;
  remote.ownersChanged();
  ask("message.send");
  // What cannot be done twice is left to the former owner, which replies that it has lost the shard.
  deepEqual(sent, [`${A.key} 1`, `${A.key} 2`, `${B.key} 1`, `${B.key} 3`]);
  reply(A, 1, "message.send");
  deepEqual(replies, []);
  reply(A, 2, "roster.remove");
  deepEqual(replies, ["2 ok"]);
});

Deno.test("what a node asks of a shard that it claims follows what it has asked and what waits", () => {
  const { ask, claim, sent, unlink } = node();
  ask("message.send");
  claim();
  ask("message.send");
  deepEqual(sent, [`${A.key} 1`, `${SELF} 1`, `${SELF} 2`]);
  const parked = node();
  parked.ask("message.send");
  parked.unlink(A, true);
  parked.claim();
  parked.ask("message.send");
  deepEqual(parked.sent, [`${A.key} 1`, `${SELF} 1`, `${SELF} 2`]);
  unlink(A, true);
  equal(sent.length, 3);
});

Deno.test("a request that was on its way behind one that a node refused waits until that comes again", () => {
  const { arrives, claim, host, sent } = node();
  claim();
  host.mayServe = false;
  arrives(A, 7);
  host.mayServe = true;
  arrives(A, 8);
  arrives(B, 8);
  for (const asked of [7, 8, 9]) arrives(A, asked);
  const served = [1, 2, 3, 4].map((request) => `${SELF} ${request}`);
  deepEqual(sent, [`${A.key} moved 7`, `${A.key} moved 8`, ...served]);
});

Deno.test("an owner does not begin a copy of what is under way: it replies to it as to the first", () => {
  const { arrives, callers, claim, sent, unlink } = node();
  claim();
  arrives(A, 7);
  // The first copy waits for another shard: the second one would overtake it, and be refused.
  unlink(A, false);
  arrives(A, 7);
  callers.reply(1, ok(null));
  deepEqual(sent, [`${SELF} 1`, `${A.key} reply 7`]);
  // Who counts the replies to copies gets as many.
  arrives(B, 7);
  arrives(B, 7);
  callers.reply(2, ok(null));
  deepEqual(sent.slice(2), [`${SELF} 2`, `${B.key} reply 7`, `${B.key} reply 7`]);
});

Deno.test("what the next owner refuses may have been done by the former one: its outcome is unknown", () => {
  for (const code of ["unauthorized", "busy"] as const) {
    for (const repeat of [true, false]) {
      const { ask, remote, replies, reply, row } = node();
      ask("message.send");
      if (repeat) {
        row.owner = B;
        row.epoch = 2;
        remote.ownersChanged();
      }
      reply(repeat ? B : A, 1, "message.send", fail(code, "There is no such account, or no room"));
      deepEqual(replies, [repeat ? "1 unavailable" : `1 ${code}`]);
    }
  }
});

/** A node whose request is under way twice at A, which has claimed its shard again. */
function askedTwice(op: OpName = "message.send") {
  const asking = node();
  asking.ask(op);
  asking.row.epoch = 2;
  asking.remote.ownersChanged();
  deepEqual(asking.sent, [`${A.key} 1`, `${A.key} 1`]);
  return asking;
}

const REFUSED = fail("limit_reached", "Cannot send: too many messages wait");

Deno.test("an owner has refused a request once it has refused all copies of it that it has", () => {
  const refused = askedTwice();
  refused.reply(A, 1, "message.send", REFUSED);
  deepEqual(refused.replies, []);
  refused.reply(A, 1, "message.send", REFUSED);
  deepEqual(refused.replies, ["1 limit_reached"]);
  const later = askedTwice();
  later.reply(A, 1, "message.send", REFUSED);
  later.reply(A, 1, "message.send");
  deepEqual(later.replies, ["1 ok"]);
  const former = askedTwice();
  former.reply(A, 1, "message.send");
  deepEqual(former.replies, ["1 ok"]);
});

Deno.test("what a copy could change back once more is done when no copy of it can be done any more", () => {
  for (const last of [ok(null), REFUSED]) {
    const { replies, reply } = askedTwice("account.setDisabled");
    reply(A, 1, "account.setDisabled");
    deepEqual(replies, []);
    reply(A, 1, "account.setDisabled", last);
    deepEqual(replies, ["1 ok"]);
  }
  // It stays done where the link breaks before the other reply, and the owner refuses the next copy.
  const { remote, replies, reply, sent } = askedTwice("account.setDisabled");
  reply(A, 1, "account.setDisabled");
  remote.unlinked(A.key, false);
  remote.retry();
  equal(sent.length, 3);
  reply(A, 1, "account.setDisabled", REFUSED);
  deepEqual(replies, ["1 ok"]);
});

Deno.test("a request that is too late to be asked again is not given up while copies of it may be done", () => {
  const { callers, remote, replies, row, sent, time } = askedTwice("account.setDisabled");
  time.nowMs = REQUEST_TIMEOUT_MS - WAY_MS + 1;
  row.epoch++;
  remote.ownersChanged();
  deepEqual([sent.length, replies], [2, []]);
  callers.expire(REQUEST_TIMEOUT_MS);
  deepEqual(replies, ["1 unavailable"]);
  const known = askedTwice("account.setDisabled");
  known.time.nowMs = time.nowMs;
  known.row.epoch++;
  known.remote.ownersChanged();
  known.reply(A, 1, "account.setDisabled");
  known.callers.expire(REQUEST_TIMEOUT_MS);
  deepEqual(known.replies, ["1 ok"]);
});

Deno.test("a copy of a request that an owner has not begun is not asked again beside the next one", () => {
  const { remote, replies, reply, sent } = askedTwice();
  remote.take(A, { kind: "moved", asked: 1 });
  remote.retry();
  equal(sent.length, 2);
  reply(A, 1, "message.send", REFUSED);
  deepEqual(replies, ["1 limit_reached"]);
});

Deno.test("replies to copies count also where another node was asked between, and until the link breaks", () => {
  const { remote, replies, reply, row } = askedTwice();
  for (const owner of [B, A]) {
    row.owner = owner;
    row.epoch++;
    remote.ownersChanged();
  }
  // A has three copies, B one.
  reply(B, 1, "message.send");
  for (const _ of [1, 2]) reply(A, 1, "message.send", REFUSED);
  deepEqual(replies, []);
  // Over a new link it has one copy more, and replies to none of those before.
  for (const _ of [1, 2]) row.epoch++, remote.ownersChanged();
  remote.unlinked(A.key, false);
  remote.retry();
  reply(A, 1, "message.send", REFUSED);
  deepEqual(replies, ["1 limit_reached"]);
});

Deno.test("what a node waits for is not repeated where its own claim is not granted", () => {
  const { ask, claim, takeovers, replies, reply, sent } = node();
  ask("roster.remove");
  takeovers.drop(claim());
  deepEqual([replies, sent], [[], [`${A.key} 1`]]);
  reply(A, 1, "roster.remove");
  deepEqual(replies, ["1 ok"]);
});

Deno.test("an owner that has claimed its shard again is asked again what it has replied to before", () => {
  const { ask, remote, replies, reply, row, sent } = node();
  ask("session.attach");
  row.epoch = 2;
  reply(A, 1, "session.attach");
  deepEqual([replies, sent], [[], [`${A.key} 1`, `${A.key} 1`]]);
  reply(A, 1, "session.attach");
  deepEqual(replies, ["1 ok"]);
  // What it has not replied to is asked again before what follows it.
  ask("message.send");
  row.epoch = 3;
  remote.ownersChanged();
  ask("message.send");
  deepEqual(sent.slice(2), [`${A.key} 2`, `${A.key} 2`, `${A.key} 3`]);
});
