/** Every series of `/metrics`, presence first. The parts of a node register what they count. */

/** One series. */
export interface Series {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels?: readonly string[];
  /** Of histograms: turns the unit that is counted in (ms) into the exported one (s). */
  readonly scale?: number;
}

const counter = (name: string, help: string, ...labels: string[]): Series => {
  return { name, kind: "counter", help, labels };
};
const gauge = (name: string, help: string, ...labels: string[]): Series => {
  return { name, kind: "gauge", help, labels };
};
const histogram = (name: string, help: string): Series => {
  return { name, kind: "histogram", help, scale: name.endsWith("_seconds") ? 0.001 : 1 };
};

/** Of accounts that move between cells; those of an evacuation at the node that carries it out. */
const MOVES: readonly Series[] = [
  counter(
    "roost_moves_total",
    "Accounts that have left this cell for another one, have arrived from one, or whose move was " +
      "cancelled.",
    "outcome",
  ),
  gauge("roost_evacuation_running", "1 while accounts of the cell are moved away, else 0.", "cell"),
  gauge("roost_evacuation_moved_accounts", "Accounts that the evacuation has moved.", "cell"),
  gauge("roost_evacuation_moving_accounts", "Accounts that are on their way.", "cell"),
  gauge(
    "roost_evacuation_remaining_accounts",
    "About how many are still to move, by the part that this pass has looked at.",
    "cell",
  ),
];

/** Of copies of stores, at a process that takes part in any. */
const STANDBY: readonly Series[] = [
  gauge(
    "roost_standby_in_sync",
    "Whether a copy of this cell's store may take over by itself: at the primary of any, at a " +
      "standby of its own.",
    "cell",
  ),
  gauge("roost_standby_lag_writes", "Writes that the standby does not have.", "cell"),
  gauge("roost_standby_lag_seconds", "How long the oldest of them has waited.", "cell"),
  gauge("roost_standby_filled_bytes", "Bytes that filled the copy since it was opened.", "cell"),
  gauge("roost_standby_known", "Whether the cell is known that standby.at names.", "cell"),
  gauge("roost_standby_serves", "Whether the cell is served here, from its copy.", "cell"),
];

/** Of every process. */
const PROCESS: readonly Series[] = [
  counter("roost_process_cpu_seconds_total", "CPU time of the process, user and system."),
  gauge("roost_resident_memory_bytes", "Resident memory."),
  gauge("roost_start_time_seconds", "When the process started, since 1970."),
  gauge("roost_build_info", "Always 1.", "version"),
  counter("process_cpu_seconds_total", "CPU time of the process, user and system."),
  gauge("process_resident_memory_bytes", "Resident memory."),
  gauge("process_virtual_memory_bytes", "Size of the address space; absent outside Linux."),
  gauge("process_open_fds", "Open files and sockets; absent before Linux 6.2 and elsewhere."),
  gauge("process_max_fds", "Most files and sockets that may be open; absent outside Linux."),
  gauge("process_start_time_seconds", "When the process started, since 1970."),
];

/** In the order of the output. */
export const SERIES: readonly Series[] = [
  counter("roost_presence_deliveries_total", "Presence states of contacts handed to sessions."),
  counter("roost_presence_changes_total", "Presence changes published by the shards of this node."),
  counter(
    "roost_presence_coalesced_total",
    "Presence states replaced by a newer one of the same contact before they were sent.",
  ),
  histogram("roost_presence_fan_out_sessions", "Local sessions told of one presence change."),
  histogram(
    "roost_presence_latency_seconds",
    "Time from a presence change at its shard to the frame at a watcher's transport.",
  ),
  gauge("roost_presence_watched_users", "Users whose presence some local session watches."),
  gauge("roost_presence_watchers", "Pairs of a local session and a user it watches."),
  gauge(
    "roost_presence_interests",
    "Pairs of a user of this node's shards and a node that wants its presence.",
  ),
  counter("roost_messages_accepted_total", "Messages committed with their sender."),
  counter("roost_messages_delivered_total", "Messages handed to sessions, once for each session."),
  counter(
    "roost_messages_refused_total",
    "Sends that were refused, by the code of the answer.",
    "code",
  ),
  counter(
    "roost_messages_silently_refused_total",
    "Messages that were accepted, then refused without telling their sender, by cause.",
    "cause",
  ),
  histogram(
    "roost_message_latency_seconds",
    "Time from the sender's frame to the frame at a recipient's transport.",
  ),
  histogram(
    "roost_message_ack_seconds",
    "Time from the frame of a send to its ack, which follows its commit; WebSockets only.",
  ),
  counter("roost_signals_accepted_total", "Signals accepted."),
  counter("roost_signals_delivered_total", "Signals handed to sessions, once for each session."),
  gauge(
    "roost_sessions",
    "Live sessions by the transport that carries them; synthetic are those of roost load.",
    "transport",
    "synthetic",
  ),
  gauge(
    "roost_users_online",
    "Users who have live sessions; synthetic are those of roost load.",
    "synthetic",
  ),
  counter("roost_sessions_opened_total", "Sessions opened."),
  counter("roost_sessions_resumed_total", "Sessions taken up again by a new connection."),
  counter(
    "roost_sessions_ended_total",
    "Sessions ended; lost and slow ones (readers that stalled) did not return.",
    "reason",
  ),
  counter(
    "roost_sessions_fell_behind_total",
    "Times that a session's outbox was full and it had to read from its mailbox.",
  ),
  gauge(
    "roost_sessions_behind",
    "Live sessions whose outbox was full, and that read on from their mailbox.",
  ),
  gauge("roost_outbox_bytes", "Unsent bytes of all sessions, what the sockets hold included."),
  gauge("roost_connections", "Open connections."),
  counter("roost_connections_opened_total", "Connections taken."),
  counter(
    "roost_listener_reopened_total",
    "Times that the listener accepted no more, for want of file descriptors, and was opened anew.",
  ),
  counter(
    "roost_connections_bad_total",
    "Frames and connections that kept no rules, before or after signing in.",
    "fault",
  ),
  counter("roost_frames_received_total", "Frames received."),
  counter("roost_received_bytes_total", "Bytes of frames received."),
  counter("roost_frames_sent_total", "Frames sent."),
  counter("roost_sent_bytes_total", "Bytes of frames sent."),
  histogram("roost_commit_rows", "Log rows in one commit."),
  histogram("roost_commit_bytes", "Bytes of log rows in one commit."),
  histogram("roost_commit_latency_seconds", "Time of one commit in the store."),
  counter(
    "roost_commit_failures_total",
    "Writes that failed; unknown ones may have happened, fenced ones had lost a shard.",
    "kind",
  ),
  gauge("roost_commit_queue_requests", "Requests that wait for a commit."),
  gauge("roost_store_failing", "1 while the store refuses writes, else 0."),
  counter(
    "roost_damaged_records_total",
    "Rows of the store that were read and are damaged, each once; logged as row_damaged.",
    "kind",
  ),
  gauge("roost_users_cached", "Users held in memory."),
  counter(
    "roost_sign_ins_total",
    "Sign-ins by how they proved who they are and how they ended.",
    "kind",
    "result",
  ),
  gauge("roost_sign_ins_waiting", "Sign-ins that wait in line."),
  counter(
    "roost_sign_ins_deferred_total",
    "Sign-ins that were asked to retry later, for too many came at once.",
  ),
  counter(
    "roost_admission_refused_total",
    "Refusals under overload or at the end, by what was asked for.",
    "kind",
    "reason",
  ),
  counter("roost_rate_limited_total", "Requests that a rate limited.", "limit"),
  counter("roost_requests_total", "Commands and requests by name and outcome.", "name", "outcome"),
  counter("roost_webhook_events_delivered_total", "Events that receivers of webhooks have taken."),
  counter(
    "roost_webhook_requests_failed_total",
    "Requests to receivers of webhooks that failed, and are repeated.",
  ),
  gauge(
    "roost_webhook_events",
    "Events of all webhooks that wait, and that are dead letters.",
    "state",
  ),
  counter(
    "roost_push_messages_total",
    "Push messages by what became of them; failed ones and those put off are tried again.",
    "outcome",
  ),
  gauge("roost_push_waiting", "Push messages that wait for their turn."),
  gauge("roost_push_services_failing", "Push services that fail all the time."),
  counter(
    "roost_experiment_events_total",
    "What happened to accounts of running experiments, by arm.",
    "experiment",
    "arm",
    "what",
  ),
  histogram("roost_loop_lag_seconds", "How late the event loop ran its sampling timer."),
  gauge(
    "roost_loop_lag_average_seconds",
    "Moving average of the event loop's lateness, by which admission decides.",
  ),
  counter(
    "roost_reloads_total",
    "How often settings and their files were read again; failed: something could not be used, and " +
      "what was in use before still is.",
    "outcome",
  ),
  gauge("roost_reload_failing", "1 while the last reload failed, else 0."),
  gauge(
    "roost_certificate_expiry_seconds",
    "When the TLS certificate in use expires, since 1970; absent without one.",
  ),
  counter(
    "roost_certificate_orders_total",
    "Certificates that this node has ordered at an authority (ACME), by what came of it.",
    "outcome",
  ),
  gauge("roost_ready", "1 while the node takes new work, else 0."),
  gauge(
    "roost_clock_offset_seconds",
    "How far the wall clock of another node of the cell is ahead of this node's, by its node id.",
    "peer",
  ),
  counter(
    "roost_peer_requests_refused_total",
    "Requests that were not sent to the node of the cell that owns their shard: it has 10,000 " +
      "without a reply (full), or has replied to none for 5 s (silent).",
    "cause",
  ),
  gauge("roost_cells_links", "Nodes of another cell that are linked with this one.", "cell"),
  gauge(
    "roost_cells_round_trip_seconds",
    "Mean round trip of the best link with another cell.",
    "cell",
  ),
  gauge("roost_cells_queue_bytes", "Bytes that wait for nodes of another cell.", "cell"),
  gauge("roost_cells_lag_seconds", "How long the oldest of them has waited.", "cell"),
  gauge(
    "roost_cells_relayed",
    "Connections and requests of clients that are passed on to another cell now.",
    "cell",
  ),
  gauge(
    "roost_cells_waiting_clients",
    "Clients whose home is a cell that cannot be reached now, which wait for that.",
    "cell",
  ),
  counter("roost_cells_frames_sent_total", "Frames sent to another cell.", "cell"),
  counter("roost_cells_frame_bytes_total", "Bytes of these frames.", "cell"),
  counter("roost_cells_sent_bytes_total", "Bytes that they took, compressed.", "cell"),
  counter(
    "roost_cells_frames_dropped_total",
    "Frames that did not fit into the queue for another cell; their senders repeat them.",
    "cell",
  ),
  ...MOVES,
  ...STANDBY,
  counter(
    "roost_bugs_total",
    "Exceptions that were caught in shards and in callbacks; each is logged as node.bug.",
  ),
  counter(
    "roost_retries_total",
    "What was tried again after a failure or without a reply, by kind.",
    "kind",
  ),
  ...PROCESS,
];

/** In the order of the output, of the process that keeps workers running. */
export const SUPERVISOR_SERIES: readonly Series[] = [
  gauge("roost_workers", "Workers that there should be."),
  gauge("roost_workers_serving", "Workers that serve."),
  counter(
    "roost_worker_ends_total",
    "Ends of workers that nobody asked for; each is started again.",
    "worker",
  ),
  ...STANDBY,
  ...PROCESS,
];
