/** What a node's votes for others are worth to those who take over from them. */
import { Members } from "../../server/node/members.ts";
import { VOUCH_OVER_MS, Vouching } from "../../server/node/vouching.ts";
import { equal } from "node:assert/strict";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const ref = (n: number) => ({ id: `node${String(n).padStart(12, "0")}` as NodeId, incarnation: 1 });

Deno.test("11: a process that has just begun waits for what a former one may have voted for", () => {
  const time = new VirtualTime();
  const store = new FencedStore(new MemoryDisk(time, new Prng(1)).open(time.process()));
  const [self, other] = [ref(1), ref(2)];
  const members = new Members(self.id, { clock: time.global.clock, store });
  const parts = { ports: { ...time.global }, ownership: { self } } as unknown as NodeParts;
  const vouching = new Vouching(() => parts, members, {
    linked: () => [],
    send: () => {},
    claims: () => [],
    isClaiming: () => false,
    vouched: () => {},
  });
  vouching.start();
  equal(vouching.agree(other, 1), VOUCH_OVER_MS);
  time.runFor(1000);
  equal(vouching.agree(other, 1), VOUCH_OVER_MS - 1000);
  time.runFor(1000);
  equal(vouching.agree(other, 1), 0);
  vouching.stop();
});
