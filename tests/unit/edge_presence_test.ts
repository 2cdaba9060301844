/** Presence at the edge: one batch, coalescing, encoding once, and rights that end at once. */
import type { NodeId } from "../../shard/name/ids.ts";
import assert from "node:assert/strict";
import type { PresenceOfDevice } from "../../shard/ops.ts";
import { PENDING } from "../../shard/presence/returning.ts";
import { newEdgeCounters } from "../../server/edge/types.ts";
import { createEdge } from "../../server/edge/edge.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { memoryLog, simRetries } from "../sim/sim_ports.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import {
  AUTH,
  device,
  FakeRouter,
  FakeSink,
  idOf,
  name,
  on,
  presenceOf,
  rig,
} from "./edge_fixture.ts";
import { EDGE_LIMITS } from "../sim/limits.ts";
import { STORM_HOLD_MS, STORM_PER_SECOND } from "../../server/edge/sign_in_storm.ts";

Deno.test("the first frame has all contacts that are not plainly offline", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol", "dave", "eve"]);
  r.router.online.set("bob", on("away", "lunch"));
  r.router.lastSeen.set("carol", 5000);
  r.router.denied.add("alice>eve");
  r.router.online.set("eve", on("online"));
  const { sink } = r.start();
  assert.deepEqual(sink.frames.map((text) => JSON.parse(text)), [{
    t: "events",
    soft: 2,
    ev: [
      { k: "presence", user: "bob", show: "away", status: "lunch", device: "d1" },
      { k: "presence", user: "carol", show: "offline", lastSeen: 5000 },
    ],
  }]);
  assert.equal(r.router.interests.length, 1, "one call for all contacts");
});

Deno.test("the first frame waits for all shards, but not longer than 250 ms", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.online.set("bob", on("away"));
  r.router.held.add("interest");
  const { session, sink } = r.start();
  r.push(session, ["hello"]);
  r.time.runFor(200);
  assert.deepEqual(sink.frames, [], "durable events do not go ahead of the presence");
  r.time.runFor(200);
  assert.deepEqual(sink.events().map((event) => event["k"]), ["message"]);
  r.router.release("interest");
  r.time.runFor(50);
  assert.deepEqual(sink.of("presence").map((event) => event["user"]), ["bob"]);
});

/** A contact's shard was taken over by a process that does not know yet whether it is online. */
function takenOver(r: ReturnType<typeof rig>): void {
  r.router.online.delete("bob");
  r.router.epoch++;
  r.router.version = PENDING;
  r.deliver({ kind: "announce", lo: 0, hi: 2 ** 32, epoch: r.router.epoch });
  r.time.runFor(1000);
}

Deno.test("11: a contact that may return is shown as before, and then as it is", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("away"));
  const { sink } = r.start();
  takenOver(r);
  r.presence("bob", on("away"));
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((e) => e["show"]), ["away"], "nothing has changed");
  takenOver(r);
  r.presence("bob", []);
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((e) => e["show"]), ["away", "offline"]);
  assert.deepEqual(sink.of("presence_pending"), []);
});

Deno.test("11: a contact that may return and was not seen before is pending, until it is known", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.version = PENDING;
  const { sink } = r.start();
  assert.deepEqual(sink.of("presence_pending").map((e) => e["user"]), ["bob", "carol"]);
  assert.deepEqual(sink.of("presence"), []);
  r.presence("bob", on("online"));
  r.presence("carol", []);
  r.time.runFor(100);
  const seen = sink.of("presence").map((e) => [e["user"], e["show"]]);
  assert.deepEqual(seen, [["bob", "online"], ["carol", "offline"]]);
});

Deno.test("presence comes once for many changes, as it is at the time of sending", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  const { sink } = r.start();
  for (let i = 1; i <= 50; i++) r.presence("bob", on("away", `try ${i}`));
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((event) => event["status"]), ["try 50"]);
  assert.equal(r.counters.presenceCoalesced, 49);
  assert.equal(r.counters.presenceDeliveries, 1);
});

Deno.test("9 C3: contacts that come online while very many sign in share frames; changes leave at once", () => {
  const r = rig();
  const contacts = Array.from({ length: 30 }, (_, i) => `contact${i}`);
  r.router.contacts.set("alice", contacts);
  const { sink } = r.start();
  r.time.runFor(100);
  const come = (users: readonly string[]) => {
    for (const user of users) {
      r.presence(user, on("online"));
      r.time.runFor(10);
    }
  };
  come(contacts.slice(0, 5));
  assert.equal(sink.frames.length, 5, "no storm");
  for (let i = 0; i <= STORM_PER_SECOND; i++) r.open({ user: name(`user${i}`) });
  come(contacts.slice(5, 15));
  assert.equal(sink.frames.length, 5);
  r.presence("contact0", on("away"));
  r.time.runFor(50);
  assert.equal(sink.frames.length, 6);
  assert.equal(sink.of("presence").length, 16, "what waited left with the change");
  come(contacts.slice(15, 25));
  r.time.runFor(STORM_HOLD_MS - 100);
  assert.equal(sink.frames.length, 7);
  assert.equal(sink.of("presence").length, 26);
  r.time.runFor(2000);
  come(contacts.slice(25));
  assert.equal(sink.frames.length, 12, "the storm is over");
});

Deno.test("stale and unknown presence is dropped", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  const { sink } = r.start();
  r.presence("bob", on("away"));
  const stale = {
    epoch: 1,
    kind: "presence" as const,
    sinceMs: 0,
    watched: name("bob"),
    watchedId: idOf("bob"),
    devices: on("dnd"),
    lastSeen: 0,
  };
  assert.equal(r.deliver({ ...stale, version: r.router.version }), 0);
  assert.equal(r.deliver({ ...stale, version: 99, watchedId: idOf("another bob") }), 0);
  assert.equal(r.deliver({ ...stale, version: 99, watched: name("nobody") }), 0);
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((event) => event["show"]), ["away"]);
  assert.equal(r.counters.presenceStale, 3);
});

Deno.test("presence is encoded once, however many watch", () => {
  let encodings = 0;
  const codec = {
    ...JSON_CODEC,
    presence: (...args: Parameters<typeof JSON_CODEC.presence>) => {
      encodings++;
      return JSON_CODEC.presence(...args);
    },
  };
  const time = new VirtualTime();
  const router = new FakeRouter();
  const deps = {
    router,
    clock: time.global.clock,
    timers: time.global.timers,
    node: "node000000000001" as NodeId,
    random: simRandom(new Prng(1)),
    retries: simRetries(),
    log: memoryLog().log,
    counters: newEdgeCounters(),
    codec,
    flushed: () => {},
  };
  const edge = createEdge(deps, EDGE_LIMITS);
  const sinks: FakeSink[] = [];
  for (let i = 0; i < 100; i++) {
    const sink = new FakeSink();
    sinks.push(sink);
    router.contacts.set(`user${i}`, ["bob"]);
    edge.open({
      user: name(`user${i}`),
      device: device("d"),
      auth: AUTH,
      cursor: null,
      presence: presenceOf("online"),
      provedUntil: null,
      resume: null,
      sink,
    }, (result) => result.ok && result.value.session.start());
  }
  time.runFor(0);
  const about = { watched: name("bob"), watchedId: idOf("bob"), lastSeen: 0 };
  const packet = { sinceMs: 0, epoch: 1, ...about };
  const count = edge.deliver({ kind: "presence", ...packet, version: 9, devices: on("dnd") });
  time.runFor(100);
  assert.equal(count, 100);
  assert.equal(encodings, 1);
  assert.ok(sinks.every((sink) => sink.of("presence").length === 1));
  // A set in place of an array beyond 64 watchers: nobody is missed, nobody twice.
  assert.equal(edge.gauges().watches, 100);
});

Deno.test("revocation stops pending presence at once and shows the user offline", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.online.set("bob", on("online"));
  const { sink } = r.start();
  r.presence("bob", on("away", "secret"));
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  r.presence("bob", on("dnd", "secret too"));
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map(({ user, show }) => `${user} ${show}`), [
    "bob online",
    "bob offline",
  ]);
  assert.ok(!sink.frames.join().includes("secret"));
  assert.equal(r.edge.gauges().watches, 1);
});

Deno.test("revocation meets all devices of the watcher and nobody else", () => {
  const r = rig();
  for (const user of ["alice", "dave"]) r.router.contacts.set(user, ["bob"]);
  r.router.online.set("bob", on("online"));
  const sinks = [
    r.start().sink,
    r.start({ device: device("desk") }).sink,
    r.start({ user: name("dave") }).sink,
  ];
  assert.equal(
    r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null }),
    2,
  );
  r.presence("bob", on("away"));
  r.time.runFor(100);
  const shows = sinks.map((sink) => sink.of("presence").map((event) => event["show"]));
  assert.deepEqual(shows, [["online", "offline"], ["online", "offline"], ["online", "away"]]);
});

Deno.test("a right given back after its revocation shows the user again", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("online"));
  const { session, sink } = r.start();
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  const target = { name: name("bob"), id: idOf("bob") };
  r.deliver({ kind: "watch", sessions: [session.id], target });
  r.time.runFor(100);
  assert.equal(sink.of("presence").at(-1)!["show"], "online");
});

Deno.test("a lost session remembers whom the client must not go on showing", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("online"));
  const { session, sink } = r.start();
  session.lost(sink);
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  const again = r.start({ resume: session.id });
  assert.deepEqual(again.sink.of("presence").map(({ user, show }) => `${user} ${show}`), [
    "bob offline",
  ]);
});

Deno.test("watched presence is not shown to another user without the right", () => {
  const r = rig();
  for (const user of ["alice", "mallory"]) r.router.contacts.set(user, ["bob"]);
  r.router.online.set("bob", on("online"));
  r.router.denied.add("mallory>bob");
  r.start();
  const { sink } = r.start({ user: name("mallory") });
  r.presence("bob", on("away"));
  r.time.runFor(100);
  assert.deepEqual(sink.frames, []);
});

Deno.test("one's own presence is that of one's other devices", () => {
  const r = rig();
  r.router.contacts.set("alice", ["alice"]);
  const phone: PresenceOfDevice[] = on("online", "", "phone");
  const both: PresenceOfDevice[] = [...phone, ...on("away", "", "desk")];
  r.router.online.set("alice", phone);
  const { sink } = r.start();
  r.presence("alice", phone);
  r.time.runFor(100);
  assert.deepEqual(sink.frames, [], "its own device is no news to a device");
  r.presence("alice", both);
  r.time.runFor(100);
  r.presence("alice", phone);
  r.time.runFor(100);
  r.presence("alice", phone);
  r.time.runFor(100);
  assert.deepEqual(sink.events(), [
    { k: "presence", user: "alice", show: "away", device: "desk" },
    { k: "presence", user: "alice", show: "offline" },
  ]);
});

Deno.test("a change that a registration's answer tells first reaches earlier watchers", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.contacts.set("dave", ["bob"]);
  const { sink } = r.start();
  // The shard has changed it and answers dave before the packet goes out.
  r.router.online.set("bob", on("dnd"));
  r.router.version++;
  r.start({ user: name("dave") });
  const about = { watched: name("bob"), watchedId: idOf("bob"), lastSeen: 0 };
  const packet = { sinceMs: 0, epoch: 1, ...about };
  const { version } = r.router;
  r.deliver({ kind: "presence", ...packet, version, devices: on("dnd") });
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((event) => event["show"]), ["dnd"]);
});

Deno.test("interest is given back a second after the last watcher, in one call", () => {
  const r = rig();
  for (const user of ["alice", "dave"]) r.router.contacts.set(user, ["bob", "carol"]);
  const alice = r.start();
  const dave = r.start({ user: name("dave") });
  alice.session.end("signed_out");
  r.time.runFor(5000);
  assert.deepEqual(r.router.uninterests, []);
  dave.session.end("signed_out");
  r.time.runFor(900);
  assert.deepEqual(r.router.uninterests, []);
  r.time.runFor(200);
  assert.deepEqual(r.router.uninterests, [["bob", "carol"]]);
  assert.equal(r.edge.gauges().watched, 0);
});

Deno.test("interest is kept where somebody returns within the second", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.start().session.end("signed_out");
  r.time.runFor(900);
  r.router.held.add("interest");
  const { sink } = r.start();
  // Registered again, but not answered: it must not be given back meanwhile.
  r.time.runFor(5000);
  assert.deepEqual(r.router.uninterests, []);
  r.router.online.set("bob", on("chat"));
  r.router.version++;
  r.router.release("interest");
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").map((event) => event["show"]), ["chat"]);
});

Deno.test("interest that is answered after its session has ended is given back", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.held.add("interest");
  const { session } = r.start();
  session.end("signed_out");
  r.time.runFor(5000);
  assert.deepEqual(r.router.uninterests, []);
  r.router.release("interest");
  r.time.runFor(1100);
  assert.deepEqual(r.router.uninterests, [["bob"]]);
  assert.equal(r.edge.gauges().watches, 0);
});

Deno.test("a released and registered name shows the new account only", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("online", "old"));
  const { session, sink } = r.start();
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  const target = { name: name("bob"), id: idOf("bob2") };
  r.router.version = 1;
  r.router.online.set("bob", on("away", "new"));
  r.deliver({ kind: "watch", sessions: [session.id], target });
  r.presence("bob", on("dnd", "ghost"));
  r.time.runFor(100);
  const statuses = sink.of("presence").map((event) => event["status"]);
  assert.deepEqual(statuses.at(-1), "new");
  assert.ok(!statuses.includes("ghost"));
});
