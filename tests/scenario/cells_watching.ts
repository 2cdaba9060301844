/** A user of one cell who watches a user of another one, without edges. */
import assert from "node:assert/strict";
import type { AccountId, AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";
import type { EdgePacket, InterestAnswer } from "../../shard/edge_packet.ts";
import { ONLINE } from "../sim/node_fixture.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { Show } from "../../shard/ops.ts";

export const ALICE = "alice" as AccountName;
export const BOB = "bob" as AccountName;
/** Bob's. */
export const SESSION = "session000000001" as SessionId;

/** Alice at `a`, who sees Bob at `b`, who is online. */
export class Watching {
  readonly f: CellsFixture;
  readonly a: OneCell;
  readonly b: OneCell;
  readonly ids: readonly [AccountId, AccountId];

  constructor(limits: Partial<ShardLimits> = {}) {
    this.f = new CellsFixture({ limits });
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

  /** Bob moves to Alice's cell; while his account stands still, an edge of hers asks for him. */
  askAsItMoves(): void {
    this.b.must("bob", "move.begin", { to: this.a.name, move: "to a" });
    const frozen = () => this.b.node.shardOf(BOB).presence.get(BOB)?.rights != null;
    this.f.until("the freeze", frozen);
    assert.ok(isUndecided(this.ask().presence!));
  }

  /** Alice's cell does not know any more which one is Bob's. */
  forgetHome(): void {
    const { accounts } = this.a.node.shardOf(BOB).inspect();
    Object.assign([...accounts].find(({ name }) => name === BOB)!, { register: null });
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
