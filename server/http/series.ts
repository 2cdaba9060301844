/** What is counted where clients connect: the listener, its queue of sign-ins, and `Counters`. */
import type { AdmissionControl } from "./admission_control.ts";
import { type AdmissionKind, REFUSALS } from "./admission.ts";
import type { Counters } from "./counters.ts";
import type { HttpCounters } from "./http_server.ts";
import type { SignInQueue } from "./sign_in_queue.ts";
import { byLabel, byLabels, type Meter, type Sample } from "../node/meter.ts";

/** Registers what the listener counts. */
export function registerDoor(to: Meter, counters: HttpCounters, connections: () => number): void {
  to.value("roost_connections", connections);
  to.value("roost_connections_opened_total", () => counters.opened);
  to.value("roost_listener_reopened_total", () => counters.reopened);
  to.values(
    "roost_connections_bad_total",
    () => byLabel("fault", { http: counters.malformed, flood: counters.pipelined }),
  );
  to.values("roost_admission_refused_total", () => [
    [{ kind: "connection", reason: "full" }, counters.refusedFull],
  ]);
}

/** Registers the queue of sign-ins. */
export function registerSignInQueue(
  to: Meter,
  queue: Pick<SignInQueue, "waiting" | "refused">,
): void {
  to.value("roost_sign_ins_waiting", () => queue.waiting);
  to.value("roost_sign_ins_deferred_total", () => queue.refused);
}

/** Registers the load by which admission decides. */
export function registerAdmission(to: Meter, control: Pick<AdmissionControl, "lagMs">): void {
  to.value("roost_loop_lag_average_seconds", () => control.lagMs() / 1000);
}

/** Registers what `Counters` holds. */
export function registerCounters(to: Meter, counters: Counters): void {
  const { presence, messages, signals, commits } = counters;
  to.value("roost_presence_changes_total", () => presence.changes);
  to.histogram("roost_presence_fan_out_sessions", presence.fanOut);
  to.histogram("roost_presence_latency_seconds", presence.latencyMs);
  to.value("roost_messages_accepted_total", () => messages.accepted);
  to.values("roost_messages_refused_total", () => byLabel("code", messages.refused));
  to.values(
    "roost_messages_silently_refused_total",
    () => byLabel("cause", messages.refusedSilently),
  );
  to.histogram("roost_message_latency_seconds", messages.latencyMs);
  to.histogram("roost_message_ack_seconds", messages.ackMs);
  to.value("roost_signals_accepted_total", () => signals.accepted);
  to.histogram("roost_commit_rows", commits.rows);
  to.histogram("roost_commit_bytes", commits.bytes);
  to.histogram("roost_commit_latency_seconds", commits.latencyMs);
  to.values("roost_damaged_records_total", () => byLabel("kind", counters.damaged));
  to.histogram("roost_loop_lag_seconds", counters.loopLagMs);
  to.values("roost_sign_ins_total", () => byLabels(["kind", "result"], counters.signIns));
  to.values("roost_admission_refused_total", () => refusals(counters));
  to.values("roost_rate_limited_total", () => byLabel("limit", counters.rateLimited));
  to.values("roost_requests_total", () => requests(counters));
}

function* refusals({ admissionRefused }: Counters): Iterable<Sample> {
  for (const kind of Object.keys(REFUSALS) as AdmissionKind[]) {
    for (const reason of REFUSALS[kind]) yield [{ kind, reason }, admissionRefused[kind][reason]];
  }
}

function* requests({ outcomes }: Counters): Iterable<Sample> {
  for (const [name, outcome, count] of outcomes.entries()) yield [{ name, outcome }, count];
}
