/** Accounts move to other cells: 12. */
import assert from "node:assert/strict";
import type { AccountName, CellName, DeviceId } from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/mailbox/mailbox_event.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";

const HASH = new Uint8Array(32).fill(7);

function begin(source: OneCell, name: string, to: OneCell, move = `m ${name}`) {
  return source.ask(name, "move.begin", { to: to.name as CellName, move });
}

function moved(fixture: CellsFixture, source: OneCell, name: string): void {
  fixture.until(`the move of ${name}`, () => {
    const state = source.ask(name, "move.state", {});
    return state.ok && state.value?.phase === "moved";
  }, 600_000);
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

/** Sends texts 0, 1, 2 … from one user to another, each until it is accepted, in this order. */
class Talker {
  readonly from: string;
  readonly to: string;
  readonly #fixture: CellsFixture;
  readonly #cells: readonly OneCell[];
  #at = 0;
  #next = 0;
  readonly #count: number;

  constructor(
    fixture: CellsFixture,
    cells: readonly OneCell[],
    names: [string, string],
    count = 20,
  ) {
    [this.from, this.to] = names;
    this.#fixture = fixture;
    this.#cells = cells;
    this.#count = count;
    this.#try();
  }

  get done(): boolean {
    return this.#next === this.#count;
  }

  get texts(): readonly string[] {
    return Array.from({ length: this.#count }, (_, i) => `${this.from} ${i} ${"x".repeat(600)}`);
  }

  #after(ms: number): void {
    this.#fixture.time.global.timers.after(ms, () => this.#try());
  }

  #try(): void {
    if (this.done) return;
    const cell = this.#cells[this.#at % this.#cells.length]!;
    if (cell.process.state === "dead") return this.#after(100);
    const { process } = cell;
    const body = this.texts[this.#next]!;
    const id = `${this.from}-${this.to}-${this.#next}`;
    const input = { device: "d1" as DeviceId, to: this.to as AccountName, id, body, ext: "" };
    const result = cell.begin(this.from, "message.send", input);
    const look = () => {
      const out = result();
      if (out === null && process.state !== "dead") {
        return void this.#fixture.time.global.timers.after(20, look);
      }
      if (out?.ok === true) this.#next++;
      else this.#at++;
      this.#after(out?.ok === true ? 60 : 200);
    };
    look();
  }
}

function shortened(text: string): string {
  return text.slice(0, 10);
}

function textOf(event: MailboxEvent, from: string): readonly string[] {
  const is = event.kind === "message" && !event.out && event.with === from;
  return is ? [shortened(event.body)] : [];
}

/** All events of a mailbox. */
function eventsOf(cell: OneCell, name: string): readonly MailboxEvent[] {
  const all: MailboxEvent[] = [];
  for (;;) {
    const { mailboxId } = cell.must(name, "mailbox.snapshot", {});
    const cursor = { mailboxId, seq: all.at(-1)?.seq ?? 0 };
    const { events } = cell.must(name, "mailbox.read", { cursor, limit: 50, bytesMax: 50_000 });
    if (events.length === 0) return all;
    all.push(...events);
  }
}

/** A move from `a` to `b` under traffic, with `during` after it began; then everything is checked. */
function moveUnderTraffic(fixture: CellsFixture, during: (a: OneCell, b: OneCell) => void): void {
  const [a, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  const homes = { anna: [a, b], bert: [b], carl: [c], dora: [a] };
  for (const [name, [home]] of Object.entries(homes)) {
    assert.ok(home!.register(name).ok);
    home!.must(name, "settings.set", { messagesFrom: "anyone" });
  }
  const talk = (from: keyof typeof homes, to: keyof typeof homes) =>
    new Talker(fixture, homes[from], [from, to]);
  const talkers = [
    ...(["bert", "carl", "dora"] as const).flatMap((name) => [
      talk("anna", name),
      talk(name, "anna"),
    ]),
  ];
  fixture.settle(500);
  assert.ok(begin(a, "anna", b).ok);
  during(a, b);
  fixture.until("all is sent", () => talkers.every((t) => t.done), 180_000);
  fixture.until("the move", () => b.ask("anna", "account.info", {}).ok, 120_000);
  fixture.settle(60_000);
  assert.ok(!a.ask("anna", "account.info", {}).ok, "the source has the account still");
  for (const { from, to, texts } of talkers) {
    const home = homes[to as keyof typeof homes].at(-1)!;
    assert.deepEqual(eventsOf(home, to).flatMap((e) => textOf(e, from)), texts.map(shortened));
  }
  const seqs = eventsOf(b, "anna").map((e) => e.seq);
  assert.deepEqual(seqs, seqs.map((_, i) => i + 1), "the mailbox has gaps");
}

Deno.test("12: an account moves under traffic: nothing is lost, doubled or reordered", () => {
  moveUnderTraffic(new CellsFixture(), () => {});
});

for (const [victim, side] of ["the source", "the target"].entries()) {
  Deno.test(`12: an account moves under traffic although ${side} is killed at any step`, () => {
    for (let afterMs = 0; afterMs < 1500; afterMs += 125) {
      moveUnderTraffic(new CellsFixture({ seed: afterMs + 1 }), (a, b) => {
        const cell = [a, b][victim]!;
        const fixture = cell.fixture;
        fixture.time.runFor(afterMs);
        cell.kill();
        fixture.time.runFor(1000);
        cell.start();
      });
    }
  });
}

/** There over a WAN that loses much, and back, with a head of several parts. */
function moveManyParts(seed: number): void {
  const fixture = new CellsFixture({ seed, limits: { outboxCharsMax: 1_000_000 } });
  const [a, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  for (const [cell, name] of [[a, "anna"], [b, "bert"]] as const) {
    assert.ok(cell.register(name).ok);
    cell.must(name, "settings.set", { messagesFrom: "anyone" });
  }
  const texts = Array.from({ length: 12 }, (_, i) => `${i} ${"y".repeat(6000)}`);
  // Contacts are written to without a question to their cell.
  a.must("anna", "roster.subscription", { contact: "bert" as AccountName, type: "subscribe" });
  fixture.settle();
  b.must("bert", "roster.subscription", { contact: "anna" as AccountName, type: "subscribed" });
  fixture.settle();
  // What cannot be delivered stays in the outbox, which is part of the head.
  fixture.wan.isolate(b.name, true);
  fixture.settle(5000);
  for (const [i, text] of texts.entries()) a.send("anna", "bert", `k${i}`, text);
  const { quality } = fixture.wan;
  fixture.wan.quality = { ...quality, lost: 0.45, twice: 0.2 };
  assert.ok(begin(a, "anna", c).ok);
  moved(fixture, a, "anna");
  fixture.until("the arrival", () => c.ask("anna", "account.info", {}).ok);
  fixture.wan.quality = quality;
  // The same key as before the move: it is known.
  c.send("anna", "bert", "k0", texts[0]!);
  const back = begin(c, "anna", a, "m back");
  assert.ok(back.ok);
  fixture.until("the way back", () => a.ask("anna", "account.info", {}).ok, 120_000);
  fixture.wan.heal();
  fixture.settle(60_000);
  const heads = texts.map(shortened);
  assert.deepEqual(eventsOf(b, "bert").flatMap((e) => textOf(e, "anna")), heads);
  const own = eventsOf(a, "anna").flatMap((e) => e.kind === "message" ? [shortened(e.body)] : []);
  assert.deepEqual(own, heads);
  assert.ok(!c.ask("anna", "account.info", {}).ok);
}

Deno.test("12: an account whose head has many parts moves there and back, with all of its mailbox", () => {
  // With this one a part arrives late.
  moveManyParts(4);
});

Deno.test("12: a move is given up while it is not decided, and refused where it cannot begin", () => {
  const fixture = new CellsFixture();
  const [a, b, c] = fixture.cells as [OneCell, OneCell, OneCell];
  assert.ok(a.register("anna").ok);
  assert.ok(b.register("bert").ok);
  fixture.settle();
  const refused = (result: ReturnType<typeof begin>) => result.ok ? null : result.code;
  assert.equal(refused(begin(a, "anna", a)), "conflict");
  assert.equal(refused(begin(a, "bert", c)), "not_found");
  assert.equal(refused(begin(a, "nobody", c)), "not_found");
  fixture.wan.isolate(c.name, true);
  fixture.settle();
  assert.equal(refused(begin(a, "anna", c)), "unavailable");
  fixture.wan.heal();
  fixture.settle();
  // The other cell does not answer: nothing is decided.
  fixture.wan.cutWay(c.name, a.name, true);
  assert.ok(begin(a, "anna", c).ok);
  assert.equal(refused(begin(a, "anna", b)), "conflict");
  fixture.settle(300);
  a.must("anna", "move.cancel", {});
  fixture.wan.heal();
  fixture.settle(30_000);
  assert.equal(a.must("anna", "move.state", {}), null);
  assert.ok(!c.ask("anna", "account.info", {}).ok);
  assert.ok(begin(a, "anna", b).ok);
  moved(fixture, a, "anna");
});

Deno.test("12: without a majority an account that moves is nowhere else, and its requests are refused", () => {
  const fixture = new CellsFixture({ names: ["aa", "bb", "cc", "dd", "ee"] });
  const [a, b, ...others] = fixture.cells as [OneCell, OneCell, OneCell, OneCell, OneCell];
  assert.ok(a.register("anna").ok);
  fixture.settle(10_000);
  for (const { name } of others) fixture.wan.isolate(name, true);
  fixture.settle();
  assert.ok(begin(a, "anna", b).ok);
  fixture.settle(40_000);
  const state = a.must("anna", "move.state", {});
  assert.equal(state?.phase, "deciding");
  const late = a.ask("anna", "settings.set", { messagesFrom: "anyone" });
  assert.ok(!late.ok && late.code === "unavailable");
  const cancelled = a.ask("anna", "move.cancel", {});
  assert.ok(!cancelled.ok, "the cells decide already");
  assert.ok(!b.ask("anna", "account.info", {}).ok, "it is there before the cells have decided");
  fixture.wan.heal();
  moved(fixture, a, "anna");
  fixture.until("the arrival", () => b.ask("anna", "account.info", {}).ok);
});
