/** Rights that are withdrawn and given again, in one cell of three nodes. */
import { equal, notEqual } from "node:assert/strict";
import { ask } from "../sim/dump.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { CellStory } from "./cell_story.ts";

const BOB = "bob" as AccountName;

/** Bob's node hears from Alice's owner late; his own owner is a third node. */
class Late {
  readonly story = new CellStory();
  readonly alices: string;

  constructor() {
    const { story } = this;
    const { cluster } = story;
    story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
    const owner = (name: string) =>
      cluster.nodes.findIndex((n) => n.running.node.owns(name as AccountName));
    const [alice, bob] = [owner("alice"), owner("bob")];
    notEqual(alice, bob);
    const edge = [0, 1, 2].find((n) => n !== alice && n !== bob)!;
    story.befriend(alice, edge);
    this.alices = cluster.nodes[alice]!.id;
    this.#edge = cluster.nodes[edge]!.id;
  }

  readonly #edge: string;

  delay(delayed: boolean): void {
    this.story.cluster.cell!.cutOneWay(this.alices as never, this.#edge as never, delayed);
  }

  ask(op: "roster.block" | "roster.subscription", input: object): void {
    const { cluster } = this.story;
    const node = cluster.nodes.find(({ id }) => id === this.alices)!;
    equal(ask(cluster, node, "alice", op, input as never).ok, true);
  }
}

Deno.test("11: who was blocked and unblocked sees the user again, though the block comes last", () => {
  const late = new Late();
  const { story } = late;
  late.delay(true);
  late.ask("roster.block", { contact: BOB, blocked: true });
  late.ask("roster.block", { contact: BOB, blocked: false });
  story.cluster.time.runFor(1000);
  late.delay(false);
  story.cluster.time.runFor(3000);
  equal(story.sees(story.bob, "alice"), true);
});

Deno.test("11: who was refused and accepted again sees the user, though the refusal comes last", () => {
  const late = new Late();
  const { story } = late;
  const { bob } = story;
  late.delay(true);
  late.ask("roster.subscription", { contact: BOB, type: "unsubscribed" });
  story.await("a refusal", () => !story.sees(bob, "alice"), 1000);
  bob.person.subscription(bob, "alice", "subscribe");
  story.cluster.time.runFor(800);
  late.delay(false);
  story.cluster.time.runFor(3000);
  equal(story.sees(bob, "alice"), true);
});

Deno.test("11: who is unblocked while a link breaks sees the user, also at a third node", () => {
  const late = new Late();
  const { story } = late;
  const { cluster } = story;
  late.ask("roster.block", { contact: BOB, blocked: true });
  cluster.time.runFor(5000);
  const bobs = cluster.nodes.find((n) => n.running.node.owns(BOB))!;
  cluster.cell!.cutOneWay(late.alices as never, bobs.id, true);
  late.ask("roster.block", { contact: BOB, blocked: false });
  cluster.time.runFor(5000);
  cluster.cell!.cutOneWay(late.alices as never, bobs.id, false);
  cluster.time.runFor(10000);
  equal(story.sees(story.bob, "alice"), true);
});
