/** Accounts move to other cells: 12. */
import assert from "node:assert/strict";
import type { AccountName, CellName, DeviceId } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";

const HASH = new Uint8Array(32).fill(7);

function begin(source: OneCell, name: string, to: OneCell, move = `m ${name}`) {
  return source.ask(name, "move.begin", { to: to.name as CellName, move });
}

function moved(fixture: CellsFixture, source: OneCell, name: string): void {
  fixture.until(`the move of ${name}`, () => {
    const state = source.ask(name, "move.state", {});
    return state.ok && state.value?.phase === "moved";
  });
}

function befriend(a: OneCell, one: string, b: OneCell, other: string, fixture: CellsFixture): void {
  a.must(one, "settings.set", { messagesFrom: "anyone" });
  b.must(other, "settings.set", { messagesFrom: "anyone" });
  fixture.settle(1000);
}

Deno.test("12: an account moves to another cell with its device, its mailbox and its numbers", () => {
  const fixture = new CellsFixture();
  const [a, b] = fixture.cells as [OneCell, OneCell];
  assert.ok(a.register("anna").ok);
  assert.ok(b.register("bert").ok);
  befriend(a, "anna", b, "bert", fixture);
  a.must("anna", "device.add", {
    device: "d1" as DeviceId,
    label: "phone",
    tokenHash: HASH,
    expiresAt: 2 ** 45,
    proof: null,
  });
  a.send("anna", "bert", "1");
  b.send("bert", "anna", "2");
  fixture.settle();
  const before = a.must("anna", "mailbox.snapshot", {});
  assert.ok(begin(a, "anna", b).ok);
  moved(fixture, a, "anna");
  fixture.settle();
  const after = b.must("anna", "mailbox.snapshot", {});
  assert.deepEqual(after, before);
  assert.equal(b.must("anna", "auth.token", { tokenHash: HASH }).device, "d1");
  // A repetition of what was sent before the move is known.
  b.send("anna", "bert", "1");
  b.send("anna", "bert", "3");
  b.send("bert", "anna", "4");
  fixture.settle();
  assert.deepEqual(b.textsFrom("bert", "anna"), ["1", "3"]);
  assert.deepEqual(b.textsFrom("anna", "bert"), ["2", "4"]);
  const refused = a.ask("anna", "auth.token", { tokenHash: HASH });
  assert.ok(!refused.ok && refused.code === "moved" && refused.cell === b.name);
});
