/** Counts for metrics what the protocol, the gateway and the edge of a front report. */
import type { Counters, RateLimit, SignInKind } from "./http/counters.ts";
import type { Counting } from "./v1/counting.ts";
import type { EdgePacket } from "../shard/edge_packet.ts";
import type { EdgeDeps } from "./edge/edge_deps.ts";
import type { ErrorCode } from "../shard/errors.ts";
import type { Experiments } from "./gateway/experiments.ts";
import { type MetricsSources, newFrontCounters } from "./ops/front_metrics.ts";
import type { OpenNode } from "./open.ts";
import type { ProcessFigures } from "./system/process_figures.ts";
import type { Round } from "./edge/flusher.ts";
import { sessionRecords } from "./open_audit.ts";
import { signInResult } from "./http/counters.ts";

/** See the head of this file. Its functions need no `this`. */
export class FrontCounting implements Counting {
  /** What the parts of the front count for themselves. */
  readonly own = newFrontCounters();
  /** What metrics are read from. */
  readonly sources: Pick<MetricsSources, "counts" | "figures">;
  readonly #counters: Counters;
  readonly #experiments: Pick<Experiments, "count">;

  /** What the edge reports to. */
  readonly edge: Pick<EdgeDeps, "counters" | "flushed" | "records">;

  constructor(
    { audit, counters }: Pick<OpenNode, "audit" | "counters">,
    { experiments }: { readonly experiments: Pick<Experiments, "count"> },
    figures: ProcessFigures,
  ) {
    this.sources = { counts: this.own, figures };
    this.#counters = counters;
    this.#experiments = experiments;
    const flushed = (round: Round) => this.#flushed(round);
    this.edge = { counters: this.own.edge, flushed, ...sessionRecords(audit) };
  }

  readonly observe = (name: string, outcome: "ok" | ErrorCode): void => {
    const { messages, outcomes, signals } = this.#counters;
    outcomes.add(name, outcome);
    if (name === "malformed" || name === "timeout") this.own.protocol[name]++;
    if (name === "signal" && outcome === "ok") signals.accepted++;
    if (name !== "send") return;
    if (outcome === "ok") messages.accepted++;
    else messages.refused[outcome]++;
  };

  readonly signedIn = (kind: SignInKind, outcome: "ok" | ErrorCode): void => {
    const result = signInResult(outcome);
    if (result !== null) this.#counters.signIns[kind][result]++;
  };

  readonly limited = (limit: RateLimit): void => {
    this.#counters.rateLimited[limit]++;
  };

  readonly acked = (tookMs: number): void => {
    this.#counters.messages.ackMs.observe(tookMs);
  };

  /** Latencies as of the moment at which the last frame of a round was with its connection. */
  #flushed(round: Round): void {
    const { presence, messages } = this.#counters;
    if (round.presenceMs !== null) presence.latencyMs.observe(round.presenceMs);
    for (const ms of round.messagesMs) messages.latencyMs.observe(ms);
  }

  /** The edge has delivered a packet to so many sessions. */
  readonly delivered = (packet: EdgePacket, sessions: number): void => {
    if (packet.kind !== "presence") return;
    const { presence } = this.#counters;
    presence.changes++;
    presence.fanOut.observe(sessions);
    this.#experiments.count("offline-grace", packet.watchedId, "presence_changes");
  };
}
