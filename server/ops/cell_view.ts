/**
 * The cell as the dashboard shows it: every node with its load and what it sees of the others, who
 * owns which shard, and the latest changes of that. Any node replies for all.
 */
import type { Hono } from "hono";
import { z } from "zod";
import type { Clock } from "../node/ports.ts";
import type { LiveFeed, NodeReport } from "./live/feed.ts";
import type { Node } from "../node/node.ts";
import type { NodeView } from "../node/node_view.ts";
import { errorResponse } from "../http/response.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { question } from "../node/asks.ts";

/** How long a view is shown to others who ask for it (ms). */
const KEPT_MS = 900;

/** What a node says of itself and of the others. */
interface Report extends NodeReport {
  readonly seen: readonly Seen[];
}

/** Another node as one sees it. */
interface Seen extends Pick<NodeView, "id" | "state"> {
  /** As gossip has it; null: nothing is known. */
  readonly gossip: string | null;
  readonly rttMs: number | null;
  readonly silentMs: number | null;
}

const REPORT = question<null, Report>("dashboard.report", 1500);
const LIVE = question<number, string>("dashboard.live");
const AFTER = z.coerce.number().int().min(0).default(0);

function seenBy(nodes: readonly NodeView[]): readonly Seen[] {
  return nodes.slice(1).map(({ id, state, gossip }) => ({
    id,
    state,
    gossip: gossip?.state ?? null,
    rttMs: gossip?.rttMs ?? null,
    silentMs: gossip?.silentMs ?? null,
  }));
}

/** What a view is made of; `workers`: the nodes are processes of one supervisor. */
interface Viewed {
  readonly node: Node;
  readonly feed: LiveFeed;
  readonly workers: boolean;
}

/** The view as JSON. */
function viewText({ node, feed, workers }: Viewed, done: (text: string) => void): void {
  node.asks.all(REPORT, null, ({ replies, missing }) => {
    const reports = new Map(replies.map(({ node, value }) => [node, value]));
    const nodes = node.nodes.map(
      ({ id, incarnation, address, publicUrl, state, drained, leaving, gossip, shards }) => {
        const report = reports.get(id) ?? null;
        const why = missing.find((each) => each.node === id)?.why ?? null;
        const health = gossip?.says ?? null;
        const about = {
          id,
          incarnation,
          address,
          publicUrl,
          state,
          drained,
          leaving,
          version: health?.version ?? null,
        };
        return { ...about, gossip: gossip?.state ?? null, shards: shards.length, report, why };
      },
    );
    const shards = node.table.shards.map(({ id, lo, hi, epoch, owner }) => {
      return { id, lo, hi, epoch, owner: owner?.id ?? null };
    });
    const { version } = node.table;
    const { work } = node.coordinator;
    const { alone } = node.asks;
    const { moving, balancing } = node.coordinator.orders.spread;
    const view = { v: 1, self: node.id, alone, workers, version, nodes, shards, missing };
    const changes = feed.ownerChanges;
    done(JSON.stringify({ ...view, work, moving, balancing, changes }));
  });
}

/** Makes views, one at a time and not too often, however many ask. */
class Views {
  readonly #make: (done: (text: string) => void) => void;
  readonly #clock: Pick<Clock, "monoMs">;
  #last: { readonly text: string; readonly atMs: number } | null = null;
  #waiting: ((text: string) => void)[] = [];

  constructor(make: (done: (text: string) => void) => void, clock: Pick<Clock, "monoMs">) {
    this.#make = make;
    this.#clock = clock;
  }

  get(done: (text: string) => void): void {
    const last = this.#last;
    if (last !== null && this.#clock.monoMs() - last.atMs < KEPT_MS) return done(last.text);
    this.#waiting.push(done);
    if (this.#waiting.length > 1) return;
    this.#make((text) => {
      this.#last = { text, atMs: this.#clock.monoMs() };
      for (const waiting of this.#waiting.splice(0)) waiting(text);
    });
  }
}

function jsonText(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}

/** Adds `GET /admin/live?after=N&node=ID`; `ask` gets the samples of a node, null: of this one. */
export function addLiveRoute(
  app: Hono,
  ask: (node: string | null, after: number, done: (live: Result<string>) => void) => void,
): void {
  app.get("/admin/live", (c) => {
    const after = AFTER.safeParse(c.req.query("after"));
    if (!after.success) return errorResponse(fail("bad_request", "after must be a number"));
    return new Promise<Response>((done) =>
      ask(
        c.req.query("node") ?? null,
        after.data,
        (live) => done(live.ok ? jsonText(live.value) : errorResponse(live)),
      )
    );
  });
}

/** Adds `GET /admin/cell`, and the samples of every node. */
export function addCellViews(app: Hono, viewed: Viewed, clock: Pick<Clock, "monoMs">): void {
  const { node, feed } = viewed;
  node.asks.on(REPORT, (_, done) => done(ok({ ...feed.report(), seen: seenBy(node.nodes) })));
  node.asks.on(LIVE, (after, done) => done(ok(feed.text(after))));
  const views = new Views((done) => viewText(viewed, done), clock);
  app.get("/admin/cell", () =>
    new Promise<Response>((done) => {
      views.get((text) => done(jsonText(text)));
    }));
  addLiveRoute(app, (id, after, done) => {
    const of = node.nodes.find((each) => each.id === (id ?? node.id));
    if (of === undefined) return done(fail("not_found", "The cell has no such node"));
    node.asks.one(of, LIVE, after, done);
  });
}
