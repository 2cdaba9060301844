import assert from "node:assert/strict";
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import { answersEarlier } from "../../shard/handlers/subscription_packets.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function people(...names: string[]): NodeFixture {
  const w = new NodeFixture();
  for (const n of names) w.account(n);
  return w;
}

function subscribe(
  w: NodeFixture,
  from: string,
  to: string,
  type: "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed",
) {
  const result = w.ask(from, "roster.subscription", { contact: name(to), type });
  w.settle(200);
  return result;
}

const snapshot = (w: NodeFixture, who: string) => w.must(who, "mailbox.snapshot", {}).snapshot;

Deno.test("a request, its approval and its end are events of both mailboxes", () => {
  const w = people("alice", "bob");
  subscribe(w, "alice", "bob", "subscribe");
  assert.deepEqual(snapshot(w, "bob").requests, ["alice"]);
  assert.deepEqual(snapshot(w, "bob").roster, [], "a request is no contact yet");
  assert.equal(snapshot(w, "alice").roster[0]!.pendingOut, true);
  subscribe(w, "bob", "alice", "subscribed");
  assert.equal(snapshot(w, "alice").roster[0]!.subscription, "to");
  assert.equal(snapshot(w, "bob").roster[0]!.subscription, "from");
  assert.deepEqual(snapshot(w, "bob").requests, []);
  subscribe(w, "alice", "bob", "unsubscribe");
  assert.equal(snapshot(w, "bob").roster[0]!.subscription, "none");
  const kinds = w.mailbox("bob").map((e) => e.kind === "request" ? `request ${e.pending}` : e.kind);
  assert.deepEqual(kinds, ["request true", "roster", "request false", "roster"]);
});

Deno.test("a pre-approved request is granted unseen", () => {
  const w = people("alice", "bob");
  subscribe(w, "bob", "alice", "subscribed");
  assert.equal(snapshot(w, "bob").roster[0]!.approved, true);
  subscribe(w, "alice", "bob", "subscribe");
  assert.equal(snapshot(w, "alice").roster[0]!.subscription, "to");
  assert.equal(snapshot(w, "bob").roster[0]!.subscription, "from");
  assert.deepEqual(snapshot(w, "bob").requests, []);
});

Deno.test("removing a contact ends both subscriptions on both sides", () => {
  const w = people("alice", "bob");
  w.befriend("alice", "bob");
  w.must("alice", "roster.set", { contact: name("bob"), label: "Bobby", groups: ["friends"] });
  assert.deepEqual(snapshot(w, "alice").roster[0], {
    contact: "bob",
    label: "Bobby",
    groups: ["friends"],
    subscription: "both",
    pendingOut: false,
    approved: false,
  });
  w.must("alice", "roster.remove", { contact: name("bob") });
  w.settle(500);
  assert.deepEqual(snapshot(w, "alice").roster, []);
  assert.equal(snapshot(w, "bob").roster[0]!.subscription, "none");
});

Deno.test("blocking cuts messages, presence and requests both ways, and tells nobody", () => {
  const w = people("alice", "bob");
  w.befriend("alice", "bob");
  const alice = w.attach("alice");
  const bob = w.attach("bob");
  w.watch("alice", alice);
  w.watch("bob", bob);
  w.packets = [];
  w.must("bob", "roster.block", { contact: name("alice"), blocked: true });
  const revoked = w.packets.flatMap((p) =>
    p.kind === "revoke" ? [`${p.watcher} sees ${p.watched}`] : []
  );
  assert.deepEqual(revoked.sort(), ["alice sees bob", "bob sees alice"]);
  w.send("alice", "bob", "m1");
  w.must("alice", "signal.send", {
    device: alice.watch[0]!.name as never,
    to: name("bob"),
    toDevice: null,
    type: "typing",
    body: "",
    id: "",
  });
  w.settle();
  assert.deepEqual(w.bodies("bob"), []);
  assert.ok(!w.packets.some((p) => p.kind === "signal"));
  assert.deepEqual(w.mailbox("alice").at(-1)!.kind, "message", "alice is not told");
  const refused = w.ask("bob", "message.send", {
    device: "phone" as never,
    to: name("alice"),
    id: "x",
    body: "x",
    ext: "",
  });
  assert.ok(!refused.ok && refused.code === "conflict");
  const answers = w.watch("alice", w.attach("alice", "desk"));
  const shown = answers.find((a) => a.watched === "bob")!;
  assert.equal(shown.presence, null);
  assert.ok(shown.lastSeen !== null && shown.lastSeen > 0, "as if bob had signed out");
  w.packets = [];
  w.must("bob", "roster.block", { contact: name("alice"), blocked: false });
  w.settle();
  const targets = w.packets.flatMap((p) => p.kind === "watch" ? [p.target.name] : []);
  assert.deepEqual(targets.sort(), ["alice", "bob"], "both are asked to rewatch");
  w.send("alice", "bob", "m2");
  w.settle();
  assert.deepEqual(w.bodies("bob"), ["m2"]);
});

Deno.test("missing and blocking accounts look alike to the client", () => {
  const w = people("alice", "bob");
  w.must("bob", "roster.block", { contact: name("alice"), blocked: true });
  const seen = (to: string) => {
    const sent = w.ask("alice", "message.send", {
      device: "phone" as never,
      to: name(to),
      id: to,
      body: "hello",
      ext: "",
    });
    const asked = subscribe(w, "alice", to, "subscribe");
    w.settle(40_000);
    const item = snapshot(w, "alice").roster.find((i) => i.contact === to);
    const events = w.mailbox("alice").filter((e) => JSON.stringify(e).includes(`"${to}"`)).map((
      e,
    ) => e.kind);
    return { sent: sent.ok, asked: asked.ok, pending: item?.pendingOut, events };
  };
  assert.deepEqual(seen("nobody"), seen("bob"));
});

Deno.test("pending requests are capped, and requests are rate-limited", () => {
  const names = Array.from({ length: 8 }, (_, i) => `user${i}`);
  const w = new NodeFixture({
    limits: { pendingRequestsMax: 3, subscriptionRequestBurst: 5, subscriptionRequestMs: 60_000 },
  });
  w.account("alice");
  for (const n of names) w.account(n);
  for (const n of names) subscribe(w, n, "alice", "subscribe");
  assert.equal(snapshot(w, "alice").requests.length, 3);
  const codes = names.map((n) => {
    const r = subscribe(w, "alice", n, "subscribe");
    return r.ok ? "ok" : r.code;
  });
  assert.deepEqual(codes, [...Array(5).fill("ok"), ...Array(3).fill("rate_limited")]);
  w.settle(61_000);
  assert.ok(subscribe(w, "alice", "user7", "subscribe").ok);
});

Deno.test("presence: invisible sign-in, last device out, and a replaced session", () => {
  const w = people("alice", "bob");
  w.befriend("alice", "bob");
  const alice = w.attach("alice");
  w.watch("alice", alice);
  w.packets = [];
  const hidden = w.attach("bob", "desk", null);
  assert.ok(!w.packets.some((p) => p.kind === "presence"), "invisible is not seen");
  w.must("bob", "presence.set", { session: hidden.session, presence: ONLINE });
  w.attach("bob", "desk");
  const closed = w.packets.flatMap((p) => p.kind === "closed" ? [[p.reason, p.sessions[0]]] : []);
  assert.deepEqual(closed, [["replaced", hidden.session]]);
  w.packets = [];
  w.must("bob", "session.detach", { session: hidden.session });
  assert.ok(!w.packets.some((p) => p.kind === "presence"), "the old session is nobody's");
  const before = w.process.clock.wallMs();
  const now = w.attach("bob", "desk");
  w.must("bob", "session.detach", { session: now.session });
  const last = w.packets.findLast((p) => p.kind === "presence");
  assert.ok(last?.kind === "presence" && last.devices.length === 0 && last.lastSeen >= before);
});

Deno.test("presence: a session ends that of another device only with proof, and takes its place (A11)", () => {
  const w = people("alice");
  const first = w.attach("alice", "device0");
  for (let i = 1; i < 10; i++) w.attach("alice", `device${i}`);
  const attach = (expiresAt: number, ends: string) =>
    w.ask("alice", "session.attach", {
      session: "session_of_tablet" as SessionId,
      device: "tablet" as DeviceId,
      auth: { kind: "issuer", expiresAt },
      cursor: null,
      presence: ONLINE,
      ends: ends as DeviceId,
    });
  const code = (result: ReturnType<typeof attach>) => result.ok ? "ok" : result.code;
  w.packets = [];
  assert.equal(code(attach(1, "device0")), "unauthorized");
  const later = w.process.clock.wallMs() + 86_400_000;
  assert.equal(code(attach(later, "phone")), "limit_reached");
  assert.ok(!w.packets.some((p) => p.kind === "closed"));
  assert.equal(code(attach(later, "device0")), "ok");
  const closed = w.packets.flatMap((p) => p.kind === "closed" ? [[p.reason, p.sessions[0]]] : []);
  assert.deepEqual(closed, [["replaced", first.session]]);
});

/** What the two rosters say of each other, and whether a request is shown. */
function bothSides(w: NodeFixture, a: string, b: string) {
  return [[a, b], [b, a]].map(([mine, theirs]) => {
    const { roster, requests } = w.must(mine!, "mailbox.snapshot", {}).snapshot;
    const item = roster.find((i) => i.contact === theirs);
    const asked = requests.includes(theirs as AccountName);
    return `${item?.subscription ?? "none"}${item?.pendingOut ? " asks" : ""}${
      asked ? " asked" : ""
    }`;
  });
}

const contact = (text: string) => ({ contact: text as AccountName });
type Step = (w: NodeFixture) => void;
const block = (who: string, other: string, blocked: boolean): Step => (w) =>
  w.must(who, "roster.block", { ...contact(other), blocked });
const remove = (who: string, other: string): Step => (w) =>
  w.must(who, "roster.remove", contact(other));
const stanza = (
  who: string,
  other: string,
  type: "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed",
): Step =>
(w) => w.must(who, "roster.subscription", { ...contact(other), type });

const BLOCK_ROWS: readonly (readonly [Step[], string[]])[] = [
  // The blocking one removes, and unblocks or does not.
  [[block("a", "b", true), remove("a", "b")], ["none", "none"]],
  [[block("a", "b", true), remove("a", "b"), block("a", "b", false)], ["none", "none"]],
  // The blocked one removes.
  [[block("a", "b", true), remove("b", "a"), block("a", "b", false)], ["none", "none"]],
  [[block("a", "b", true), stanza("b", "a", "unsubscribed"), block("a", "b", false)], [
    "from",
    "to",
  ]],
  // It asks again: the request is shown once it is unblocked, and can be granted.
  [[block("a", "b", true), remove("b", "a"), stanza("b", "a", "subscribe")], [
    "none",
    "none asks",
  ]],
  [
    [
      block("a", "b", true),
      remove("b", "a"),
      stanza("b", "a", "subscribe"),
      block("a", "b", false),
    ],
    ["none asked", "none asks"],
  ],
  [
    [
      remove("a", "b"),
      stanza("a", "b", "subscribe"),
      block("a", "b", true),
      stanza("b", "a", "subscribed"),
      block("a", "b", false),
    ],
    ["to", "from"],
  ],
  // A request that was made before the block, and taken back behind it.
  [
    [
      remove("a", "b"),
      stanza("b", "a", "subscribe"),
      block("a", "b", true),
      stanza("b", "a", "unsubscribe"),
      block("a", "b", false),
    ],
    ["none", "none"],
  ],
];

Deno.test("rosters agree whatever was removed, asked and granted behind a block (A6)", () => {
  BLOCK_ROWS.forEach(([steps, wanted], i) => {
    const w = new NodeFixture();
    for (const user of ["a", "b"]) w.account(user);
    w.befriend("a", "b");
    for (const step of steps) {
      step(w);
      w.settle(500);
    }
    w.settle();
    assert.deepEqual(bothSides(w, "a", "b"), wanted, `row ${i}`);
  });
});

Deno.test("a denial that crosses a second request ends both (A6)", () => {
  const w = new NodeFixture();
  const shardOf = (user: string) => w.node.shardOf(name(user));
  // Within one shard packets cannot cross.
  const b = ["b", "c", "d", "e", "f", "g"].find((user) => shardOf(user) !== shardOf("a"))!;
  for (const user of ["a", b]) w.account(user);
  const send = (from: string, to: string, type: "subscribe" | "unsubscribed") =>
    w.node.request(name(from), "roster.subscription", { contact: name(to), type }, () => {});
  send("a", b, "subscribe");
  w.settle();
  let crossed = false;
  w.loses = (p) => {
    // The denial is sent while the second request is on its way.
    if (!crossed && p.kind === "pair" && p.from === name("a")) {
      crossed = true;
      send(b, "a", "unsubscribed");
    }
    return false;
  };
  send("a", b, "subscribe");
  w.settle();
  assert.ok(crossed);
  assert.deepEqual(bothSides(w, "a", b), ["none", "none"]);
});

/**
 * A fixture in which bob's first answer to alice's request is lost, and comes after a second
 * request.
 */
function crossed(answer: "subscribed" | "unsubscribed", restart: boolean): NodeFixture {
  const w = people("alice", "bob");
  assert.notEqual(w.node.shardOf(name("alice")), w.node.shardOf(name("bob")));
  subscribe(w, "alice", "bob", "subscribe");
  let lost = 0;
  w.loses = (p) => {
    const late = p.kind === "pair" && p.payload.kind === "subscription" && p.from === "bob" &&
      p.payload.type === answer && lost === 0;
    if (late) lost++;
    return late;
  };
  subscribe(w, "bob", "alice", answer);
  assert.equal(lost, 1);
  subscribe(w, "alice", "bob", "unsubscribe");
  subscribe(w, "alice", "bob", "subscribe");
  if (restart) {
    w.kill();
    w.start();
  }
  w.settle(5000);
  return w;
}

for (const restart of [false, true]) {
  const where = restart ? ", after a restart too" : "";
  for (const answer of ["subscribed", "unsubscribed"] as const) {
    Deno.test(`an answer "${answer}" to an earlier request does not settle a later one${where}`, () => {
      const w = crossed(answer, restart);
      const [contact] = snapshot(w, "alice").roster;
      assert.deepEqual([contact!.subscription, contact!.pendingOut], ["none", true]);
      assert.deepEqual(snapshot(w, "bob").requests, ["alice"], "bob is asked again");
      subscribe(w, "bob", "alice", "subscribed");
      assert.equal(snapshot(w, "alice").roster[0]!.subscription, "to");
      assert.equal(snapshot(w, "bob").roster[0]!.subscription, "from");
    });
  }
}

Deno.test("answersEarlier: answers of earlier versions, and those to the request that waits, are none", () => {
  const item = {
    contact: name("bob"),
    peerId: "" as const,
    label: "",
    groups: [],
    state: { subscription: "none", pendingOut: true, pendingIn: false, approved: false },
    listed: true,
    asked: 5,
    withheld: false,
  } as const;
  assert.equal(answersEarlier(item, "subscribed", 0), false, "without a number");
  assert.equal(answersEarlier({ ...item, asked: 0 }, "subscribed", 4), false, "an older request");
  assert.equal(answersEarlier(item, "unsubscribed", 5), false);
  assert.equal(answersEarlier(item, "unsubscribed", 4), true);
  assert.equal(answersEarlier(item, "subscribe", 4), false, "no answer");
});
