import assert from "node:assert/strict";
import fc from "fast-check";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { PresenceOfDevice } from "../../shard/ops.ts";
import { newEdgeCounters } from "../../server/edge/types.ts";
import { Watched, type Watcher } from "../../server/edge/watched.ts";
import { Watchers } from "../../server/edge/watchers.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { FakeRouter, idOf, name } from "./edge_fixture.ts";

class FakeWatcher implements Watcher {
  readonly user: AccountName;
  readonly userId;
  readonly watched: Watched[] = [];
  frozen: Map<AccountName, Watched> | null = null;
  refused: Watcher["refused"] = null;
  undecided: Watcher["undecided"] = null;
  alive = true;
  readonly told: string[] = [];

  constructor(user: string) {
    this.user = name(user);
    this.userId = idOf(user);
  }

  presenceChanged(watched: Watched): void {
    this.told.push(`${watched.name} ${watched.version}`);
  }

  presenceRevoked(watched: Watched): void {
    this.told.push(`${watched.name} gone`);
  }

  presenceFrozen(_before: Watched | null, frozen: Watched): void {
    this.told.push(`${frozen.name} frozen`);
  }

  presenceThawed(frozen: Watched): void {
    this.told.push(`${frozen.name} thawed`);
  }
}

function table() {
  const time = new VirtualTime();
  const router = new FakeRouter();
  const { clock, timers } = time.global;
  const counters = newEdgeCounters();
  const watchers = new Watchers({ router, clock, timers, counters });
  return { time, router, watchers, counters };
}

const target = (contact: string) => ({ name: name(contact), id: idOf(contact) });

Deno.test("Watched keeps its watchers, few or many, each once", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(99), fc.boolean()), { maxLength: 400 }),
    (steps) => {
      const all = Array.from({ length: 100 }, (_, i) => new FakeWatcher(`${i}`));
      const watched = new Watched(name("bob"), idOf("bob"));
      const model = new Set<Watcher>();
      for (const [pick, add] of steps) {
        const watcher = all[pick]!;
        assert.equal(watched.has(watcher), model.has(watcher));
        if (!add) {
          watched.delete(watcher);
          model.delete(watcher);
        } else if (!model.has(watcher)) {
          watched.add(watcher);
          model.add(watcher);
        }
      }
      assert.equal(watched.size, model.size);
      assert.deepEqual(new Set(watched.watchers), model);
    },
  ));
});

Deno.test("register tells each watcher of every target it may see, and when all are done", () => {
  const { router, watchers } = table();
  router.denied.add("alice>mallory");
  const [phone, desk] = [new FakeWatcher("alice"), new FakeWatcher("alice")];
  let done = 0;
  watchers.register([phone, desk], [target("bob"), target("mallory")], () => done++);
  assert.equal(done, 1);
  assert.deepEqual([phone.told, desk.told], [["bob 1"], ["bob 1"]]);
  assert.equal(router.interests.length, 1);
  assert.equal(router.interests[0]!.length, 2, "one line for all devices of the user");
  assert.equal(watchers.pairs, 2);
});

Deno.test("register of nothing is done at once and asks nobody", () => {
  const { router, watchers } = table();
  let done = 0;
  watchers.register([new FakeWatcher("alice")], [], () => done++);
  watchers.register([], [target("bob")], () => done++);
  assert.equal(done, 2);
  assert.deepEqual(router.interests, []);
});

Deno.test("leave takes a watcher from everybody it watched", () => {
  const { watchers, time } = table();
  const [alice, dave] = [new FakeWatcher("alice"), new FakeWatcher("dave")];
  watchers.register([alice], [target("bob"), target("carol")], () => {});
  watchers.register([dave], [target("bob")], () => {});
  alice.alive = false;
  watchers.leave(alice);
  assert.deepEqual(alice.watched, []);
  assert.equal(watchers.pairs, 1);
  time.runFor(2000);
  assert.equal(watchers.size, 1);
  assert.equal(watchers.get(name("bob"))?.size, 1);
});

Deno.test("unknown: what is older than the last presence does not count for the next (seed 3662)", () => {
  const { watchers } = table();
  const alice = new FakeWatcher("alice");
  watchers.register([alice], [target("bob")], () => {});
  const about = { watched: name("bob"), watchedId: idOf("bob") };
  const { epoch } = watchers.get(name("bob"))!;
  const packet = (version: number, of = epoch) =>
    ({
      kind: "presence",
      sinceMs: 0,
      ...about,
      epoch: of,
      version,
      devices: [],
      lastSeen: 0,
    }) as const;
  assert.equal(watchers.changed(packet(5)), 1);
  assert.equal(watchers.unknown({ kind: "unknown", ...about }), 1);
  assert.equal(watchers.changed(packet(4)), 0);
  assert.equal(watchers.changed(packet(9, epoch - 1)), 0);
  assert.equal(watchers.get(name("bob"))!.away, true);
  // It is as it was, or has changed.
  assert.equal(watchers.changed(packet(5)), 1);
  assert.equal(watchers.changed(packet(5)), 0);
  assert.equal(watchers.unknown({ kind: "unknown", ...about }), 1);
  assert.equal(watchers.changed(packet(6)), 1);
});

Deno.test("interest in users that come and go is given back exactly when nobody is left", () => {
  const step = fc.record({
    who: fc.nat(2),
    whom: fc.nat(3),
    what: fc.constantFrom("register", "revoke", "leave", "wait", "answer"),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { time, router, watchers } = table();
    const alive = [0, 1, 2].map((i) => new FakeWatcher(`w${i}`));
    router.held.add("interest");
    for (const { who, whom, what } of steps) {
      const watcher = alive[who]!;
      if (what === "register") watchers.register([watcher], [target(`u${whom}`)], () => {});
      else if (what === "revoke") watchers.revoke(watcher, name(`u${whom}`), null, "own");
      else if (what === "answer") router.release();
      else if (what === "wait") time.runFor(700);
      else {
        watcher.alive = false;
        watchers.leave(watcher);
        alive[who] = new FakeWatcher(`w${who}`);
      }
    }
    router.release();
    time.runFor(3000);
    // What the shards think: registered since it was last given back.
    const interested = new Set<string>();
    const log = router.registrations;
    for (const { name: user, on } of log) on ? interested.add(user) : interested.delete(user);
    const watched = new Set(alive.flatMap((watcher) => watcher.watched.map((user) => user.name)));
    assert.deepEqual([...interested].sort(), [...watched].sort());
    assert.equal(watchers.size, watched.size);
  }));
});

Deno.test("unknown: an answer that says what was shown before ends it, one that says nothing does not", () => {
  const { router, watchers } = table();
  const [alice, erin] = [new FakeWatcher("alice"), new FakeWatcher("erin")];
  const bob = name("bob");
  const device = { device: "d1" as DeviceId, show: "away", status: "", priority: 0, ext: "" };
  router.online.set(bob, [device as unknown as PresenceOfDevice]);
  const online = [...router.online.get(bob)!];
  watchers.register([alice], [target("bob")], () => {});
  assert.equal(watchers.unknown({ kind: "unknown", watched: bob, watchedId: idOf("bob") }), 1);
  router.online.delete(bob);
  watchers.register([erin], [target("bob")], () => {});
  assert.equal(watchers.get(bob)!.away, true);
  router.online.set(bob, online);
  watchers.register([erin], [target("bob")], () => {}, true);
  assert.equal(watchers.get(bob)!.away, false);
  assert.deepEqual(watchers.get(bob)!.devices, online);
});
