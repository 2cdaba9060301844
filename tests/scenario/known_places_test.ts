import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { KNOWN_PLACE_STEP_MS, KNOWN_PLACES_MAX } from "../../shard/account/known_places.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const KEY = {
  salt: new Uint8Array(16),
  iterations: 4096,
  storedKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
};

/** An account with a password. */
function open() {
  const w = new NodeFixture();
  w.must("ann", "account.create", { credentials: { sha256: KEY, sha1: null } });
  const add = (place?: number) =>
    w.must("ann", "device.add", {
      device: "phone" as DeviceId,
      label: "",
      tokenHash: new Uint8Array(32),
      expiresAt: w.process.clock.wallMs() + 1000,
      proof: KEY.storedKey,
      ...(place === undefined ? {} : { place }),
    });
  const knows = (place: number) => w.must("ann", "account.credentials", { place })?.known === true;
  /** Whether a sign-in from the place changes what is stored. */
  const isNews = (place: number): boolean => {
    const places = () => {
      const accounts = w.node.shards.flatMap((s) => [...s.inspect().accounts]);
      return accounts.find((a) => a.name === "ann" as AccountName)!.knownPlaces;
    };
    const before = places();
    add(place);
    return places() !== before;
  };
  return { w, add, knows, isNews };
}

Deno.test("10.9: places of sign-ins are known after a kill, from the log and from checkpoints", () => {
  const { w, add, knows } = open();
  assert.equal(knows(7), false);
  add(7);
  add();
  assert.deepEqual([knows(7), knows(8)], [true, false]);
  w.kill();
  w.start();
  assert.deepEqual([knows(7), knows(8)], [true, false]);
  // The account is checkpointed and leaves memory.
  w.settle(300_000);
  assert.deepEqual([knows(7), knows(8)], [true, false]);
  w.kill();
  w.start();
  assert.deepEqual([knows(7), knows(8)], [true, false]);
});

Deno.test("10.9: an account keeps a bounded number of places, the last used ones", () => {
  const { w, add, knows } = open();
  for (let place = 1; place <= KNOWN_PLACES_MAX; place++) {
    add(place);
    w.settle(1000);
  }
  w.settle(KNOWN_PLACE_STEP_MS);
  add(1);
  add(100);
  const known = Array.from({ length: KNOWN_PLACES_MAX }, (_, i) => i + 1).filter(knows);
  assert.deepEqual(known, [1, 3, 4, 5, 6, 7, 8]);
  assert.equal(knows(100), true);
});

Deno.test("10.9: a place is written down when it is new, and once a day at most", () => {
  const { w, isNews } = open();
  assert.deepEqual(Array.from({ length: 5 }, () => isNews(7)), [true, false, false, false, false]);
  w.settle(KNOWN_PLACE_STEP_MS);
  assert.deepEqual([isNews(7), isNews(7)], [true, false]);
});

Deno.test("10.9: a removed account leaves no places to the next of its name", () => {
  const { w, add, knows } = open();
  add(7);
  w.must("ann", "account.remove", {});
  w.must("ann", "account.release", {});
  w.must("ann", "account.create", { credentials: { sha256: KEY, sha1: null } });
  assert.equal(knows(7), false);
});
