/** What votes are worth to those who take over, and of how many nodes a node needs a majority. */
import { LEASE_MS, Members } from "../../server/node/members.ts";
import { VOUCH_OVER_MS, Vouching } from "../../server/node/vouching.ts";
import { equal } from "node:assert/strict";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const ref = (n: number) => ({ id: `node${String(n).padStart(12, "0")}` as NodeId, incarnation: 1 });

/** Nodes over one store: each of them may serve by votes, of which none come. */
function cell() {
  const time = new VirtualTime();
  const store = new FencedStore(new MemoryDisk(time, new Prng(1)).open(time.process()));
  const make = (n: number) => {
    const self = ref(n);
    const members = new Members(self.id, { clock: time.global.clock, store });
    const parts = { ports: { ...time.global }, ownership: { self } } as unknown as NodeParts;
    const vouching = new Vouching(() => parts, members, {
      linked: () => [],
      send: () => {},
      claims: () => [],
      isClaiming: () => false,
      vouched: () => {},
    });
    /** Gives a sign of life; returns when it began. */
    const beat = () => {
      let began = NaN;
      members.beat(self, "", (error, beganMs) => began = error === null ? beganMs : NaN);
      time.runFor(50);
      return began;
    };
    return { self, members, vouching, beat };
  };
  return { time, make };
}

Deno.test("11: a node that the others have left serves alone only after it has looked who owns what", () => {
  const { time, make } = cell();
  const [a, b] = [make(1), make(2)];
  b.beat();
  a.members.renew(a.beat());
  a.members.renew(a.beat());
  b.members.leave(b.self, () => {});
  time.runFor(50);
  a.members.renew(a.beat());
  time.runFor(LEASE_MS);
  equal(a.vouching.serves, false);
  // The other node may have begun anew, and taken over by the row that this one had until now.
  const beganMs = a.beat();
  a.beat();
  equal(a.members.leased || a.vouching.serves, false);
  a.members.renew(beganMs);
  time.runFor(LEASE_MS);
  equal([a.members.leased, a.vouching.serves].join(), "false,true");
});

Deno.test("11: a process that has just begun waits for what a former one may have voted for", () => {
  const { time, make } = cell();
  const { vouching } = make(1);
  const other = ref(2);
  vouching.start();
  equal(vouching.agree(other, 1), VOUCH_OVER_MS);
  time.runFor(1000);
  equal(vouching.agree(other, 1), VOUCH_OVER_MS - 1000);
  time.runFor(1000);
  equal(vouching.agree(other, 1), 0);
  vouching.stop();
});
