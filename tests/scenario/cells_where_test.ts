/** Which cell is the home of a name: the question, and the order of its homes. */
import assert from "node:assert/strict";
import { type AccountName, type CellName, pointOf } from "../../shard/name/ids.ts";
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

Deno.test("12: each home of a name is decided with a higher counter, also by one that had no vote (seed 30295)", () => {
  const f = new CellsFixture();
  const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
  assert.ok(a.register(BOB).ok);
  f.settle();
  const chosen = ({ node }: OneCell) =>
    [...node.shardOf(BOB).inspect().accounts].find((of) => of.name === BOB)?.register?.chosen;
  const phase = (cell: OneCell) => cell.must(BOB, "move.state", {})?.phase;
  const move = (from: OneCell, to: OneCell) =>
    from.must(BOB, "move.begin", { to: to.name as CellName, move: `to ${to.name}` });
  // The next home learns of the decision, and has not taken part in it.
  move(a, b);
  f.until("the end of copying", () => phase(a) === "deciding");
  b.kill();
  f.until("the decision", () => chosen(a)?.value === b.name);
  b.start();
  f.until("the arrival", () => b.ask(BOB, "account.info", {}).ok);
  const before = chosen(b)!.ballot.counter;
  move(b, c);
  f.until("the next arrival", () => c.ask(BOB, "account.info", {}).ok);
  const after = chosen(c)!.ballot.counter;
  assert.ok(after > before, `${after} after ${before}`);
});
