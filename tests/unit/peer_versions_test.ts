/** Requests between nodes of different versions. */
import assert from "node:assert/strict";
import { HANDLERS } from "../../shard/handlers/handlers.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { OpName } from "../../shard/ops.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import { isKnown, replyFor } from "../../server/peer/versions.ts";

/** The operations of programs that speak version 1 of the links (0.1.0). */
const OF_VERSION_1 =
  "account.create account.credentials account.setCredentials account.setDisabled account.signOut " +
  "account.remove account.release account.info account.resolve device.add device.list " +
  "device.revoke auth.token session.attach session.detach presence.set message.send mailbox.read " +
  "mailbox.snapshot mailbox.ack conversation.history conversation.read roster.set roster.remove " +
  "roster.subscription roster.block settings.set signal.send invite.create invite.info " +
  "invite.revoke invite.redeem export.account export.events import.look import.begin " +
  "import.append import.roster import.peer import.link import.done";

function request(op: OpName): PeerFrame {
  const of = { shard: 1, epoch: 1, name: "ann" as AccountName, seed: null, accountId: null };
  return { kind: "request", asked: 7, op, input: {}, ...of } as PeerFrame;
}

Deno.test("links: a node of version 1 is asked for none of the operations that it does not know", () => {
  const known = new Set(OF_VERSION_1.split(" "));
  for (const op of Object.keys(HANDLERS) as OpName[]) {
    assert.equal(isKnown(request(op), 1), known.has(op), op);
    assert.ok(isKnown(request(op), 2), op);
  }
});

Deno.test("links: a request that the owner does not know is unavailable for a while", () => {
  const reply = replyFor(request("mailbox.search"), 1);
  assert.ok(reply?.kind === "reply" && reply.asked === 7 && reply.op === "mailbox.search");
  assert.ok(!reply.result.ok && reply.result.code === "unavailable");
  assert.equal(reply.result.retryAfterMs, 5000);
});
