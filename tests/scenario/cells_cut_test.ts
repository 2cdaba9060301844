/** What is sent after a cut: once what is owed, about, and soon (issue 12, "What must be seen" 2). */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

const USERS = 6;
/** Between two messages of a cell (ms). */
const EACH_MS = 70;
const CALM_S = 5;
const CUT_S = 30;
const HEALED_S = 10;
const userOf = (cell: OneCell, i: number) => `${cell.name}${i}`;

/** Three cells 80 ms apart; each user has those of the same number in other cells as contacts. */
function threeCells(): CellsFixture {
  const f = new CellsFixture({ seed: 3 });
  f.wan.quality = { wayMs: [80, 80.001], lost: 0, twice: 0 };
  for (const cell of f.cells) {
    for (let i = 0; i < USERS; i++) assert.ok(cell.register(userOf(cell, i)).ok);
  }
  for (const type of ["subscribe", "subscribed"] as const) {
    for (const one of f.cells) {
      for (const other of f.cells.filter((cell) => cell !== one)) {
        for (let i = 0; i < USERS; i++) {
          const contact = userOf(other, i) as AccountName;
          one.must(userOf(one, i), "roster.subscription", { contact, type });
        }
      }
    }
    f.settle(1000);
  }
  f.settle(10_000);
  return f;
}

/** Every cell sends to users of the others until `untilMs`. */
function load(f: CellsFixture, untilMs: number): void {
  let sent = 0;
  for (const cell of f.cells) {
    const others = f.cells.filter((other) => other !== cell);
    const send = () => {
      if (f.time.nowMs > untilMs) return;
      const i = f.prng.int(0, USERS - 1);
      const to = userOf(f.prng.pick(others), i) as AccountName;
      const message = { device: "d1" as DeviceId, to, id: `m${sent++}`, body: "hello", ext: "" };
      cell.begin(userOf(cell, i), "message.send", message);
      f.time.global.timers.after(EACH_MS, send);
    };
    send();
  }
}

for (const bothWays of [true, false]) {
  const what = bothWays ? "both ways" : "one way";
  Deno.test(`12.2: after a cut ${what} a packet that waited is sent less than three times`, () => {
    const f = threeCells();
    const [a, b, c] = f.cells as [OneCell, OneCell, OneCell];
    let packets = 0;
    f.wan.onCarried = (kind: ShardPacket["kind"] | null) => {
      if (kind === "pair") packets++;
    };
    load(f, f.time.nowMs + (CALM_S + CUT_S + HEALED_S) * 1000);
    f.settle(CALM_S * 1000);
    const perSecond = packets / CALM_S;
    const cut = (stopped: boolean) => {
      for (const other of [a, b]) {
        f.wan.cutWay(c.name, other.name, stopped);
        if (bothWays) f.wan.cutWay(other.name, c.name, stopped);
      }
    };
    cut(true);
    f.settle(CUT_S * 1000);
    cut(false);
    packets = 0;
    f.settle(HEALED_S * 1000);
    // Of each cell the half is for one that is cut off, and all of that one is.
    const owed = 2 / 3 * perSecond * CUT_S;
    const extra = packets - perSecond * HEALED_S;
    assert.ok(extra > 0.7 * owed && extra < 3 * owed, `${extra} packets, ${owed} were owed`);
  });
}

Deno.test("12.2: what has waited for minutes leaves within seconds of the link", () => {
  const f = threeCells();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  f.wan.isolate(b.name, true);
  f.settle(5000);
  for (let i = 0; i < USERS; i++) a.send(userOf(a, i), userOf(b, i), "waits");
  f.settle(300_000);
  f.wan.isolate(b.name, false);
  f.settle(4000);
  for (let i = 0; i < USERS; i++) {
    assert.deepEqual(b.textsFrom(userOf(b, i), userOf(a, i)), ["waits"]);
  }
});

Deno.test("12.1: a peer that cannot be reached delays no packet to another one", () => {
  const w = new NodeFixture({ shards: 64 });
  for (const user of ["ann", "bob", "carl"]) w.account(user);
  w.befriend("ann", "bob");
  w.befriend("ann", "carl");
  let lost = 0;
  w.loses = (packet) => {
    if (packet.kind !== "pair") return false;
    return packet.to === "bob" || packet.to === "carl" && lost++ === 0;
  };
  w.send("ann", "bob", "m1", "for bob");
  w.settle(120_000);
  w.send("ann", "carl", "m2", "for carl");
  w.settle(3000);
  assert.equal(lost, 2, "the packet is lost, and sent again");
  assert.deepEqual(w.bodies("carl"), ["for carl"]);
});
