/** Moves of accounts that cannot come to their end: 12. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";

/** How long is looked (ms), and how often. */
const LOOK_MS = 120_000;
const EVERY_MS = 100;

function begin(source: OneCell, name: string, to: OneCell) {
  return source.ask(name, "move.begin", { to: to.name as CellName, move: `m ${name}` });
}

/** Requests of an account at a steady rate for a while: how many took long, or were refused. */
function hindered(fixture: CellsFixture, cell: OneCell, name: string): number {
  const slow: number[] = [];
  for (let i = 0; i < LOOK_MS / EVERY_MS; i++) {
    const sinceMs = fixture.time.nowMs;
    const result = cell.begin(name, "account.info", {});
    const look = () => {
      const out = result();
      if (out === null) return void fixture.time.global.timers.after(10, look);
      if (!out.ok || fixture.time.nowMs - sinceMs > 1000) slow.push(sinceMs);
    };
    look();
    fixture.settle(EVERY_MS);
  }
  fixture.settle();
  return slow.length;
}

Deno.test("12: an account with a row that cannot be read goes on where it is, and is not frozen for it", () => {
  const fixture = new CellsFixture();
  const [a, b] = fixture.cells as [OneCell, OneCell];
  const made = a.register("anna");
  assert.ok(made.ok && a.register("bert").ok);
  a.must("bert", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 20; i++) a.send("anna", "bert", `${i}`, `${i} ${"x".repeat(600)}`);
  // What it has is in the store then, and not in memory.
  fixture.settle(60_000);
  a.disk.failReadsOf(made.value.id, Infinity);
  assert.ok(begin(a, "anna", b).ok);
  const frozen = hindered(fixture, a, "anna");
  assert.equal(frozen, 0, `${frozen} requests were held up`);
  const state = a.must("anna", "move.state", {});
  assert.equal(state?.refused, "unreadable");
  a.disk.heal();
  fixture.until("the move", () => b.ask("anna", "account.info", {}).ok, 180_000);
});

Deno.test("12: a move to a cell that has left the federation is given up", () => {
  const fixture = new CellsFixture();
  const [a, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  assert.ok(a.register("anna").ok);
  fixture.settle();
  fixture.wan.cutWay(c.name, a.name, true);
  assert.ok(begin(a, "anna", c).ok);
  fixture.settle(300);
  assert.notEqual(a.must("anna", "move.state", {}), null);
  fixture.wan.members = { version: 2, cells: [a.name, b.name] };
  fixture.settle();
  assert.equal(a.must("anna", "move.state", {}), null);
  assert.ok(begin(a, "anna", b).ok);
  fixture.until("the move", () => b.ask("anna", "account.info", {}).ok);
});
