import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { MailboxEvent, RosterItemView, Snapshot } from "../../shard/ops.ts";
import { type AnswerName, ANSWERS } from "../../server/v1/answers.ts";
import { encodePresence, encodeSignal, encodeSnapshot } from "../../server/v1/encode.ts";
import { encodeEvent, encodeRosterItem } from "../../server/text/event_json.ts";
import { FRAME_EXAMPLES } from "../../server/v1/examples.ts";
import type { CommandName } from "../../server/v1/schemas.ts";
import { connect, type Frame, MAILBOX, openNode, TOKEN } from "./json_fakes.ts";
import { ok } from "../../shard/errors.ts";

/** That a JSON text has the published shape, and no field besides. */
function hasShape(name: AnswerName, text: string): void {
  const value: unknown = JSON.parse(text);
  deepEqual(ANSWERS[name].parse(value), value);
}

/** Samples are the same in every run. */
const PINNED = { numRuns: 1, seed: 7 };

const text = fc.oneof(fc.constant(""), fc.string({ unit: "binary", maxLength: 12 }));
const name = fc.constantFrom("bob", "carol", "jürgen") as fc.Arbitrary<AccountName>;
const device = fc.constantFrom("phone", "desk") as fc.Arbitrary<DeviceId>;
const count = fc.nat();
const item: fc.Arbitrary<RosterItemView> = fc.record({
  contact: name,
  label: text,
  groups: fc.array(text, { maxLength: 3 }),
  subscription: fc.constantFrom("none", "to", "from", "both"),
  pendingOut: fc.boolean(),
  approved: fc.boolean(),
});
const messagesFrom = fc.constantFrom("contacts" as const, "anyone" as const);
const stamp = { seq: count, at: count };

const event: fc.Arbitrary<MailboxEvent> = fc.oneof(
  fc.record({
    ...stamp,
    kind: fc.constant("message" as const),
    with: name,
    out: fc.boolean(),
    num: fc.integer({ min: 1 }),
    id: text,
    body: text,
    ext: text,
    device: text,
  }),
  fc.record({
    ...stamp,
    kind: fc.constant("undelivered" as const),
    with: name,
    num: fc.integer({ min: 1 }),
    id: text,
    reason: text,
  }),
  fc.record({
    ...stamp,
    kind: fc.constant("receipt" as const),
    with: name,
    delivered: count,
    read: count,
  }),
  fc.record({
    ...stamp,
    kind: fc.constant("read" as const),
    with: name,
    upTo: count,
    unread: count,
  }),
  fc.record({ ...stamp, kind: fc.constant("roster" as const), item }),
  fc.record({ ...stamp, kind: fc.constant("roster_removed" as const), contact: name }),
  fc.record({ ...stamp, kind: fc.constant("request" as const), from: name, pending: fc.boolean() }),
  fc.record({
    ...stamp,
    kind: fc.constant("blocked" as const),
    contact: name,
    blocked: fc.boolean(),
  }),
  fc.record({ ...stamp, kind: fc.constant("settings" as const), messagesFrom }),
);

const snapshot: fc.Arbitrary<Snapshot> = fc.record({
  seq: count,
  roster: fc.array(item, { maxLength: 3 }),
  requests: fc.array(name, { maxLength: 3 }),
  blocked: fc.array(name, { maxLength: 3 }),
  conversations: fc.array(
    fc.record({
      with: name,
      lastSeq: count,
      lastAt: count,
      unread: count,
      readUpTo: count,
      delivered: count,
      read: count,
    }),
    { maxLength: 3 },
  ),
  messagesFrom,
});

Deno.test("encodeEvent writes what is published as DurableEvent", () => {
  fc.assert(fc.property(event, (one) => hasShape("DurableEvent", encodeEvent(one))));
});

Deno.test("encodeRosterItem and encodeSnapshot write what is published", () => {
  fc.assert(fc.property(item, (one) => hasShape("Contact", encodeRosterItem(one))));
  fc.assert(fc.property(snapshot, (one) => hasShape("Snapshot", encodeSnapshot(one))));
});

Deno.test("encodePresence and encodeSignal write what is published as SoftEvent", () => {
  const presence = fc.record({
    show: fc.constantFrom("online" as const, "chat" as const, "away" as const, "dnd" as const),
    status: text,
    priority: fc.integer({ min: -128, max: 127 }),
    ext: text,
  });
  const devices = fc.array(fc.record({ device, presence }), { maxLength: 3 });
  const except = fc.option(device);
  fc.assert(fc.property(name, devices, count, except, (user, all, lastSeen, left) => {
    hasShape("SoftEvent", encodePresence(user, all, lastSeen, left));
  }));
  fc.assert(fc.property(name, device, text, text, text, (from, fromDevice, type, body, id) => {
    const packet = { kind: "signal" as const, sessions: [], from, fromDevice, type, body, id };
    hasShape("SoftEvent", encodeSignal(packet));
  }));
});

Deno.test("the welcome has the published shape", () => {
  for (const mode of ["snapshot", "resume", "reset"] as const) {
    const node = openNode();
    node.edge.mode = mode;
    const [frame] = connect(node).say({ t: "hello", v: 1, auth: { token: TOKEN } });
    const { t: _, ...fields } = frame!;
    hasShape("Welcome", JSON.stringify(fields));
  }
});

/** The shapes of values that commands have. */
const VALUES: { readonly [K in CommandName]?: AnswerName } = {
  send: "Sent",
  read: "Unread",
  history: "History",
  search: "Found",
  snapshot: "SnapshotAt",
  contact: "Contact",
};

const FOUND = {
  ...{ seq: 3, at: 1000, with: "bob" as AccountName, out: true, num: 2, id: "k" },
  excerpt: "See you at seven",
  marks: [[11, 14]],
} as const;

Deno.test("values of commands have the published shape", () => {
  for (const [command, shape] of Object.entries(VALUES)) {
    const { node, say } = welcomed();
    const [sample] = fc.sample(fc.array(event, { minLength: 3, maxLength: 3 }), PINNED);
    node.router.answers["conversation.history"] = () =>
      ok({ events: sample!, more: true, blocks: 1 });
    node.router.answers["mailbox.search"] = () => ok({ found: [FOUND], next: 3, bytes: 8192 });
    const [answer] = say(FRAME_EXAMPLES[command as CommandName]);
    hasShape(shape, JSON.stringify(answer?.["value"]));
  }
});

Deno.test("events and devices have lists of the published shapes", () => {
  const { node, say } = welcomed();
  const [sample] = fc.sample(fc.array(event, { minLength: 3, maxLength: 3 }), PINNED);
  node.router.answers["mailbox.read"] = () => ok({ mailboxId: MAILBOX, events: sample!, seq: 99 });
  const [page] = say(FRAME_EXAMPLES.events);
  const value = page?.["value"] as { events: Frame[]; cursor: string };
  deepEqual(value.cursor, `${MAILBOX}:${sample!.at(-1)!.seq}`);
  for (const one of value.events) hasShape("DurableEvent", JSON.stringify(one));
  const [devices] = say(FRAME_EXAMPLES.devices);
  for (const one of devices?.["value"] as Frame[]) hasShape("Device", JSON.stringify(one));
});

function welcomed() {
  const node = openNode();
  const client = connect(node);
  client.welcomed();
  client.sink.frames.length = 0;
  return { node, ...client };
}
