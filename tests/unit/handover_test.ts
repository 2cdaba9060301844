/** Sessions of clients in this process take events as objects, never as text (issue 9, B7). */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { AccountName } from "../../shard/name/ids.ts";
import type { EventObjects, EventReader } from "../../server/edge/types.ts";
import { presenceView } from "../../server/gateway/outcome.ts";
import { encodePresence } from "../../server/v1/encode.ts";
import { device, name, on, opened, rig } from "./edge_fixture.ts";

/** Keeps what it is handed; it is busy until `done` is called. */
class SlowReader implements EventReader {
  readonly taken: EventObjects[] = [];
  readonly closed: string[] = [];
  done: () => void = () => {};

  take(objects: EventObjects, done: () => void): void {
    this.taken.push(objects);
    this.done = done;
  }

  close(reason: string): void {
    this.closed.push(reason);
  }

  seqs(): readonly number[] {
    return this.taken.flatMap(({ events }) => events.map(({ seq }) => seq));
  }
}

function start() {
  const w = rig();
  const reader = new SlowReader();
  w.router.contacts.set("alice", ["bob"]);
  const { session } = opened(w.open({ sink: null, reader }));
  session.start();
  w.time.runFor(500);
  return { w, reader, session };
}

Deno.test("9 B7: a busy reader gets all events once and in order, however many come", () => {
  const { w, reader, session } = start();
  for (let i = 0; i < 100; i++) {
    w.push(session, Array.from({ length: 7 }, (_, k) => `body ${i} ${k}`));
    w.time.runFor(10);
  }
  equal(reader.taken.length, 1);
  while (reader.seqs().length < 700) {
    const before = reader.seqs().length;
    reader.done();
    w.time.runFor(1000);
    if (reader.seqs().length === before) break;
  }
  deepEqual(reader.seqs(), Array.from({ length: 700 }, (_, i) => i + 1));
  const texts = reader.taken.flatMap(({ events }) => events);
  equal(texts.every((event) => event.kind === "message"), true);
});

Deno.test("9 B7: a busy reader gets the newest presence of a user once", () => {
  const { w, reader, session } = start();
  w.push(session, ["first"]);
  w.time.runFor(100);
  for (const status of ["a", "b", "c"]) {
    w.presence("bob", on("away", status));
    w.time.runFor(100);
  }
  reader.done();
  w.time.runFor(100);
  const seen = reader.taken.flatMap(({ presence }) => presence.map(({ name }) => name));
  deepEqual(seen, [name("bob")]);
  equal(reader.taken.at(-1)!.presence[0]!.devices[0]!.presence.status, "c");
  w.deliver({
    kind: "revoke",
    watched: name("bob"),
    watcher: name("alice"),
    lastSeen: null,
  });
  reader.done();
  w.time.runFor(100);
  deepEqual(reader.taken.at(-1)!.gone, [name("bob")]);
  w.deliver({ kind: "closed", sessions: [session.id], reason: "revoked" });
  deepEqual(reader.closed, ["revoked"]);
});

Deno.test("9 B7: a reader whose place the mailbox has not any more is closed as slow", () => {
  const { w, reader, session } = start();
  w.push(session, ["first"]);
  w.time.runFor(100);
  for (let i = 0; i < 100; i++) w.push(session, ["x", "y", "z"]);
  w.router.firstSeq = 290;
  reader.done();
  w.time.runFor(1000);
  reader.done();
  w.time.runFor(1000);
  deepEqual(reader.closed, ["slow"]);
  equal(w.counters.ended.slow, 1);
});

Deno.test("9 B7: presence as services see it has the fields of protocol v1's event", () => {
  const text = fc.constantFrom("", "a", 'with "quotes"', "é");
  const presence = fc.record({
    show: fc.constantFrom("online", "chat", "away", "xa", "dnd"),
    status: text,
    priority: fc.integer({ min: -2, max: 2 }),
    ext: text,
  });
  const devices = fc.array(fc.tuple(fc.constantFrom("d1", "d2", "d3"), presence), { maxLength: 3 });
  fc.assert(fc.property(devices, fc.nat(9), (list, lastSeen) => {
    const all = list.map(([id, presence], i) => ({ device: device(`${id}${i}`), presence }));
    const user: AccountName = name("bob");
    const { k, ...fields } = JSON.parse(encodePresence(user, all, lastSeen, null));
    equal(k, "presence");
    deepEqual(presenceView({ name: user, devices: all, lastSeen }), fields);
  }));
});
