/** Requests that have waited for the link with the owner of their shard for almost all of their time. */
import { equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { CellNodes } from "./cell_nodes.ts";
import { LINK_TIMES } from "../../server/peer/link.ts";
import { REQUEST_TIMEOUT_MS } from "../../shard/limits.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { isTooLate, WAY_MS } from "../../server/node/too_late.ts";

const NAME = "zoe" as AccountName;

/** An account, the owner of its shard, and two other nodes; the first is not linked with the owner. */
class Story {
  readonly cell = new CellNodes(3, 6);
  readonly owner: SimNode;
  readonly asked: SimNode;
  readonly other: SimNode;

  constructor() {
    const { nodes } = this.cell.cluster;
    this.owner = nodes.find((n) => n.running.node.owns(NAME))!;
    [this.asked, this.other] = nodes.filter((n) => n !== this.owner) as [SimNode, SimNode];
    let created = false;
    const { node } = this.owner.running;
    node.request(NAME, "account.create", { credentials: null }, (result) => created = result.ok);
    this.cell.await("an account", () => created, 3000);
    this.cut(true);
    this.cell.await("the end of their link", () => this.#linkedMs === 0, 6000);
  }

  get #linkedMs(): number {
    return this.cell.cluster.cell!.linkedMs(this.asked.id, this.owner.id);
  }

  cut(cut: boolean): void {
    this.cell.cluster.cell!.cut(this.asked.id, this.owner.id, cut);
  }

  get state(): string {
    let state = "";
    this.owner.running.node.request(NAME, "account.info", {}, (result) => {
      state = result.ok ? result.value.state : result.code;
    });
    this.cell.await("its state", () => state !== "", 1000);
    return state;
  }

  /** Asks a node to disable or enable the account; returns what has become of it. */
  disable({ running: { node } }: SimNode, disabled: boolean): { code: string | null } {
    const reply: { code: string | null } = { code: null };
    node.request(NAME, "account.setDisabled", { disabled }, (result) => {
      reply.code = result.ok ? "ok" : result.code;
    });
    return reply;
  }

  done(at: SimNode, disabled: boolean): void {
    const reply = this.disable(at, disabled);
    this.cell.await("a reply", () => reply.code !== null, 500);
    equal(reply.code, "ok");
  }
}

Deno.test("11.8: a write whose caller has given it up is not done after those that followed", () => {
  const story = new Story();
  const { asked, cell, other, owner } = story;
  const { cell: links, time } = cell.cluster;
  const first = story.disable(asked, true);
  time.runFor(REQUEST_TIMEOUT_MS - 1500);
  links!.onSent = (frame) => {
    if (frame.kind !== "request" || frame.op !== "account.setDisabled") return;
    // It stays on its way, as long as a link stands that.
    links!.cutOneWay(asked.id, owner.id, true);
  };
  story.cut(false);
  cell.await("its reply", () => first.code !== null, 3000);
  equal(first.code, "unavailable");
  links!.onSent = () => {};
  story.done(other, true);
  story.done(other, false);
  links!.cutOneWay(asked.id, owner.id, false);
  time.runFor(5000);
  equal(story.state, "active");
});

Deno.test("11.8: a write that has waited for its owner for some seconds is done", () => {
  const story = new Story();
  const { asked, cell } = story;
  const reply = story.disable(asked, true);
  cell.cluster.time.runFor(REQUEST_TIMEOUT_MS - WAY_MS - 2000);
  equal(reply.code, null);
  story.cut(false);
  cell.await("its reply", () => reply.code !== null, 2000);
  equal([reply.code, story.state].join(), "ok,disabled");
});

Deno.test("11.8: writes are too late where a stalled link may bring them after their caller's time", () => {
  ok(WAY_MS >= LINK_TIMES.silentMs + LINK_TIMES.pingMs);
  equal(isTooLate("account.setDisabled", WAY_MS - 1), true);
  equal(isTooLate("account.setDisabled", WAY_MS), false);
  // One that is sent again has its key, and what only reads may be late.
  equal(isTooLate("message.send", 0), false);
  equal(isTooLate("mailbox.read", 0), false);
});
