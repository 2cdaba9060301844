/** Stories of two strangers: each sees the same, whether both are at home in one cell or in two. */
import assert from "node:assert/strict";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/mailbox/mailbox_event.ts";
import type { OpName, Ops } from "../../shard/ops.ts";

const [ALICE, BOB] = ["alice", "bob"] as unknown as readonly [AccountName, AccountName];
const SEEDS = 4;
/** Of a request that is refused as `unavailable`. */
const TRIES = 5;
/** Longer than a packet that is lost several times takes. */
const CALM_MS = 40_000;
const LOSSY = { wayMs: [20, 150], lost: 0.25, twice: 0.25 } as const;

type Subscription = Ops["roster.subscription"]["in"]["type"];

/** Alice and Bob, with the cells where they are at home. */
interface Both {
  readonly f: CellsFixture;
  readonly a: OneCell;
  b: OneCell;
}

/** Repeats a request as clients do: what another cell says may be lost too often to come in time. */
function must<K extends OpName>(cell: OneCell, who: AccountName, op: K, input: Ops[K]["in"]): void {
  for (let tries = 1; tries < TRIES; tries++) {
    const result = cell.ask(who, op, input);
    if (result.ok) return;
    assert.equal(result.code, "unavailable", `${op} of ${who}: ${result.message}`);
  }
  cell.must(who, op, input);
}

function ask({ f, a, b }: Both, who: AccountName, type: Subscription): void {
  const [cell, contact] = who === ALICE ? [a, BOB] : [b, ALICE];
  must(cell, who, "roster.subscription", { contact, type });
  f.settle(CALM_MS);
}

function say({ f, a, b }: Both, who: AccountName, text: string): void {
  const [cell, to] = who === ALICE ? [a, BOB] : [b, ALICE];
  must(cell, who, "message.send", { device: "d1" as DeviceId, to, id: text, body: text, ext: "" });
  f.settle(CALM_MS);
}

/** Bob reads all that he has. */
function read({ f, b }: Both): void {
  const upTo = b.events(BOB).at(-1)!.seq;
  b.must(BOB, "mailbox.ack", { seq: upTo });
  b.must(BOB, "conversation.read", { with: ALICE, upTo });
  f.settle(CALM_MS);
}

function block({ f, b }: Both, blocked: boolean): void {
  b.must(BOB, "roster.block", { contact: ALICE, blocked });
  f.settle(CALM_MS);
}

/** What an event says, without times. */
function told(event: MailboxEvent): string {
  const { at: _, ...rest } = event;
  return JSON.stringify(rest);
}

/** What both have in their mailboxes and snapshots. */
function seen({ a, b }: Both): readonly unknown[] {
  return ([[a, ALICE], [b, BOB]] as const).map(([cell, name]) => {
    const { roster, requests, blocked, conversations } =
      cell.must(name, "mailbox.snapshot", {}).snapshot;
    const talks = conversations.map(({ lastAt: _, ...rest }) => rest);
    return { events: cell.events(name).map(told), roster, requests, blocked, talks };
  });
}

const STORIES: Readonly<Record<string, (both: Both) => void>> = {
  "a first message, a request, its acceptance, receipts, and the end of both subscriptions": (
    p,
  ) => {
    say(p, ALICE, "before I ask");
    ask(p, ALICE, "subscribe");
    say(p, ALICE, "while you think");
    ask(p, BOB, "subscribed");
    say(p, BOB, "welcome");
    read(p);
    ask(p, BOB, "subscribe");
    ask(p, ALICE, "subscribed");
    ask(p, ALICE, "unsubscribe");
    say(p, ALICE, "you still see me");
    ask(p, BOB, "unsubscribe");
    say(p, ALICE, "we are strangers again");
  },
  "a request that is denied, made again, withdrawn, made and denied": (p) => {
    ask(p, ALICE, "subscribe");
    say(p, ALICE, "it waits");
    ask(p, BOB, "unsubscribed");
    ask(p, ALICE, "subscribe");
    say(p, ALICE, "it waits again");
    ask(p, ALICE, "unsubscribe");
    ask(p, ALICE, "subscribe");
    ask(p, BOB, "unsubscribed");
  },
  "a stranger who is blocked and unblocked with a request that waits": (p) => {
    ask(p, ALICE, "subscribe");
    block(p, true);
    say(p, ALICE, "are you there?");
    ask(p, ALICE, "unsubscribe");
    ask(p, ALICE, "subscribe");
    block(p, false);
    ask(p, BOB, "subscribed");
    say(p, ALICE, "thank you");
  },
  "a contact who is blocked and unblocked": (p) => {
    ask(p, ALICE, "subscribe");
    ask(p, BOB, "subscribed");
    say(p, ALICE, "1");
    block(p, true);
    say(p, ALICE, "2");
    read(p);
    block(p, false);
    say(p, ALICE, "3");
    read(p);
  },
  "an account that is removed while messages of both are on their way": (p) => {
    ask(p, ALICE, "subscribe");
    ask(p, BOB, "subscribed");
    p.b.send(BOB, ALICE, "the last one");
    p.b.must(BOB, "account.remove", {});
    p.f.settle(CALM_MS);
    say(p, ALICE, "are you gone?");
    must(p.b, BOB, "account.release", {});
    p.f.settle(CALM_MS);
    // In another cell, where there are several.
    p.b = p.f.cells[1] ?? p.b;
    must(p.b, BOB, "account.create", { credentials: null });
    p.f.settle(CALM_MS);
    ask(p, ALICE, "subscribe");
    ask(p, BOB, "subscribed");
    say(p, ALICE, "you are another one");
  },
};

function play(story: (both: Both) => void, cells: number, seed: number): readonly unknown[] {
  const f = new CellsFixture({ names: ["aa", "bb", "cc"].slice(0, cells), seed });
  const both = { f, a: f.cells[0]!, b: f.cells[cells - 1]! };
  assert.ok(both.a.register(ALICE).ok && both.b.register(BOB).ok);
  f.settle();
  if (cells > 1) f.wan.quality = LOSSY;
  story(both);
  return seen(both);
}

for (const [name, story] of Object.entries(STORIES)) {
  Deno.test(`12: ${name}: in two cells as in one`, () => {
    const alone = play(story, 1, 1);
    for (let seed = 1; seed <= SEEDS; seed++) {
      assert.deepEqual(play(story, 3, seed), alone, `seed ${seed}`);
    }
  });
}
