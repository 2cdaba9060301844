import assert from "node:assert/strict";
import fc from "fast-check";
import type { MailboxEvent, PresenceOfDevice, RosterItemView } from "../../shard/ops.ts";
import type { Subscription } from "../../shard/roster/subscription.ts";
import { ANSWERS } from "../../server/v1/answers.ts";
import {
  encodePresence,
  encodeSignal,
  encodeSnapshot,
  eventsFrame,
  goawayFrame,
  leadingDevice,
} from "../../server/v1/encode.ts";
import { encodeEvent, encodeRosterItem, quote } from "../../server/text/event_json.ts";
import { device, name, presenceOf } from "./edge_fixture.ts";

/** Any UTF-16: lone surrogates, control characters, quotes and line separators included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) }),
  fc.constantFrom("", '"', "\\", "\u2028\u2029", "\ud800", "\udfff x", "\0\x1f\x7f", "</script>"),
);
const anyName = anyText.map(name);
const seq = fc.nat(2 ** 31);
const at = fc.integer({ min: 0, max: 4e12 });

/** What a client gets: the text as UTF-8 and back, parsed. */
function received(text: string): Record<string, unknown> {
  const bytes = new TextEncoder().encode(text);
  assert.ok(!text.includes("\n") && !text.includes("\r"), "a frame is one line");
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** Without what equals its default. */
function sparse(fields: Record<string, unknown>): Record<string, unknown> {
  const defaults = ["", false, undefined];
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) =>
      !defaults.includes(value as string) && !(Array.isArray(value) && value.length === 0)
    ),
  );
}

const item: fc.Arbitrary<RosterItemView> = fc.record({
  contact: anyName,
  label: anyText,
  groups: fc.array(anyText, { maxLength: 3 }),
  subscription: fc.constantFrom<Subscription>("none", "to", "from", "both"),
  pendingOut: fc.boolean(),
  approved: fc.boolean(),
});

const message = fc.record({
  kind: fc.constant("message" as const),
  seq,
  at,
  with: anyName,
  out: fc.boolean(),
  num: seq,
  id: anyText,
  body: anyText,
  ext: anyText,
  device: anyText,
});

const plain: fc.Arbitrary<MailboxEvent> = fc.oneof(
  fc.record({
    kind: fc.constant("undelivered" as const),
    seq,
    at,
    with: anyName,
    num: seq,
    id: anyText,
    reason: anyText,
  }),
  fc.record({
    kind: fc.constant("receipt" as const),
    seq,
    at,
    with: anyName,
    delivered: seq,
    read: seq,
  }),
  fc.record({
    kind: fc.constant("read" as const),
    seq,
    at,
    with: anyName,
    upTo: seq,
    unread: seq,
  }),
  fc.record({ kind: fc.constant("roster_removed" as const), seq, at, contact: anyName }),
  fc.record({
    kind: fc.constant("request" as const),
    seq,
    at,
    from: anyName,
    pending: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("blocked" as const),
    seq,
    at,
    contact: anyName,
    blocked: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("settings" as const),
    seq,
    at,
    messagesFrom: fc.constantFrom("contacts" as const, "anyone" as const),
  }),
);

Deno.test("quote is JSON.stringify for any text", () => {
  fc.assert(fc.property(anyText, (text) => assert.equal(quote(text), JSON.stringify(text))));
});

Deno.test("encodeEvent gives the event with its kind as k", () => {
  fc.assert(fc.property(plain, (event) => {
    const { kind, ...fields } = event;
    assert.deepEqual(received(encodeEvent(event)), { k: kind, ...fields });
  }));
});

Deno.test("encodeEvent leaves a message's defaults out", () => {
  fc.assert(fc.property(message, (event) => {
    const { kind, seq, at, with: peer, num, id, body, out, ext, device } = event;
    const wanted = { k: kind, seq, at, with: peer, num, id, body, ...sparse({ out, ext, device }) };
    assert.deepEqual(received(encodeEvent(event)), wanted);
  }));
});

Deno.test("encodeEvent and encodeRosterItem flatten contacts and leave their defaults out", () => {
  fc.assert(fc.property(item, seq, at, (contact, seq, at) => {
    const { contact: peer, subscription, ...rest } = contact;
    const flat = { contact: peer, subscription, ...sparse(rest) };
    assert.deepEqual(received(encodeRosterItem(contact)), flat);
    const event: MailboxEvent = { kind: "roster", seq, at, item: contact };
    assert.deepEqual(received(encodeEvent(event)), { k: "roster", seq, at, ...flat });
  }));
});

const show = fc.constantFrom("online", "chat", "away", "xa", "dnd" as const);
const deviceId = fc.string({ minLength: 1, maxLength: 4 }).map(device);
const presence = fc.record({
  show,
  status: anyText,
  priority: fc.integer({ min: -128, max: 127 }),
  ext: anyText,
});
const devices = fc.uniqueArray(fc.record({ device: deviceId, presence }), {
  maxLength: 5,
  selector: (one) => one.device,
}) as fc.Arbitrary<PresenceOfDevice[]>;

Deno.test("leadingDevice is of highest priority, then most available, then first by id", () => {
  const order = ["chat", "online", "away", "xa", "dnd"];
  fc.assert(fc.property(devices, (all) => {
    const [best] = all.toSorted((a, b) =>
      b.presence.priority - a.presence.priority ||
      order.indexOf(a.presence.show) - order.indexOf(b.presence.show) ||
      (a.device < b.device ? -1 : 1)
    );
    assert.equal(leadingDevice(all, null), best ?? null);
  }));
});

Deno.test("encodePresence merges the devices into one view", () => {
  fc.assert(fc.property(anyName, devices, at, fc.boolean(), (user, all, lastSeen, without) => {
    const except = without ? all[0]?.device ?? null : null;
    const rest = all.filter((one) => one.device !== except);
    const best = leadingDevice(rest, null);
    const wanted = best === null ? { show: "offline", ...(lastSeen === 0 ? {} : { lastSeen }) } : {
      show: best.presence.show,
      ...sparse({ status: best.presence.status, ext: best.presence.ext }),
      ...(best.presence.priority === 0 ? {} : { priority: best.presence.priority }),
      device: best.device,
      ...(rest.length > 1 ? { devices: rest.length } : {}),
    };
    const view = received(encodePresence(user, all, lastSeen, except));
    assert.deepEqual(view, { k: "presence", user, ...wanted });
  }));
});

Deno.test("encodeSignal leaves empty bodies and ids out", () => {
  fc.assert(fc.property(anyName, anyText, anyText, anyText, (from, type, body, id) => {
    const fromDevice = device("d");
    const signal = { kind: "signal" as const, sessions: [], from, fromDevice, type, body, id };
    const wanted = { k: "signal", from, device: "d", type, ...sparse({ body, id }) };
    assert.deepEqual(received(encodeSignal(signal)), wanted);
  }));
});

Deno.test("encodeSnapshot gives everything but the position", () => {
  const conversation = fc.record({
    with: anyName,
    lastSeq: seq,
    lastAt: at,
    unread: seq,
    readUpTo: seq,
    delivered: seq,
    read: seq,
  }, { noNullPrototype: true });
  fc.assert(fc.property(
    fc.array(item, { maxLength: 3 }),
    fc.array(anyName, { maxLength: 3 }),
    fc.array(conversation, { maxLength: 3 }),
    (roster, names, conversations) => {
      const messagesFrom = "anyone" as const;
      const lists = { requests: names, blocked: names, conversations, messagesFrom };
      assert.deepEqual(received(encodeSnapshot({ seq: 7, roster, ...lists })), {
        roster: roster.map((one) => received(encodeRosterItem(one))),
        ...lists,
      });
    },
  ));
});

Deno.test("everything encoded has the shape that the documentation promises", () => {
  fc.assert(fc.property(fc.oneof(plain, message), item, devices, (event, contact, all) => {
    const num = Math.max(1, "num" in event ? event.num : 1);
    const valid = "num" in event ? { ...event, num } : event;
    ANSWERS.DurableEvent.parse(received(encodeEvent(valid)));
    ANSWERS.Contact.parse(received(encodeRosterItem(contact)));
    ANSWERS.SoftEvent.parse(received(encodePresence(name("bob"), all, 5, null)));
  }));
});

Deno.test("frames carry events as they were encoded", () => {
  const one = encodePresence(name("bob"), [], 0, null);
  const two = encodePresence(
    name("eve"),
    [
      { device: device("d"), presence: presenceOf("dnd", "ü") },
    ],
    0,
    null,
  );
  assert.deepEqual(received(eventsFrame(7, [one, two])), {
    t: "events",
    soft: 7,
    ev: [received(one), received(two)],
  });
  assert.deepEqual(received(goawayFrame("slow")), { t: "goaway", reason: "slow" });
  assert.deepEqual(received(goawayFrame("shutdown", 1234.5)), {
    t: "goaway",
    reason: "shutdown",
    retryAfterMs: 1235,
  });
});
