/** The question which cell is the home of a name. */
import assert from "node:assert/strict";
import { type AccountName, pointOf } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

const BOB = "bob" as AccountName;

Deno.test("12: many packets for a name of which nothing is known ask for its home once, and again after a while", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  c.kill();
  const links = f.wan.links(c.name, f.time.process());
  let asked = 0;
  const none = () => {};
  links.start({
    ...{ linked: none, opened: none, unlinked: none },
    frame: (_from, _point, { kind, ...frame }) => {
      if (kind !== "packet" || !("packet" in frame) || frame.packet.kind !== "name") return;
      if (frame.packet.message.kind === "where") asked++;
    },
  });
  const packets = (count: number) => {
    for (let i = 0; i < count; i++) {
      const packet: ShardPacket = { kind: "resolve", from: `from-${i}` as AccountName, to: BOB };
      links.send(b.name, pointOf(BOB), { kind: "packet", packet, hops: 0 });
    }
  };
  f.wan.cutWay(a.name, b.name, true);
  packets(40);
  f.settle(200);
  assert.equal(asked, 1);
  for (let i = 0; i < 5; i++) {
    packets(40);
    f.settle(200);
  }
  assert.ok(asked >= 2 && asked <= 6, `${asked} times`);
});
