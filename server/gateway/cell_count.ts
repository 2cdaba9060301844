/** How many of something a service has at all nodes of the cell, for bounds that hold over the cell. */
import type { GatewayDeps } from "./gateway_deps.ts";
import { ok } from "../../shard/errors.ts";
import { question } from "../node/asks.ts";

/** For how long what other nodes have replied counts (ms). */
export const KEPT_MS = 500;

type Done = (count: number) => void;

/** Counts one kind of thing; see the head of this file. */
export class CellCount {
  readonly #deps: Pick<GatewayDeps, "cell" | "clock">;
  readonly #own: (service: string) => number;
  readonly #question;
  /** What the other nodes have, by service. */
  readonly #others = new Map<string, { readonly count: number; readonly atMs: number }>();
  readonly #waiting = new Map<string, Done[]>();

  /** `kind`: its name, the same at all nodes; `own`: how many a service has at this node. */
  constructor(
    deps: Pick<GatewayDeps, "cell" | "clock">,
    kind: string,
    own: (service: string) => number,
  ) {
    this.#deps = deps;
    this.#own = own;
    this.#question = question<string, number>(`service.${kind}`);
    deps.cell?.asks.on(this.#question, (service, done) => done(ok(own(service))));
  }

  /**
   * Calls back with the number over all nodes, possibly before it returns: exactly for this node, up
   * to `KEPT_MS` old for others. A node that does not reply has none.
   */
  of(service: string, done: Done): void {
    const { cell, clock } = this.#deps;
    if (cell === undefined) return done(this.#own(service));
    const kept = this.#others.get(service);
    if (kept !== undefined && clock.monoMs() - kept.atMs < KEPT_MS) {
      return done(this.#own(service) + kept.count);
    }
    const waiting = this.#waiting.get(service);
    if (waiting !== undefined) return void waiting.push(done);
    this.#waiting.set(service, [done]);
    cell.asks.all(this.#question, service, ({ replies }) => {
      const others = replies.filter(({ node }) => node !== cell.node);
      const count = others.reduce((sum, { value }) => sum + value, 0);
      this.#others.set(service, { count, atMs: clock.monoMs() });
      const waited = this.#waiting.get(service) ?? [];
      this.#waiting.delete(service);
      for (const each of waited) each(this.#own(service) + count);
    });
  }
}
