/** Long-poll: answers at once or when something comes, acknowledgements, grace, and takeovers. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import type { MailboxId } from "../../shard/name/ids.ts";
import {
  batch,
  codeOf,
  device,
  MAILBOX,
  name,
  on,
  poll,
  type Polling,
  rig,
  type Wire,
} from "./edge_fixture.ts";

const brief = (events: readonly Wire[]) =>
  events.map(({ k, seq, user, show, type }) =>
    [k, seq ?? user ?? type, show].filter(Boolean).join(" ")
  );

function polled(contacts: readonly string[] = []) {
  const r = rig();
  r.router.contacts.set("alice", contacts);
  const { session } = r.start({ sink: null });
  return { ...r, r, session };
}

Deno.test("poll answers at once where the mailbox is ahead of the cursor", () => {
  const { r, session } = polled();
  r.push(session, ["one", "two"]);
  const { events, seq } = batch(poll(session, { seq: 0 }));
  assert.deepEqual(brief(events), ["message 1", "message 2"]);
  assert.equal(seq, 2);
});

Deno.test("poll waits for the next event and is answered with it", () => {
  const { r, session } = polled();
  const polling = poll(session, { seq: 0 });
  r.time.runFor(20_000);
  assert.deepEqual(polling.answers, []);
  r.push(session, ["one"]);
  r.time.runFor(0);
  const { events, seq } = batch(polling);
  assert.deepEqual(brief(events), ["message 1"]);
  assert.equal(seq, 1);
  assert.equal(r.router.count("mailbox.read"), 0, "what is pushed in time is not read");
});

Deno.test("poll answers with nothing after its wait, and at once where it does not wait", () => {
  const { r, session } = polled();
  const polling = poll(session, { seq: 0, waitMs: 5000 });
  r.time.runFor(4900);
  assert.deepEqual(polling.answers, []);
  r.time.runFor(300);
  assert.deepEqual(batch(polling), { events: [], soft: 0, seq: 0 });
  assert.deepEqual(batch(poll(session, { seq: 0, waitMs: 0 })).events, []);
});

Deno.test("an answer that was lost is given again from the mailbox", () => {
  const { r, session } = polled();
  const first = poll(session, { seq: 0 });
  r.push(session, ["one"]);
  r.time.runFor(0);
  batch(first);
  r.push(session, ["two"]);
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["message 1", "message 2"]);
  // Without a cursor it goes on after the last answer.
  r.push(session, ["three"]);
  assert.deepEqual(brief(batch(poll(session)).events), ["message 3"]);
});

Deno.test("a long mailbox is polled in pages, without gap or double", () => {
  const { r, session } = polled();
  r.push(session, Array.from({ length: 250 }, (_, i) => `${i}`));
  let at = 0;
  const seen: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    const { events, seq } = batch(poll(session, { seq: at }));
    seen.push(...events.map((event) => event["seq"]));
    at = seq;
  }
  assert.deepEqual(seen, Array.from({ length: 250 }, (_, i) => i + 1));
});

Deno.test("soft events are given until a poll acknowledges them, as they are by then", () => {
  const { r, session } = polled(["bob"]);
  r.router.online.set("bob", on("online"));
  const signal = { from: name("bob"), fromDevice: device("d"), body: "", id: "" };
  r.presence("bob", on("away"));
  r.deliver({ kind: "signal", sessions: [session.id], type: "typing", ...signal });
  const first = batch(poll(session, { seq: 0 }));
  assert.deepEqual(brief(first.events), ["presence bob away", "signal typing"]);
  assert.equal(first.soft, 2);
  r.presence("bob", on("dnd"));
  r.deliver({ kind: "signal", sessions: [session.id], type: "paused", ...signal });
  // The client has not got them: all of it again, bob as he is now, once.
  const again = batch(poll(session, { seq: 0, soft: 0 }));
  assert.deepEqual(brief(again.events), ["presence bob dnd", "signal typing", "signal paused"]);
  assert.equal(again.soft, 5);
  assert.equal(r.counters.pollRepeats, 1);
  const acknowledged = poll(session, { seq: 0, soft: 5 });
  r.time.runFor(1000);
  assert.deepEqual(acknowledged.answers, []);
});

Deno.test("the first presence comes with the first poll, whole", () => {
  const { session } = polled(["bob", "carol"]);
  // Nobody is online: there is nothing to tell.
  assert.deepEqual(batch(poll(session, { seq: 0, waitMs: 0 })).events, []);
  const other = rig();
  other.router.contacts.set("alice", ["bob", "carol"]);
  other.router.online.set("bob", on("away"));
  other.router.held.add("interest");
  const { session: waiting } = other.start({ sink: null });
  const polling = poll(waiting, { seq: 0 });
  other.router.release("interest");
  other.time.runFor(0);
  assert.deepEqual(brief(batch(polling).events), ["presence bob away"]);
});

Deno.test("a revoked user is not given again by a poll that was not acknowledged", () => {
  const { r, session } = polled(["bob"]);
  r.presence("bob", on("away"));
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["presence bob away"]);
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  const again = batch(poll(session, { seq: 0, soft: 0 }));
  assert.deepEqual(brief(again.events), ["presence bob offline"]);
  // Nor is it forgotten that he is to be shown offline.
  assert.deepEqual(brief(batch(poll(session, { seq: 0, soft: 0 })).events), [
    "presence bob offline",
  ]);
});

Deno.test("a newer poll answers the older one with nothing", () => {
  const { r, session } = polled();
  const older = poll(session, { seq: 0 });
  const newer = poll(session, { seq: 0 });
  assert.deepEqual(batch(older).events, []);
  r.push(session, ["one"]);
  r.time.runFor(0);
  assert.deepEqual(brief(batch(newer).events), ["message 1"]);
});

Deno.test("a cancelled poll is not answered, and loses nothing", () => {
  const { r, session } = polled();
  const gone = poll(session, { seq: 0 });
  r.push(session, ["one"]);
  gone.cancel();
  r.time.runFor(1000);
  assert.deepEqual(gone.answers, []);
  assert.deepEqual(brief(batch(poll(session)).events), ["message 1"]);
  gone.cancel();
});

Deno.test("a cancelled poll's read does not answer the next poll", () => {
  const { r, session } = polled();
  r.push(session, ["one"]);
  r.router.held.add("mailbox.read");
  const gone = poll(session, { seq: 0 });
  gone.cancel();
  const next = poll(session, { seq: 1, waitMs: 1000 });
  r.router.release();
  r.time.runFor(2000);
  assert.deepEqual(gone.answers, []);
  assert.deepEqual(batch(next).events, []);
});

Deno.test("poll refuses cursors that the mailbox cannot continue from", () => {
  const { r, session } = polled();
  r.push(session, ["one"]);
  assert.equal(codeOf(poll(session, { seq: 9 }).answers), "reset");
  const answers: Parameters<Parameters<typeof session.poll>[1]>[0][] = [];
  const cursor = { mailboxId: "anotherMAILBOX00" as MailboxId, seq: 1 };
  session.poll({ cursor, soft: 0, waitMs: 0 }, (result) => answers.push(result));
  assert.equal(codeOf(answers), "reset");
  // The session is as it was.
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["message 1"]);
});

Deno.test("a refused cursor does not stay: the next poll goes on without one", () => {
  const { r, session } = polled();
  r.push(session, ["one"]);
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["message 1"]);
  r.push(session, ["two"]);
  assert.equal(codeOf(poll(session, { seq: 999 }).answers), "reset");
  assert.deepEqual(brief(batch(poll(session)).events), ["message 2"]);
  // Neither does it where nobody could say for a while that it is wrong.
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 1000));
  assert.equal(codeOf(poll(session, { seq: 999 }).answers), "unavailable");
  poll(session, { seq: 998 }).cancel();
  r.router.failing.delete("mailbox.read");
  assert.equal(codeOf(poll(session).answers), "reset");
  r.push(session, ["three"]);
  assert.deepEqual(brief(batch(poll(session)).events), ["message 3"]);
});

Deno.test("a cursor that was good is where the session goes on, whatever is refused later", () => {
  const { r, session } = polled();
  r.push(session, ["one", "two", "three"]);
  assert.deepEqual(batch(poll(session, { seq: 3, waitMs: 0 })).events, []);
  assert.deepEqual(batch(poll(session, { seq: 1 })).seq, 3);
  assert.equal(codeOf(poll(session, { seq: 7 }).answers), "reset");
  assert.deepEqual(batch(poll(session, { waitMs: 0 })), { events: [], soft: 0, seq: 3 });
});

Deno.test("poll hands on that the mailbox cannot be read", () => {
  const { r, session } = polled();
  r.push(session, ["one"]);
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 1000));
  assert.deepEqual(poll(session, { seq: 0 }).answers, [fail("unavailable", "no answer", 1000)]);
});

Deno.test("a session that nobody polls is detached after the grace, a polled one is not", () => {
  const { r, session } = polled();
  for (let i = 0; i < 10; i++) {
    const polling = poll(session, { seq: 0, waitMs: 20_000 });
    r.time.runFor(20_200);
    batch(polling);
    r.time.runFor(12_000);
  }
  assert.equal(r.router.count("session.detach"), 0);
  r.time.runFor(5000);
  assert.equal(r.router.count("session.detach"), 1);
  assert.equal(r.counters.ended.idle, 1);
  assert.equal(codeOf(poll(session, { seq: 0 }).answers), "not_found");
});

Deno.test("a parked poll is refused when its session is closed", () => {
  const { r, session } = polled();
  const polling = poll(session, { seq: 0 });
  r.deliver({ kind: "closed", sessions: [session.id], reason: "revoked" });
  assert.equal(codeOf(polling.answers), "unauthorized");
});

Deno.test("a session falls from a sink to polls and back, and nothing is lost or doubled", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.online.set("bob", on("online"));
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  r.time.runFor(10);
  session.lost(sink);
  r.push(session, ["two"]);
  r.presence("carol", on("dnd"));
  r.time.runFor(3000);
  const first = batch(poll(session, { seq: 1 }));
  assert.deepEqual(brief(first.events).sort(), [
    "message 2",
    "presence bob online",
    "presence carol dnd",
  ]);
  const parked = poll(session, { seq: 2, soft: first.soft });
  r.time.runFor(1000);
  const again = r.start({ resume: session.id, cursor: { mailboxId: MAILBOX, seq: 2 } });
  assert.equal(again.session, session);
  assert.deepEqual(batch(parked).events, []);
  r.push(session, ["three"]);
  r.time.runFor(10);
  assert.deepEqual(brief(again.sink.events()), [
    "presence bob online",
    "presence carol dnd",
    "message 3",
  ]);
  assert.equal(r.router.count("session.attach"), 1);
  assert.equal(r.router.count("session.detach"), 0);
});

Deno.test("a poll takes a session over from a sink that is still there", () => {
  const r = rig();
  const { session, sink } = r.start();
  const polling = poll(session, { seq: 0 });
  assert.equal(sink.reason(), "replaced");
  r.push(session, ["one"]);
  r.time.runFor(0);
  assert.deepEqual(brief(batch(polling).events), ["message 1"]);
  assert.deepEqual(sink.frames, []);
  // The old sink's end does not end the polls.
  session.lost(sink);
  assert.equal(r.edge.gauges().polling, 1);
});

Deno.test("10.12: a poll that another poll or a connection replaces says so, no other does", () => {
  const { r, session } = polled();
  const said = ({ answers: [answer] }: Polling) => answer?.ok && answer.value.replaced;
  const [first, second] = [poll(session), poll(session)];
  assert.equal(said(first), true);
  assert.equal(said(second), undefined, "the second waits");
  r.push(session, ["one"]);
  r.time.runFor(0);
  assert.equal(said(second), false);
  const third = poll(session, { waitMs: 1000 });
  r.time.runFor(2000);
  assert.equal(said(third), false, "its time was over");
});

Deno.test("11: a poll that has waited for long enough costs no work while its events are on their way", () => {
  const { r, session } = polled();
  r.push(session, ["one"]);
  r.router.held.add("mailbox.read");
  const polling = poll(session, { seq: 0, waitMs: 1000 });
  const turns = r.time.runFor(10_000);
  assert.ok(turns < 1000, `it took ${turns} turns`);
  r.router.release("mailbox.read");
  r.time.runFor(200);
  assert.deepEqual(brief(batch(polling).events), ["message 1"]);
});

Deno.test("11: a poll returns about 1 MiB at most, and the next one the rest", () => {
  const contacts = Array.from({ length: 300 }, (_, i) => `c${i}`);
  const r = rig();
  r.router.contacts.set("alice", contacts);
  for (const contact of contacts) r.router.online.set(contact, on("away", "x".repeat(6000)));
  const { session } = r.start({ sink: null });
  let soft = 0;
  const seen: string[] = [];
  for (const share of [0.5, 0.4]) {
    const events = batch(poll(session, { seq: 0, soft, waitMs: 0 }));
    assert.ok(JSON.stringify(events.events).length < 1_100_000);
    assert.ok(events.events.length > share * contacts.length, `${events.events.length}`);
    seen.push(...events.events.map(({ user }) => String(user)));
    soft = events.soft;
  }
  assert.deepEqual(seen.toSorted(), contacts.toSorted());
});
