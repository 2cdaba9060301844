import assert from "node:assert/strict";
import fc from "fast-check";
import { beginsWithType, scanEvents, scanInt, ScannedEvent } from "../../server/load/scan.ts";
import { encodePresence, eventsFrame } from "../../server/v1/encode.ts";
import { encodeEvent } from "../../server/text/event_json.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/ops.ts";

const utf8 = new TextEncoder();

/** What the scanner finds, as objects. */
function scan(text: string, key = "ev", from = 0) {
  const bytes = utf8.encode(text);
  const part = (from: number, to: number) =>
    from < 0 ? null : new TextDecoder().decode(bytes.subarray(from, to));
  const found: Record<string, unknown>[] = [];
  scanEvents(bytes, from, key, new ScannedEvent(), (e) =>
    found.push({
      kind: e.kind,
      seq: e.seq,
      num: e.num,
      out: e.out,
      user: part(e.userFrom, e.userTo),
      show: part(e.showFrom, e.showTo),
      text: part(e.textFrom, e.textTo),
    }));
  return found;
}

const NOTHING = { seq: -1, num: -1, out: false, user: null, show: null, text: null };

Deno.test("scanEvents finds presence as the server's codec writes it", () => {
  const bob = "bob" as AccountName;
  const device = "phone" as DeviceId;
  const presence = { show: "away", status: "~1.2.3~", priority: 5, ext: 'a"b\\' } as const;
  const frame = eventsFrame(7, [
    encodePresence(bob, [{ device, presence }], 0, null),
    encodePresence(bob, [], 1234, null),
  ]);
  assert.deepEqual(scan(frame), [
    { ...NOTHING, kind: "presence", user: "bob", show: "away", text: "~1.2.3~" },
    { ...NOTHING, kind: "presence", user: "bob", show: "offline" },
  ]);
});

Deno.test("scanEvents finds durable events as the server's codec writes them", () => {
  const peer = "bob" as AccountName;
  const message = { kind: "message", with: peer, num: 3, id: "k", ext: "", device: "" } as const;
  const item = { contact: peer, label: "B", groups: ["seq"], subscription: "both" } as const;
  const events: readonly MailboxEvent[] = [
    { ...message, seq: 5, at: 1, out: false, body: 'hi "you" {[' },
    { ...message, seq: 6, at: 1, out: true, body: "x", device: "load" },
    { kind: "undelivered", seq: 7, at: 1, with: peer, num: 3, id: "k", reason: "gone" },
    { kind: "receipt", seq: 8, at: 1, with: peer, delivered: 9, read: 0 },
    { kind: "roster", seq: 9, at: 1, item: { ...item, pendingOut: true, approved: false } },
    { kind: "settings", seq: 10, at: 1, messagesFrom: "anyone" },
  ];
  const found = scan(eventsFrame(0, events.map(encodeEvent)));
  assert.deepEqual(found.map((e) => [e["kind"], e["seq"], e["num"], e["out"], e["user"]]), [
    ["message", 5, 3, false, "bob"],
    ["message", 6, 3, true, "bob"],
    ["undelivered", 7, 3, false, "bob"],
    ["durable", 8, -1, false, "bob"],
    ["durable", 9, -1, false, null],
    ["durable", 10, -1, false, null],
  ]);
  assert.equal(found[0]!["text"], 'hi \\"you\\" {[');
});

Deno.test("scanEvents counts what JSON.parse counts, whatever else is in the frame", () => {
  const event = fc.dictionary(
    fc.string({ minLength: 1 }),
    fc.jsonValue({ noUnicodeString: false }),
    { maxKeys: 6 },
  );
  fc.assert(fc.property(fc.array(event), fc.jsonValue(), fc.string(), (ev, more, other) => {
    const key = `x${other}`;
    const text = JSON.stringify({ t: "events", [key]: more, ev, after: 1 });
    assert.equal(scan(text).length, ev.length);
  }));
});

Deno.test("scanEvents starts at the given place, finds the given list, and none elsewhere", () => {
  assert.equal(scan('xx{"events":[{"k":"signal"}]}', "events", 2).length, 1);
  assert.equal(scan('{"ev":[{"k":"signal"}]}', "events").length, 0);
  assert.equal(scan('{"a":{"ev":[{}]},"ev":[]}').length, 0);
});

Deno.test("scanEvents throws on what is not compact JSON, and never runs on", () => {
  for (const text of ['{"ev":[{"k":"presence"', '{"ev":[{"k":"pres', '{"ev": [{}]', '{"ev":[{}']) {
    assert.throws(() => scan(text), /Cannot read a frame/, text);
  }
});

Deno.test("scanInt and beginsWithType read the head of an answer", () => {
  const bytes = utf8.encode('{"t":"ok","id":42,"value":{"seq":7,"num":3}}');
  assert.equal(scanInt(bytes, 0, "id"), 42);
  assert.equal(scanInt(bytes, 0, "num"), -1);
  assert.equal(scanInt(bytes, 26, "num"), 3);
  assert.ok(beginsWithType(bytes, 0, 'ok"'));
  assert.ok(!beginsWithType(bytes, 0, 'events"'));
});
