/** Presence between cells: one frame per interested cell and change, and `unknown` after a long cut. */
import assert from "node:assert/strict";
import type { AccountId, AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import type { EdgePacket, InterestAnswer } from "../../shard/edge_packet.ts";
import { ONLINE } from "../sim/node_fixture.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import type { Show } from "../../shard/ops.ts";

const [ALICE, BOB] = ["alice", "bob"] as unknown as readonly [AccountName, AccountName];
const SESSION = "session000000001" as SessionId;

/** Alice at `a`, who sees Bob at `b`, who is online. */
class Watching {
  readonly f = new CellsFixture();
  readonly a: OneCell;
  readonly b: OneCell;
  readonly ids: readonly [AccountId, AccountId];

  constructor() {
    const [a, b] = this.f.cells as [OneCell, OneCell, OneCell];
    [this.a, this.b] = [a, b];
    const ids = [a.register("alice"), b.register("bob")].map((made) => {
      return made.ok ? made.value.id : assert.fail();
    });
    this.ids = ids as [AccountId, AccountId];
    a.must("alice", "roster.subscription", { contact: BOB, type: "subscribe" });
    this.f.settle();
    b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribed" });
    this.f.settle();
    this.signIn();
  }

  signIn(): void {
    const [device, tokenHash] = ["d1" as DeviceId, new Uint8Array(32)];
    const token = { device, label: "", tokenHash, expiresAt: Number.MAX_SAFE_INTEGER };
    this.b.must("bob", "device.add", { ...token, proof: null });
    const attach = { session: SESSION, device, cursor: null, presence: ONLINE };
    this.b.must("bob", "session.attach", { ...attach, auth: { kind: "token", tokenHash } });
  }

  /** Bob moves to a cell. */
  move(from: OneCell, to: OneCell): void {
    from.must("bob", "move.begin", { to: to.name, move: `to ${to.name}` });
    this.f.until("the arrival", () => to.ask("bob", "account.info", {}).ok, 120_000);
  }

  /** Bob becomes available in another way. */
  show(show: Show): void {
    this.b.must("bob", "presence.set", { session: SESSION, presence: { ...ONLINE, show } });
  }

  /** The answer to what an edge of Alice's cell asks for her; `watchedId`: of which Bob. */
  ask(watchedId = this.ids[1]): InterestAnswer {
    const [watcherId] = this.ids;
    const item = { watcher: ALICE, watcherId, watched: BOB, watchedId };
    let answer: InterestAnswer | null = null;
    this.a.node.interest([item], ([first]) => answer = first!);
    this.f.until("an answer", () => answer !== null);
    return answer!;
  }

  /** Asks, and again when the home has replied. */
  watch(): InterestAnswer {
    assert.ok(isUndecided(this.ask().presence!));
    this.f.until("a reply", () => this.last("ask_again") !== undefined);
    return this.ask();
  }

  last<K extends EdgePacket["kind"]>(kind: K): EdgePacket & { readonly kind: K } | undefined {
    return this.a.packets.findLast((p): p is EdgePacket & { readonly kind: K } => p.kind === kind);
  }

  /** How Bob was shown last; "none" where nobody is. */
  get shown(): string {
    return this.last("presence")?.devices[0]?.presence.show ?? "none";
  }
}

Deno.test("12: a watcher in another cell sees each change, by one frame for the cell", () => {
  const w = new Watching();
  const { presence } = w.watch();
  assert.equal(presence?.devices[0]?.presence.show, "online");
  let frames = 0;
  w.f.wan.onCarried = (kind) => frames += kind === "proxy" ? 1 : 0;
  for (const show of ["away", "dnd", "chat"] as const) {
    w.show(show);
    w.f.settle(1000);
    assert.equal(w.shown, show);
  }
  assert.equal(frames, 3);
  w.b.must("bob", "session.detach", { session: SESSION });
  w.f.settle(1000);
  assert.equal(w.shown, "none");
  // Nobody watches any more: nothing is sent.
  w.a.node.uninterest([BOB]);
  w.f.settle(1000);
  w.signIn();
  w.f.settle(1000);
  assert.equal(w.shown, "none");
  assert.equal(w.b.node.shardOf(BOB).presence.get(BOB)?.nodes.length, 0);
});

Deno.test("12: whom its home has not granted it is not shown, and a block takes it back", () => {
  const w = new Watching();
  w.watch();
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.f.settle(1000);
  const revoked = w.last("revoke");
  assert.equal(revoked?.watcher, ALICE);
  assert.ok(revoked.lastSeen! > 0);
  w.show("dnd");
  w.f.settle(1000);
  // A session that comes now is shown the same, as in one cell.
  assert.deepEqual(w.ask(), {
    watcher: ALICE,
    watched: BOB,
    presence: null,
    lastSeen: revoked.lastSeen,
  });
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: false });
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.settle(1000);
  const fresh = new Watching();
  fresh.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  fresh.f.settle(1000);
  assert.ok(isUndecided(fresh.ask().presence!));
  fresh.f.settle(1000);
  assert.notEqual(fresh.last("ask_again"), undefined);
  assert.equal(fresh.ask().presence, null);
});

Deno.test("12: presence of a cell that is away is unknown after a while, and right after a cut", () => {
  const w = new Watching();
  w.watch();
  w.f.wan.isolate(w.b.name, true);
  w.show("away");
  w.f.settle(50_000);
  assert.equal(w.last("unknown"), undefined);
  w.f.settle(20_000);
  assert.equal(w.last("unknown")?.watched, BOB);
  assert.deepEqual(w.ask().presence?.devices, []);
  w.f.wan.isolate(w.b.name, false);
  w.f.settle(5000);
  assert.equal(w.shown, "away");
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "away");
});

Deno.test("12: a right that was lost during a cut is lost after it", () => {
  const w = new Watching();
  w.watch();
  w.f.wan.isolate(w.b.name, true);
  w.f.settle(10_000);
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.wan.isolate(w.b.name, false);
  w.f.settle(10_000);
  assert.equal(w.last("revoke")?.watcher, ALICE);
  assert.ok(isUndecided(w.ask().presence!));
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
});

Deno.test("12: a late reply of a home does not grant what a later one has refused", () => {
  const w = new Watching();
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.settle(1000);
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
  const { clock } = w.a.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  const [, watchedId] = w.ids;
  const presence = { watchedId, epoch: 9, version: 9, devices: [], lastSeen: 0 };
  const answers = [{ watcher: ALICE, presence, lastSeen: null }];
  const message = { kind: "answers", asked: 1, answers } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.b.name, message } as const;
  w.a.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  assert.equal(w.ask().presence, null);
});

Deno.test("12: what a former owner of a shard says late ends no interest that its successor has", () => {
  const w = new Watching();
  w.watch();
  const { clock } = w.b.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  const message = { kind: "uninterest", epoch: 1, asked: 1 } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.a.name, message } as const;
  w.b.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  w.show("dnd");
  w.f.settle(1000);
  assert.equal(w.shown, "dnd");
});

Deno.test("12: the next account of a name is watched where the former one was watched before", () => {
  const w = new Watching();
  w.watch();
  w.b.must("bob", "account.remove", {});
  w.f.settle(5000);
  w.f.until("its release", () => w.b.ask("bob", "account.release", {}).ok);
  const made = w.b.register("bob");
  const { id } = made.ok ? made.value : assert.fail();
  w.a.must("alice", "roster.subscription", { contact: BOB, type: "subscribe" });
  w.f.settle();
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribed" });
  w.f.settle();
  w.signIn();
  // An edge asks for the former one first.
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
  w.f.settle(1000);
  w.ask(id);
  w.f.settle(1000);
  assert.equal(w.ask(id).presence?.devices.length, 1);
  // A question about the former one takes nothing away.
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask(id).presence?.devices.length, 1);
});

Deno.test("12: an edge asks again for another account of a name once nobody watches this one", () => {
  const w = new Watching();
  w.watch();
  const other = "another account" as AccountId;
  assert.equal(w.ask(other).presence, null);
  w.f.settle(10_000);
  assert.notEqual(w.last("ask_again")?.watchedId, other);
  w.a.node.uninterest([BOB]);
  w.f.settle(10_000);
  assert.equal(w.last("ask_again")?.watchedId, other);
});

for (const when of ["after", "before"] as const) {
  Deno.test(`12: a user who moves away and blocks a watcher is not shown, ${when} its edge asks again`, () => {
    const w = new Watching();
    w.move(w.b, w.a);
    w.move(w.a, w.b);
    // It could watch when its own cell was the home, and goes on.
    if (when === "after") assert.ok(w.ask().presence !== null);
    w.f.settle(1000);
    w.signIn();
    w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
    w.f.settle(1000);
    for (let asked = 0; asked < 3; asked++) {
      assert.deepEqual(w.ask().presence?.devices ?? [], []);
      w.f.settle(300);
    }
    assert.equal(w.ask().presence, null);
  });
}

Deno.test("12: an edge whose question a move has made void asks again once the user is here", () => {
  const w = new Watching();
  w.b.must("bob", "move.begin", { to: w.a.name, move: "to a" });
  const frozen = () => w.b.node.shardOf(BOB).presence.get(BOB)?.rights != null;
  w.f.until("the freeze", frozen);
  assert.ok(isUndecided(w.ask().presence!));
  w.f.until("the arrival", () => w.a.ask("bob", "account.info", {}).ok);
  w.f.settle(1000);
  assert.equal(w.last("rewatch")?.watchedId, w.ids[1]);
  assert.equal(w.ask().presence?.watchedId, w.ids[1]);
});

Deno.test("12: watchers see a user again whose cell has restarted", () => {
  const w = new Watching();
  w.watch();
  w.b.kill();
  w.b.start();
  w.f.settle(2000);
  w.signIn();
  w.show("xa");
  w.f.settle(5000);
  assert.equal(w.shown, "xa");
});

Deno.test("12: a user whose home is not known here is watched once other cells have said it", () => {
  const w = new Watching();
  const account = [...w.a.node.shardOf(BOB).inspect().accounts].find(({ name }) => name === BOB)!;
  Object.assign(account, { register: null });
  w.f.wan.isolate(w.b.name, true);
  assert.equal(w.ask().presence, null);
  w.f.settle(20_000);
  w.f.wan.isolate(w.b.name, false);
  w.f.until("the home is known", () => w.last("ask_again") !== undefined);
  w.f.settle(1000);
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "online");
});
