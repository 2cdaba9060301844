/** A service that manages users whose homes are in two cells of two nodes each. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { ALICE, BOB, Pair } from "./cells_pair.ts";
import { ask } from "../sim/dump.ts";
import { BackendAccounts } from "../../server/gateway/backend/accounts.ts";
import { BackendHomes, type OtherCells } from "../../server/gateway/backend/homes.ts";
import type { CellName } from "../../shard/name/ids.ts";
import { hashToken } from "../../server/auth/token.ts";
import type { Result } from "../../shard/errors.ts";
import { Rosters, type RunStep } from "../../server/gateway/backend/rosters.ts";
import type { SimNode } from "../sim/sim_node.ts";

const LIFETIME_MS = 3_600_000;
/** A question takes so long to another cell, and as long back (ms). */
const WAY_MS = 20;

const MESSAGE = { to: ALICE, device: "service:app", key: "one", body: "hello", ext: "" };

/** How one node asks other cells: what `CellQueries` does, over some node of them. */
class Asking implements OtherCells {
  reply: Parameters<OtherCells["on"]>[2] = () => {};
  readonly #pair: Pair;
  readonly #own: SimNode;
  readonly #of: ReadonlyMap<SimNode, Asking>;
  /** Questions that are not replied to. */
  lost = 0;
  asked = 0;

  constructor(pair: Pair, own: SimNode, of: ReadonlyMap<SimNode, Asking>) {
    this.#pair = pair;
    this.#own = own;
    this.#of = of;
  }

  one(...[cell, { input, replyMs }, done]: Parameters<OtherCells["one"]>): void {
    const { cluster } = this.#pair;
    const { timers } = this.#own.running.process;
    const node = cluster.nodes.findLast((n) => cluster.groupAt(n).name === cell)!;
    this.asked++;
    let over = false;
    const end = (reply: string | null) => {
      if (!over) done(reply);
      over = true;
    };
    timers.after(replyMs, () => end(null));
    timers.after(WAY_MS, () => {
      const from = cluster.groupAt(this.#own).name as CellName;
      this.#of.get(node)!.reply(input, from, (reply) => {
        if (this.lost-- <= 0) timers.after(WAY_MS, () => end(reply));
      });
    });
  }

  on(...[, , reply]: Parameters<OtherCells["on"]>): void {
    this.reply = reply;
  }
}

/** All nodes with what a gateway does for services that manage users. */
class Managed {
  readonly pair = new Pair();
  readonly asking = new Map<SimNode, Asking>();
  readonly homes = new Map<SimNode, BackendHomes>();

  constructor() {
    for (const node of this.pair.cluster.nodes) {
      const { node: router, ports, process } = node.running;
      const asking = new Asking(this.pair, node, this.asking);
      this.asking.set(node, asking);
      const more = { tokenLifetimeMs: LIFETIME_MS, federated: true };
      const deps = { ...ports, clock: process.clock, router, ...more };
      this.homes.set(
        node,
        new BackendHomes(new BackendAccounts(deps), { cells: asking, log: ports.log }),
      );
    }
  }

  /** A node of Alice's cell that does not own her shard. */
  get at(): SimNode {
    return this.pair.other(this.pair.home);
  }

  run(at: SimNode): RunStep {
    const homes = this.homes.get(at)!;
    return (user, step, input) => homes.run({ service: "app", user, step, input });
  }

  /** Lets virtual time run until a promise is settled. */
  async over<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    promise.finally(() => settled = true);
    for (let i = 0; !settled && i < 5000; i++) {
      await new Promise((done) => setTimeout(done, 0));
      this.pair.cluster.time.runFor(10);
    }
    ok(settled, "it takes too long");
    return await promise;
  }

  async must<T>(promise: Promise<Result<T>>): Promise<T> {
    const result = await this.over(promise);
    ok(result.ok, JSON.stringify(result));
    return result.value;
  }

  /** Sends Bob's message, of which the checkers then know, as of their answers. */
  async send(run: RunStep): Promise<Result<{ readonly seq: number }>> {
    const { cluster: { oracle, time }, bob } = this.pair;
    const { device, to, key, body, ext } = MESSAGE;
    const sent = oracle.sending(bob.person.life!, device, { to, key, body, ext });
    const beganMs = time.nowMs;
    const result = await this.over(run(BOB, "send", MESSAGE));
    const [value, code] = result.ok ? [result.value, null] : [null, result.code];
    oracle.answered(sent, value, code, beganMs);
    return result;
  }

  subscription(of: "alice" | "bob", contact: string): string | undefined {
    const { cluster } = this.pair;
    const owner = of === "alice" ? this.pair.home : this.pair.owner("bob", BOB);
    const found = ask(cluster, owner, of, "mailbox.snapshot", {});
    ok(found.ok, JSON.stringify(found));
    return found.value.snapshot.roster.find((item) => item.contact === contact)?.subscription;
  }
}

Deno.test("13: a service makes users of two cells contacts, and sees to one at home elsewhere as to its own", async () => {
  const managed = new Managed();
  const { pair, at } = managed;
  const run = managed.run(at);
  const asked = () => managed.asking.get(at)!.asked;
  // A token for Bob is made at his home, and is good there.
  const token = { device: "web", label: "", lifetimeMs: null, create: true };
  const minted = await managed.must(run(BOB, "token", token));
  deepEqual([minted.device, minted.created, asked()], ["web", false, 1]);
  const proof = { tokenHash: hashToken(minted.token) };
  const proved = ask(pair.cluster, pair.owner("bob", BOB), "bob", "auth.token", proof);
  ok(proved.ok && proved.value.device === "web", JSON.stringify(proved));
  await managed.must(new Rosters(run).part(ALICE, BOB));
  pair.cluster.time.runFor(3000);
  deepEqual([managed.subscription("alice", "bob"), managed.subscription("bob", "alice")], [
    undefined,
    undefined,
  ]);
  for (let i = 0; i < 2; i++) {
    await managed.must(new Rosters(run).join(ALICE, BOB));
    pair.cluster.time.runFor(3000);
    const both = [managed.subscription("alice", "bob"), managed.subscription("bob", "alice")];
    deepEqual(both, ["both", "both"]);
  }
  pair.show();
  pair.seen();
  const sent = await managed.must(managed.send(run));
  deepEqual(await managed.must(managed.send(run)), sent);
  const other = await managed.over(run(BOB, "send", { ...MESSAGE, body: "another" }));
  equal(other.ok ? "ok" : other.code, "conflict");
  deepEqual(await managed.must(run(BOB, "signOut", { device: "web" })), { devices: 1 });
});

Deno.test("13: what another cell does not reply to is unavailable, and done once where it is repeated", async () => {
  const managed = new Managed();
  const { pair, at } = managed;
  const asking = managed.asking.get(at)!;
  const run = managed.run(at);
  const count = () => {
    const page = { cursor: null, limit: 500, bytesMax: 1_000_000 };
    const read = ask(pair.cluster, pair.home, "alice", "mailbox.read", page);
    ok(read.ok, JSON.stringify(read));
    return read.value.events.filter((e) => e.kind === "message" && !e.out && e.id === "one").length;
  };
  asking.lost = 1;
  const lost = await managed.send(run);
  deepEqual(lost.ok ? "ok" : [lost.code, lost.retryAfterMs], ["unavailable", 1000]);
  await managed.must(managed.send(run));
  pair.cluster.time.runFor(2000);
  equal(count(), 1);
  // A removal that was done, of which nobody has learnt.
  asking.lost = 1;
  const removal = await managed.over(run(BOB, "remove", {}));
  equal(removal.ok ? "ok" : removal.code, "unavailable");
  deepEqual(await managed.must(run(BOB, "remove", {})), { removed: false });
  const token = { device: null, label: "", lifetimeMs: null, create: true };
  const closed = await managed.over(run(BOB, "token", token));
  equal(closed.ok ? "ok" : closed.code, "conflict");
});
