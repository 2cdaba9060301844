import { deepEqual, equal, match } from "node:assert/strict";
import fc from "fast-check";
import { fail, ok } from "../../shard/errors.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { ERROR_CODES } from "../../shard/errors.ts";
import { FRAME_EXAMPLES } from "../../server/v1/examples.ts";
import type { CommandName } from "../../server/v1/schemas.ts";
import { connect, CURSOR, MAILBOX, openNode, PROTOCOL, SNAPSHOT, TOKEN } from "./json_fakes.ts";

/** A welcomed client of a new node. */
function signedIn(limits: Parameters<typeof openNode>[0] = {}) {
  const node = openNode(limits);
  const client = connect(node);
  const session = client.welcomed();
  return { ...client, node, session };
}

Deno.test("Connection answers a command under the client's id", () => {
  const { say, node } = signedIn();
  deepEqual(say({ t: "send", id: 0, to: "bob", key: "k1", body: "hi" }), [
    { t: "ok", id: 0, value: { seq: 8, at: 1000, num: 3 } },
  ]);
  deepEqual(node.router.asked, [{
    name: "alice",
    op: "message.send",
    input: { device: "phone", to: "bob", id: "k1", body: "hi", ext: "" },
  }]);
  deepEqual(node.gate.asked, ["signIn", "write"]);
});

Deno.test("Connection leaves the value out where there is none", () => {
  const { say } = signedIn();
  deepEqual(say({ t: "ack", id: 9007199254740991, seq: 7 }), [
    { t: "ok", id: 9007199254740991 },
  ]);
});

Deno.test("Connection answers in the order in which commands are done", () => {
  const { say, node } = signedIn();
  node.router.held = true;
  deepEqual(say({ t: "send", id: 1, to: "bob", key: "k", body: "hi" }), []);
  deepEqual(say({ t: "ping", id: 2 }).map((frame) => frame["id"]), [2]);
  node.router.release();
  deepEqual(say({ t: "ping", id: 3 }).map((frame) => frame["id"]), [1, 3]);
});

Deno.test("Connection hands refusals on with their code and retryAfterMs", () => {
  const { say, node } = signedIn();
  node.router.answers["message.send"] = () => fail("unavailable", "Nothing is known", 250);
  deepEqual(say({ t: "send", id: 1, to: "bob", key: "k", body: "hi" }), [
    { t: "error", id: 1, code: "unavailable", message: "Nothing is known", retryAfterMs: 250 },
  ]);
});

Deno.test("Connection refuses a write that admission refuses, and still serves reads", () => {
  const { say, node } = signedIn();
  node.gate.refusal = fail("busy", "Too much to do", 1000);
  equal(say({ t: "send", id: 1, to: "bob", key: "k", body: "hi" })[0]?.["code"], "busy");
  equal(say({ t: "snapshot", id: 2 })[0]?.["t"], "ok");
  deepEqual(node.router.asked.map((asked) => asked.op), ["mailbox.snapshot"]);
});

Deno.test("Connection takes at most inFlightMax commands at once", () => {
  const { say, node } = signedIn({ inFlightMax: 2 });
  node.router.held = true;
  say({ t: "ack", id: 1, seq: 1 });
  say({ t: "ack", id: 2, seq: 1 });
  const [refused] = say({ t: "ack", id: 3, seq: 1 });
  deepEqual([refused?.["id"], refused?.["code"]], [3, "busy"]);
  node.router.release();
  say({ t: "ack", id: 4, seq: 1 });
  node.router.release();
  node.router.release();
  deepEqual(say({ t: "ping", id: 5 }).map((frame) => frame["id"]), [2, 4, 5]);
});

Deno.test("Connection limits the rate of commands and tells when to go on", () => {
  const frames = { perSecond: 10, burst: 3 };
  const { say, node } = signedIn({ rates: { ...node0().rates, frames } });
  const codes = [1, 2, 3, 4].map((id) => say({ t: "ping", id })[0]?.["code"] ?? "ok");
  deepEqual(codes, ["ok", "ok", "ok", "rate_limited"]);
  deepEqual(node.limits, ["frames"]);
  const wait = say({ t: "ping", id: 5 })[0]?.["retryAfterMs"] as number;
  equal(wait, 100);
  node.time.runFor(wait);
  equal(say({ t: "ping", id: 6 })[0]?.["t"], "ok");
});

Deno.test("10.4: a client has no other rate of commands after it has connected again", () => {
  const frames = { perSecond: 1, burst: 3 };
  const { say, handler, node } = signedIn({ rates: { ...node0().rates, frames } });
  for (const id of [1, 2, 3]) equal(say({ t: "ping", id })[0]?.["t"], "ok");
  handler.closed();
  const again = connect(node);
  again.welcomed();
  equal(again.say({ t: "ping", id: 1 })[0]?.["code"], "rate_limited");
  node.time.runFor(1000);
  equal(again.say({ t: "ping", id: 2 })[0]?.["t"], "ok");
});

Deno.test("Connection limits presence changes without limiting other commands", () => {
  const { say, node } = signedIn({
    rates: { ...node0().rates, presence: { perSecond: 1, burst: 1 } },
  });
  equal(say({ t: "presence", id: 1 })[0]?.["t"], "ok");
  equal(say({ t: "presence", id: 2 })[0]?.["code"], "rate_limited");
  equal(say({ t: "ping", id: 3 })[0]?.["t"], "ok");
  deepEqual(node.limits, ["presence"]);
});

Deno.test("Connection counts a request for a subscription that its shard's rate limits", () => {
  const { say, node } = signedIn({});
  const ask = { t: "subscription", contact: "bob", type: "subscribe" };
  equal(say({ ...ask, id: 1 })[0]?.["t"], "ok");
  node.router.answers["roster.subscription"] = () => fail("rate_limited", "Too many", 1000);
  equal(say({ ...ask, id: 2 })[0]?.["code"], "rate_limited");
  deepEqual(node.limits, ["subscription_requests"]);
});

Deno.test("10.4: Connection charges the blocks that a page has searched", () => {
  const frames = { perSecond: 10, burst: 10 };
  const { say, node } = signedIn({ rates: { ...node0().rates, frames } });
  const page = (id: number) => say({ t: "history", id, with: "bob" })[0];
  node.router.answers["conversation.history"] = () => ok({ events: [], more: false, blocks: 2 });
  equal(page(1)?.["t"], "ok");
  equal(say({ t: "ping", id: 2 })[0]?.["t"], "ok");
  node.router.answers["conversation.history"] = () => ok({ events: [], more: false, blocks: 32 });
  equal(page(3)?.["t"], "ok");
  const refused = page(4);
  deepEqual([refused?.["code"], refused?.["retryAfterMs"]], ["rate_limited", 1200]);
  node.time.runFor(1200);
  equal(page(5)?.["t"], "ok", "the debt is at most another burst");
});

Deno.test("10.4: Connection charges the contacts and conversations of a snapshot", () => {
  const frames = { perSecond: 10, burst: 10 };
  const { say, node } = signedIn({ rates: { ...node0().rates, frames } });
  const view = { with: "bob" as AccountName, lastSeq: 1, lastAt: 1, unread: 0, readUpTo: 0 };
  const conversations = new Array(900).fill({ ...view, delivered: 0, read: 0 });
  node.router.answers["mailbox.snapshot"] = () => {
    return ok({ mailboxId: MAILBOX, snapshot: { ...SNAPSHOT, conversations } });
  };
  equal(say({ t: "snapshot", id: 1 })[0]?.["t"], "ok");
  equal(say({ t: "ping", id: 2 })[0]?.["retryAfterMs"], 500);
});

function node0() {
  return openNode().deps.connection;
}

Deno.test("Connection ends where refusals have used up its refusalAllowance", () => {
  const refusalAllowance = { perSecond: 1, burst: 3 };
  const { say, sink, session } = signedIn({ refusalAllowance });
  for (let id = 1; id <= 3; id++) equal(say({ t: "nonsense", id })[0]?.["code"], "unsupported");
  const last = say({ t: "nonsense", id: 4 });
  deepEqual(last.map((frame) => [frame["id"], frame["code"]]), [
    [4, "unsupported"],
    [undefined, "rate_limited"],
  ]);
  equal(sink.ended, "protocol");
  deepEqual(session.happened, ["start", "lost"]);
});

Deno.test("Connection answers malformed frames, and ends after eight of them in a row", () => {
  const { say, sink } = signedIn();
  for (let i = 0; i < 8; i++) {
    const [answer] = say(["{", "[]", "7", '{"t":1}', '{"t":"ping"}'][i % 5]);
    deepEqual([answer?.["t"], answer?.["code"]], ["error", "bad_request"]);
  }
  equal(sink.ended, null);
  say("{");
  equal(sink.ended, "protocol");
});

Deno.test("Connection makes no pages for a client that does not read them", () => {
  const { say, sink, node } = signedIn({ unreadBytesMax: 1000 });
  sink.buffered = 1001;
  equal(say({ t: "snapshot", id: 1 })[0]?.["code"], "busy");
  deepEqual(node.router.asked, []);
  sink.buffered = 0;
  node.router.held = true;
  say({ t: "snapshot", id: 2 });
  sink.buffered = 1001;
  node.router.release();
  equal(say({ t: "ping", id: 3 })[0]?.["code"], "busy");
});

Deno.test("10.7: retryAfterMs of a full send queue follows the rate at which the client reads", () => {
  for (const [charsPerSecond, wantedMs] of [[1000, 2500], [10_000, 250]] as const) {
    const { say, sink, session, node } = signedIn({ unreadBytesMax: 1000 });
    const text = JSON.stringify({ t: "x".repeat(charsPerSecond) });
    sink.buffered = 3500;
    for (let second = 0; second < 10; second++) {
      // As much is sent as is read.
      session.sink?.send(text);
      node.time.runFor(1000);
      if (second % 3 === 0) say({ t: "ping", id: second });
    }
    const answer = say({ t: "snapshot", id: 99 }).at(-1);
    equal(answer?.["code"], "busy");
    const waitMs = answer?.["retryAfterMs"] as number;
    const near = Math.abs(waitMs / wantedMs - 1) < 0.4;
    equal(near, true, `${waitMs} ms, wants ${wantedMs}`);
  }
});

Deno.test("10.7: a client that reads a large snapshot slowly is not cut off", () => {
  const { say, sink, node } = signedIn({ unreadBytesMax: 1000 });
  const names = Array.from({ length: 300 }, (_, i) => `user${i}` as AccountName);
  node.router.answers["mailbox.snapshot"] = () =>
    ok({ mailboxId: MAILBOX, snapshot: { ...SNAPSHOT, blocked: names } });
  equal(say({ t: "snapshot", id: 1 })[0]?.["t"], "ok");
  sink.buffered = 4001;
  equal(say({ t: "ping", id: 2 })[0]?.["t"], "ok");
  equal(sink.ended, null);
  sink.buffered = 40_000;
  say({ t: "ping", id: 3 });
  equal(sink.ended, "terminated");
});

Deno.test("Connection cuts off a client that reads no answers at all", () => {
  const { say, sink, session } = signedIn({ unreadBytesMax: 1000 });
  sink.buffered = 4001;
  deepEqual(say({ t: "ping", id: 1 }), []);
  equal(sink.ended, "terminated");
  deepEqual(session.happened, ["start", "lost"]);
});

Deno.test("bye ends the session, closes the connection and keeps the token", () => {
  const { say, sink, session, node } = signedIn();
  deepEqual(say({ t: "bye", id: 1 }), [{ t: "ok", id: 1 }]);
  deepEqual(session.happened, ["start", "end signed_out"]);
  equal(sink.ended, "signed_out");
  deepEqual(node.router.asked, []);
  deepEqual(say({ t: "ping", id: 2 }), []);
});

Deno.test("signout answers before the end that its own revocation causes", () => {
  const { say, sink, session, node } = signedIn();
  node.router.answers["device.revoke"] = () => {
    session.sink?.close("revoked");
    return ok(null);
  };
  deepEqual(say({ t: "signout", id: 1 }), [{ t: "ok", id: 1 }]);
  equal(sink.ended, "signed_out");
  deepEqual(node.router.asked[0]?.input, { device: "phone" });
});

Deno.test("signout that fails leaves the session as it is", () => {
  const { say, sink, node } = signedIn();
  node.router.answers["device.revoke"] = () => fail("unavailable", "Nothing is known");
  equal(say({ t: "signout", id: 1 })[0]?.["code"], "unavailable");
  equal(sink.ended, null);
  equal(say({ t: "ping", id: 2 })[0]?.["t"], "ok");
});

Deno.test("signout whose outcome is unknown still ends what was revoked", () => {
  const { say, sink, session, node } = signedIn();
  node.router.answers["device.revoke"] = () => {
    session.sink?.close("revoked");
    return fail("unavailable", "Nothing is known");
  };
  equal(say({ t: "signout", id: 1 })[0]?.["code"], "unavailable");
  equal(sink.ended, "revoked");
});

Deno.test("Connection hands the edge's end on, with when to return", () => {
  const { sink, session } = signedIn();
  session.sink?.close("shutdown", 1234);
  deepEqual([sink.ended, sink.retryAfterMs], ["shutdown", 1234]);
});

Deno.test("Connection does nothing more for a session that the edge has ended", () => {
  const { say, sink, session, node } = signedIn();
  session.sink?.close("revoked");
  equal(sink.ended, "revoked");
  deepEqual(say({ t: "send", id: 1, to: "bob", key: "k", body: "hi" }), []);
  deepEqual(node.router.asked, []);
});

Deno.test("Connection drops answers that come after the end", () => {
  const { say, handler, sink, session, node } = signedIn();
  node.router.held = true;
  say({ t: "ack", id: 1, seq: 1 });
  handler.closed();
  handler.closed();
  node.router.release();
  deepEqual(sink.frames, []);
  deepEqual(session.happened, ["start", "lost"]);
});

Deno.test("Connection survives a bug, which ends it alone", () => {
  const { say, sink, session, node } = signedIn();
  delete node.router.answers["message.send"];
  deepEqual(say({ t: "send", id: 1, to: "bob", key: "k", body: "hi" }), []);
  equal(sink.ended, "terminated");
  deepEqual(session.happened, ["start", "lost"]);
  equal(node.lines.find((line) => line.level === "error")?.event, "json.bug");
});

Deno.test("Connection observes every outcome", () => {
  const { say, node } = signedIn();
  say({ t: "ping", id: 1 });
  say({ t: "nonsense", id: 2 });
  say("{");
  deepEqual(node.outcomes, ["hello ok", "ping ok", "unknown unsupported", "malformed bad_request"]);
});

Deno.test("names are normalised at the border; those of other domains are not found", () => {
  const { say, node } = signedIn();
  say({ t: "uncontact", id: 1, contact: "Bob@Example.COM" });
  deepEqual(node.router.asked[0]?.input, { contact: "bob" });
  equal(say({ t: "uncontact", id: 2, contact: "bob@example.org" })[0]?.["code"], "not_found");
  equal(say({ t: "uncontact", id: 3, contact: "bob smith" })[0]?.["code"], "bad_request");
});

Deno.test("every command runs from its example", () => {
  for (const name of Object.keys(PROTOCOL.commands) as CommandName[]) {
    const { say } = signedIn();
    const [answer] = say(FRAME_EXAMPLES[name]);
    deepEqual([name, answer?.["t"], answer?.["id"]], [name, "ok", FRAME_EXAMPLES[name].id]);
  }
});

const frameLike = fc.oneof(
  fc.string(),
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.record({
    t: fc.constantFrom(...Object.keys(PROTOCOL.commands), "hello", "auth", "register", "__proto__"),
    id: fc.oneof(fc.nat(), fc.jsonValue()),
    v: fc.constantFrom(1, 2, "1", null),
    auth: fc.oneof(fc.constant({ token: TOKEN }), fc.jsonValue()),
    to: fc.oneof(fc.constant("bob"), fc.jsonValue()),
    with: fc.oneof(fc.constant("bob"), fc.jsonValue()),
    contact: fc.oneof(fc.constant("bob"), fc.jsonValue()),
    key: fc.oneof(fc.constant("k"), fc.jsonValue()),
    body: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
    after: fc.oneof(fc.constant(CURSOR), fc.jsonValue()),
    seq: fc.oneof(fc.nat(), fc.jsonValue()),
    presence: fc.jsonValue(),
    device: fc.oneof(fc.constant("phone"), fc.jsonValue()),
  }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
);

Deno.test("Connection answers whatever comes with a typed frame, or with nothing", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(frameLike, { maxLength: 12 }), (welcome, texts) => {
      const node = openNode();
      const client = connect(node);
      if (welcome) client.welcomed();
      client.sink.frames.length = 0;
      for (const text of texts) {
        for (const frame of client.say(text)) {
          match(String(frame["t"]), /^(ok|error|welcome|challenge)$/);
          if (frame["t"] === "error") equal(String(frame["code"]) in ERROR_CODES, true);
        }
      }
      client.handler.closed();
      deepEqual(node.lines.filter((line) => line.level === "error"), []);
    }),
    { numRuns: 300 },
  );
});

Deno.test("Connection sends only normalised names to the shards", () => {
  const anyName = fc.string({ unit: "binary", maxLength: 20 });
  fc.assert(fc.property(anyName, (contact) => {
    const { say, node } = signedIn();
    const [answer] = say({ t: "uncontact", id: 1, contact });
    const asked = node.router.asked[0]?.input as { contact: AccountName } | undefined;
    if (answer?.["t"] === "ok") equal(asked?.contact, asked?.contact.toLowerCase().normalize());
    else match(String(answer?.["code"]), /^(bad_request|not_found)$/);
  }));
});
