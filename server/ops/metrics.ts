/** `/metrics`: the counters and gauges of a node in Prometheus' text format, presence first. */
import { VERSION } from "../config/version.ts";
import { type AdmissionKind, REFUSALS } from "../http/admission.ts";
import type { Counters } from "../http/counters.ts";
import { Exporter, type Sample, scaled, SECONDS_PER_MS } from "./exporter.ts";

/** What is measured at the moment it is asked for. Each call should cost microseconds. */
export interface Gauges {
  /** Users that some local session watches. */
  watchedUsers(): number;
  /** Pairs of a local session and a user it watches. */
  watchers(): number;
  /** Pairs of a user and a node that wants its presence, at the shards of this node. */
  interests(): number;
  connections(): number;
  /** Unsent bytes of all sessions, what the sockets hold included. */
  outboxBytes(): number;
  cachedUsers(): number;
  /** Requests that wait for a commit. */
  commitQueue(): number;
  loopLagMs(): number;
  storeFailing(): boolean;
  ready(): boolean;
  /** Exceptions that the node has caught. */
  bugs(): number;
  rssBytes(): number;
  /** CPU time of the process so far; 0 where the platform does not say. */
  cpuMs(): number;
  /** Live sessions that read on from their mailboxes because their outbox was full. */
  behind(): number;
}

/** The answer of `/metrics`. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

function* byLabel(label: string, counts: Readonly<Record<string, number>>): Iterable<Sample> {
  for (const [key, value] of Object.entries(counts)) yield [{ [label]: key }, value];
}

function* byLabels(
  [row, column]: readonly [string, string],
  table: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Iterable<Sample> {
  for (const [a, counts] of Object.entries(table)) {
    for (const [b, value] of Object.entries(counts)) yield [{ [row]: a, [column]: b }, value];
  }
}

function addPresence(to: Exporter, { presence }: Counters, gauges: Gauges): void {
  to.counter(
    "roost_presence_deliveries_total",
    "Presence states of contacts handed to sessions.",
    () => presence.deliveries,
  );
  to.counter(
    "roost_presence_changes_total",
    "Presence changes published by the shards of this node.",
    () => presence.changes,
  );
  to.counter(
    "roost_presence_coalesced_total",
    "Presence states replaced by a newer one of the same contact before they were sent.",
    () => presence.coalesced,
  );
  to.histogram(
    "roost_presence_fan_out_sessions",
    "Local sessions told of one presence change.",
    presence.fanOut,
  );
  to.histogram(
    "roost_presence_latency_seconds",
    "Time from a presence change at its shard to the frame at a watcher's transport.",
    presence.latencyMs,
    SECONDS_PER_MS,
  );
  to.gauge(
    "roost_presence_watched_users",
    "Users whose presence some local session watches.",
    () => gauges.watchedUsers(),
  );
  to.gauge(
    "roost_presence_watchers",
    "Pairs of a local session and a user it watches.",
    () => gauges.watchers(),
  );
  to.gauge(
    "roost_presence_interests",
    "Pairs of a user of this node's shards and a node that wants its presence.",
    () => gauges.interests(),
  );
}

function addMessages(to: Exporter, { messages, signals }: Counters): void {
  to.counter(
    "roost_messages_accepted_total",
    "Messages committed with their sender.",
    () => messages.accepted,
  );
  to.counter(
    "roost_messages_delivered_total",
    "Messages handed to sessions, once for each session.",
    () => messages.delivered,
  );
  to.counters(
    "roost_messages_refused_total",
    "Sends that were refused, by the code of the answer.",
    ["code"],
    () => byLabel("code", messages.refused),
  );
  to.counters(
    "roost_messages_silently_refused_total",
    "Messages that were accepted, then refused without telling their sender, by cause.",
    ["cause"],
    () => byLabel("cause", messages.refusedSilently),
  );
  to.histogram(
    "roost_message_latency_seconds",
    "Time from the sender's frame to the frame at a recipient's transport.",
    messages.latencyMs,
    SECONDS_PER_MS,
  );
  to.histogram(
    "roost_message_ack_seconds",
    "Time from the frame of a send to its ack, which follows its commit; WebSockets only.",
    messages.ackMs,
    SECONDS_PER_MS,
  );
  to.counter("roost_signals_accepted_total", "Signals accepted.", () => signals.accepted);
  to.counter(
    "roost_signals_delivered_total",
    "Signals handed to sessions, once for each session.",
    () => signals.delivered,
  );
}

function addSessions(to: Exporter, counters: Counters, gauges: Gauges): void {
  const { sessions, connections, frames } = counters;
  to.gauges(
    "roost_sessions",
    "Live sessions by the transport that carries them; synthetic are those of roost load.",
    ["transport", "synthetic"],
    () => byLabels(["transport", "synthetic"], sessions.live),
  );
  to.gauges(
    "roost_users_online",
    "Users who have live sessions; synthetic are those of roost load.",
    ["synthetic"],
    () => byLabel("synthetic", sessions.users),
  );
  to.counter("roost_sessions_opened_total", "Sessions opened.", () => sessions.opened);
  to.counter(
    "roost_sessions_resumed_total",
    "Sessions taken up again by a new connection.",
    () => sessions.resumed,
  );
  to.counters(
    "roost_sessions_ended_total",
    "Sessions ended; lost and slow ones (readers that stalled) did not return.",
    ["reason"],
    () => byLabel("reason", sessions.ended),
  );
  to.counter(
    "roost_sessions_fell_behind_total",
    "Times that a session's outbox was full and it had to read from its mailbox.",
    () => sessions.fellBehind,
  );
  to.gauge(
    "roost_sessions_behind",
    "Live sessions whose outbox was full, and that read on from their mailbox.",
    () => gauges.behind(),
  );
  to.gauge(
    "roost_outbox_bytes",
    "Unsent bytes of all sessions, what the sockets hold included.",
    () => gauges.outboxBytes(),
  );
  to.gauge("roost_connections", "Open connections.", () => gauges.connections());
  to.counter("roost_connections_opened_total", "Connections taken.", () => connections.opened);
  to.counter(
    "roost_listener_reopened_total",
    "Times that the listener accepted no more, for want of file descriptors, and was opened anew.",
    () => connections.listenerReopened,
  );
  to.counters(
    "roost_connections_bad_total",
    "Frames and connections that kept no rules, before or after signing in.",
    ["fault"],
    () => byLabel("fault", connections.bad),
  );
  to.counter("roost_frames_received_total", "Frames received.", () => frames.received);
  to.counter("roost_received_bytes_total", "Bytes of frames received.", () => frames.receivedBytes);
  to.counter("roost_frames_sent_total", "Frames sent.", () => frames.sent);
  to.counter("roost_sent_bytes_total", "Bytes of frames sent.", () => frames.sentBytes);
}

function addCommits(to: Exporter, { commits, damaged }: Counters, gauges: Gauges): void {
  to.histogram("roost_commit_rows", "Log rows in one commit.", commits.rows);
  to.histogram("roost_commit_bytes", "Bytes of log rows in one commit.", commits.bytes);
  to.histogram(
    "roost_commit_latency_seconds",
    "Time of one commit in the store.",
    commits.latencyMs,
    SECONDS_PER_MS,
  );
  to.counters(
    "roost_commit_failures_total",
    "Writes that failed; unknown ones may have happened, fenced ones had lost a shard.",
    ["kind"],
    () => byLabel("kind", commits.failures),
  );
  to.gauge(
    "roost_commit_queue_requests",
    "Requests that wait for a commit.",
    () => gauges.commitQueue(),
  );
  to.gauge(
    "roost_store_failing",
    "1 while the store refuses writes, else 0.",
    () => Number(gauges.storeFailing()),
  );
  to.counters(
    "roost_damaged_records_total",
    "Rows of the store that were read and are damaged, each once; logged as row_damaged.",
    ["kind"],
    () => byLabel("kind", damaged),
  );
  to.gauge("roost_users_cached", "Users held in memory.", () => gauges.cachedUsers());
}

function addDoor(to: Exporter, counters: Counters): void {
  to.counters(
    "roost_sign_ins_total",
    "Sign-ins by how they proved who they are and how they ended.",
    ["kind", "result"],
    () => byLabels(["kind", "result"], counters.signIns),
  );
  to.gauge(
    "roost_sign_ins_waiting",
    "Sign-ins that wait in line.",
    () => counters.signInQueue.waiting,
  );
  to.counter(
    "roost_sign_ins_deferred_total",
    "Sign-ins that were asked to retry later, for too many came at once.",
    () => counters.signInQueue.refused,
  );
  to.counters(
    "roost_admission_refused_total",
    "Refusals under overload or at the end, by what was asked for.",
    ["kind", "reason"],
    function* () {
      for (const kind of Object.keys(REFUSALS) as AdmissionKind[]) {
        for (const reason of REFUSALS[kind]) {
          const others = reason === "full" ? counters.refusedFull[kind] : 0;
          yield [{ kind, reason }, counters.admissionRefused[kind][reason] + others];
        }
      }
    },
  );
  to.counters(
    "roost_rate_limited_total",
    "Requests that a rate limited.",
    ["limit"],
    () => byLabel("limit", counters.rateLimited),
  );
  to.counters(
    "roost_requests_total",
    "Commands and requests by name and outcome.",
    ["name", "outcome"],
    function* () {
      for (const [name, outcome, count] of counters.outcomes.entries()) {
        yield [{ name, outcome }, count];
      }
    },
  );
}

function addServices(to: Exporter, counters: Counters): void {
  const { webhooks } = counters;
  to.counter(
    "roost_webhook_events_delivered_total",
    "Events that receivers of webhooks have taken.",
    () => webhooks.delivered,
  );
  to.counter(
    "roost_webhook_requests_failed_total",
    "Requests to receivers of webhooks that failed, and are repeated.",
    () => webhooks.failed,
  );
  to.gauges(
    "roost_webhook_events",
    "Events of all webhooks that wait, and that are dead letters.",
    ["state"],
    () => [[{ state: "waiting" }, webhooks.waiting], [{ state: "dead" }, webhooks.dead]],
  );
  to.counters(
    "roost_experiment_events_total",
    "What happened to accounts of running experiments, by arm.",
    ["experiment", "arm", "what"],
    function* () {
      for (const [experiment, arm, what, count] of counters.arms) {
        yield [{ experiment, arm, what }, count];
      }
    },
  );
}

function addProcess(
  to: Exporter,
  counters: Counters,
  gauges: Gauges,
  startedAtMs: number,
): void {
  to.histogram(
    "roost_loop_lag_seconds",
    "How late the event loop ran its sampling timer.",
    counters.loopLagMs,
    SECONDS_PER_MS,
  );
  to.gauge(
    "roost_loop_lag_average_seconds",
    "Moving average of the event loop's lateness, by which admission decides.",
    () => scaled(gauges.loopLagMs(), SECONDS_PER_MS),
  );
  to.gauge(
    "roost_ready",
    "1 while the node takes new work, else 0.",
    () => Number(gauges.ready()),
  );
  to.counter(
    "roost_bugs_total",
    "Exceptions that were caught in shards and in callbacks; each is logged as node.bug.",
    () => gauges.bugs(),
  );
  to.counter(
    "roost_process_cpu_seconds_total",
    "CPU time of the process, user and system.",
    () => scaled(gauges.cpuMs(), SECONDS_PER_MS),
  );
  to.gauge("roost_resident_memory_bytes", "Resident memory.", () => gauges.rssBytes());
  to.gauge(
    "roost_start_time_seconds",
    "When the node started, since 1970.",
    () => startedAtMs / 1000,
  );
  to.gauges("roost_build_info", "Always 1.", ["version"], () => [[{ version: VERSION }, 1]]);
}

/** Exports the counters and gauges of a node that started at `startedAtMs` (since 1970). */
export function createMetrics(counters: Counters, gauges: Gauges, startedAtMs: number): Metrics {
  const exporter = new Exporter();
  addPresence(exporter, counters, gauges);
  addMessages(exporter, counters);
  addSessions(exporter, counters, gauges);
  addCommits(exporter, counters, gauges);
  addDoor(exporter, counters);
  addServices(exporter, counters);
  addProcess(exporter, counters, gauges, startedAtMs);
  const { registry } = exporter;
  return { contentType: registry.contentType, text: () => registry.metrics() };
}
