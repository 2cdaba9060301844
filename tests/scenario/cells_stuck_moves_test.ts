/** Moves of accounts that cannot come to their end: 12. */
import assert from "node:assert/strict";
import type { AccountId, AccountName, CellName, MailboxId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import { encodeAway } from "../../shard/account/away.ts";
import { headParts } from "../../shard/account/moved_rows.ts";
import { type MoveMessage, ROW_NUMBER_MAX } from "../../shard/federation/move_message.ts";
import { restarted } from "../../shard/step/going.ts";
import { Mailbox } from "../../shard/mailbox/mailbox.ts";
import { pointOf } from "../../shard/name/ids.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

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

/** An account's head as a cell sends it to another one. */
function headOf(name: AccountName, { limits: { dedupeShape, headShape } }: CellsFixture) {
  const account = new AccountState(name, pointOf(name), dedupeShape, headShape);
  account.state = "active";
  account.id = "0123456789abcdef" as AccountId;
  account.mailbox = new Mailbox("fedcba9876543210" as MailboxId);
  return { id: account.id as AccountId, mailboxId: account.mailbox.id, bytes: encodeAway(account) };
}

Deno.test("12: requests that find an account about to be served where it has moved do not wait for long", () => {
  const fixture = new CellsFixture();
  const [, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  const name = "anna" as AccountName;
  const { bytes, id, mailboxId } = headOf(name, fixture);
  // What a cell says that others have overtaken: the decision comes before the head.
  c.kill();
  const process = fixture.time.process();
  const links = fixture.wan.links(c.name, process);
  const none = () => {};
  links.start({ linked: none, opened: none, unlinked: none, frame: none });
  const of = { from: name, to: name, cell: c.name };
  const say = (packet: ShardPacket) => {
    links.send(b.name, pointOf(name), { kind: "packet", packet, hops: 0 });
    fixture.settle(1000);
  };
  const move = "m anna";
  const chosen = { ballot: { counter: 1, cell: c.name }, value: b.name };
  say({ kind: "move", ...of, message: { kind: "offer", move, id } });
  say({ kind: "name", ...of, voters: 1, message: { kind: "told", chosen } });
  const part = { attempt: 1, part: 0, parts: 1, mailboxId, bytes };
  say({ kind: "move", ...of, message: { kind: "head", move, ...part } });
  b.kill();
  b.start();
  fixture.until("the start", () => b.node.shards.every(({ ready }) => ready));
  const sinceMs = fixture.time.nowMs;
  const info = b.ask(name, "account.info", {});
  assert.ok(info.ok, JSON.stringify(info));
  assert.ok(fixture.time.nowMs - sinceMs < 1000, `it waited ${fixture.time.nowMs - sinceMs} ms`);
});

/** A cell that says what a test says, in the place of a real one; it keeps what it gets of moves. */
function speaker(fixture: CellsFixture, self: OneCell, to: OneCell, name: AccountName) {
  const heard: MoveMessage[] = [];
  const links = fixture.wan.links(self.name, fixture.time.process());
  const none = () => {};
  links.start({
    ...{ linked: none, opened: none, unlinked: none },
    frame: (_from, _point, frame) => {
      if (frame.kind === "packet" && frame.packet.kind === "move") heard.push(frame.packet.message);
    },
  });
  const say = (message: MoveMessage): readonly MoveMessage[] => {
    const packet: ShardPacket = { kind: "move", from: name, to: name, cell: self.name, message };
    links.send(to.name, pointOf(name), { kind: "packet", packet, hops: 0 });
    fixture.settle(1000);
    return heard.splice(0);
  };
  return { say, stop: () => links.stop(none) };
}

Deno.test("12: what comes late of a move that has begun anew does not change it, and no head is staged without its rows", () => {
  const fixture = new CellsFixture();
  const [, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  const name = "anna" as AccountName;
  const { limits: { dedupeShape, headShape } } = fixture;
  const account = new AccountState(name, pointOf(name), dedupeShape, headShape);
  account.state = "active";
  account.id = "0123456789abcdef" as AccountId;
  account.mailbox = new Mailbox("fedcba9876543210" as MailboxId);
  for (let num = 1; account.mailbox.blocks.length < 2; num++) {
    const body = "x".repeat(1000);
    const of = { with: name, out: false, num, id: `${num}`, body, ext: "", device: "" } as const;
    account.mailbox.append(1000, { kind: "message", ...of }, 0);
  }
  const id = account.id as AccountId;
  const [first, second] = [...account.mailbox.unsaved].map(([number, bytes]) => ({
    ...{ table: "m", number, bytes } as const,
  }));
  c.kill();
  const { say } = speaker(fixture, c, b, name);
  const [old, move] = ["m anna", restarted("m anna")];
  say({ kind: "offer", move: old, id });
  say({ kind: "rows", move: old, batch: 1, rows: [first!] });
  // Blocks have changed: the row of before is of no use, and is deleted first.
  say({ kind: "offer", move, id });
  fixture.settle(60_000);
  assert.deepEqual(say({ kind: "offer", move, id }), [{ kind: "welcome", move, rows: [] }]);
  const taken = [{ kind: "taken", move, batch: 1 }];
  assert.deepEqual(say({ kind: "rows", move, batch: 1, rows: [first!] }), taken);
  assert.deepEqual(say({ kind: "drop", move: old }), []);
  assert.deepEqual(say({ kind: "offer", move: old, id }), []);
  assert.deepEqual(say({ kind: "rows", move: old, batch: 2, rows: [second!] }), []);
  const heads = headParts(account, { move, attempt: 1, mailboxId: account.mailbox.id });
  assert.deepEqual(heads.flatMap(say), [], "a row of it has not come");
  say({ kind: "rows", move, batch: 2, rows: [second!] });
  assert.deepEqual(heads.flatMap(say), [{ kind: "staged", move, attempt: 1 }]);
});

Deno.test("12: rows whose numbers no range could name are not taken, and the account goes on to be asked", () => {
  const fixture = new CellsFixture();
  const [, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  const name = "anna" as AccountName;
  c.kill();
  const { say } = speaker(fixture, c, b, name);
  const move = "m anna";
  say({ kind: "offer", move, id: "0123456789abcdef" as AccountId });
  const row = { table: "h", number: Number.MAX_SAFE_INTEGER, bytes: new Uint8Array(3) } as const;
  const rows = (batch: number, number: number) =>
    say({ kind: "rows", move, batch, rows: [{ ...row, number }] });
  assert.deepEqual(rows(1, row.number), []);
  assert.deepEqual(rows(2, ROW_NUMBER_MAX), [{ kind: "taken", move, batch: 2 }]);
  // What came is to be deleted then, as a range that ends behind it, which the head keeps.
  say({ kind: "drop", move });
  b.kill();
  b.start();
  fixture.until("the start", () => b.node.shards.every(({ ready }) => ready));
  assert.ok(b.register(name).ok);
});

/** The numbers of all messages that a user has sent, page by page. */
function sentBy(cell: OneCell, name: string): readonly number[] {
  const numbers: number[] = [];
  for (let after = 0;;) {
    const cursor = { mailboxId: cell.must(name, "mailbox.snapshot", {}).mailboxId, seq: after };
    const page = { cursor, limit: 100, bytesMax: 100_000 };
    const { events, seq } = cell.must(name, "mailbox.read", page);
    numbers.push(...events.flatMap((e) => e.kind === "message" && e.out ? [e.num] : []));
    if (events.length === 0 || after === seq) return numbers;
    after = events.at(-1)!.seq;
  }
}

Deno.test("12: a cell that has forgotten what it was brought of an account is asked, and gets it again", () => {
  const fixture = new CellsFixture();
  const [a, b] = fixture.cells as [OneCell, OneCell];
  const name = "anna" as AccountName;
  assert.ok(a.register(name).ok && a.register("bert").ok);
  a.must("bert", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 300; i++) a.send(name, "bert", `${i}`, `${i} ${"x".repeat(2000)}`);
  fixture.settle(60_000);
  assert.ok(begin(a, name, b).ok);
  const copying = () => a.must(name, "move.state", {})?.phase === "copying";
  for (let i = 0; i < 1000 && !copying(); i++) fixture.settle(1);
  assert.ok(copying());
  const { say, stop } = speaker(fixture, a, b, name);
  say({ kind: "drop", move: `m ${name}` });
  stop();
  assert.ok(copying(), "the drop has come in the middle");
  fixture.until("the move", () => b.ask(name, "account.info", {}).ok, 180_000);
  assert.equal(sentBy(b, name).length, 300);
});
