/** The dashboard for Grafana, of a table of panels. */

/** One graph: title, unit, and expressions with their legends. */
interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly (readonly [expr: string, legend: string])[];
}

const AT = `{instance=~"$instance"}`;
const rate = (series: string, by: string) =>
  `sum by (${by}) (rate(${series}${AT}[$__rate_interval]))`;
const sum = (series: string, by: string) => `sum by (${by}) (${series}${AT})`;
/** Of a series that other programs export, too. */
const ours = (series: string) => `sum by (instance) (${series}${AT} and on (instance) roost_ready)`;
const quantiles = (series: string): Panel["lines"] =>
  [0.5, 0.99].map((share) =>
    [
      `histogram_quantile(${share}, ${rate(`${series}_bucket`, "le")})`,
      `p${share * 100}`,
    ] as const
  );

/** Presence first: it is most of the work. */
const PANELS: readonly Panel[] = [
  {
    title: "Users online",
    unit: "short",
    lines: [[sum("roost_users_online", "synthetic"), "synthetic: {{synthetic}}"]],
  },
  {
    title: "Sessions by transport",
    unit: "short",
    lines: [[sum("roost_sessions", "transport"), "{{transport}}"]],
  },
  {
    title: "Presence",
    unit: "ops",
    lines: [
      [rate("roost_presence_changes_total", "instance"), "changes {{instance}}"],
      [rate("roost_presence_deliveries_total", "instance"), "deliveries {{instance}}"],
    ],
  },
  {
    title: "Presence: change to frame",
    unit: "s",
    lines: quantiles("roost_presence_latency_seconds"),
  },
  {
    title: "Messages",
    unit: "ops",
    lines: [
      [rate("roost_messages_accepted_total", "instance"), "accepted {{instance}}"],
      [rate("roost_messages_delivered_total", "instance"), "delivered {{instance}}"],
      [rate("roost_messages_refused_total", "code"), "refused {{code}}"],
    ],
  },
  { title: "Messages: frame to ack", unit: "s", lines: quantiles("roost_message_ack_seconds") },
  {
    title: "Messages: frame to recipient",
    unit: "s",
    lines: quantiles("roost_message_latency_seconds"),
  },
  { title: "Commits", unit: "s", lines: quantiles("roost_commit_latency_seconds") },
  {
    title: "Store",
    unit: "short",
    lines: [
      [sum("roost_store_failing", "instance"), "failing {{instance}}"],
      [sum("roost_commit_queue_requests", "instance"), "requests that wait {{instance}}"],
      [rate("roost_commit_failures_total", "kind"), "failures {{kind}}"],
    ],
  },
  {
    title: "Sign-ins",
    unit: "ops",
    lines: [[rate("roost_sign_ins_total", "kind, result"), "{{kind}} {{result}}"]],
  },
  {
    title: "Sessions ended",
    unit: "ops",
    lines: [[rate("roost_sessions_ended_total", "reason"), "{{reason}}"]],
  },
  {
    title: "Refused under overload",
    unit: "ops",
    lines: [
      [rate("roost_admission_refused_total", "kind, reason"), "{{kind}} {{reason}}"],
      [rate("roost_rate_limited_total", "limit"), "limit {{limit}}"],
    ],
  },
  {
    title: "Connections",
    unit: "short",
    lines: [[sum("roost_connections", "instance"), "{{instance}}"]],
  },
  {
    title: "Bytes sent and received",
    unit: "Bps",
    lines: [
      [rate("roost_sent_bytes_total", "instance"), "sent {{instance}}"],
      [rate("roost_received_bytes_total", "instance"), "received {{instance}}"],
    ],
  },
  {
    title: "CPU cores",
    unit: "short",
    lines: [[rate("roost_process_cpu_seconds_total", "instance"), "{{instance}}"]],
  },
  {
    title: "Resident memory",
    unit: "bytes",
    lines: [[sum("roost_resident_memory_bytes", "instance"), "{{instance}}"]],
  },
  {
    title: "Open files and sockets",
    unit: "short",
    lines: [
      [ours("process_open_fds"), "open {{instance}}"],
      [ours("process_max_fds"), "most {{instance}}"],
    ],
  },
  { title: "Event loop: lateness", unit: "s", lines: quantiles("roost_loop_lag_seconds") },
  {
    title: "Retries and bugs",
    unit: "ops",
    lines: [
      [rate("roost_retries_total", "kind"), "retries {{kind}}"],
      [rate("roost_bugs_total", "instance"), "bugs {{instance}}"],
    ],
  },
  {
    title: "Other cells: oldest bytes that wait",
    unit: "s",
    lines: [[`max by (cell) (roost_cells_lag_seconds${AT})`, "{{cell}}"]],
  },
  {
    title: "Webhook events",
    unit: "short",
    lines: [[sum("roost_webhook_events", "state"), "{{state}}"]],
  },
];

const COLUMNS = 2;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;
const SOURCE = { type: "prometheus", uid: "${source}" };

/** The dashboard as JSON, for Grafana 10 and later. */
export function grafanaDashboard(): string {
  const panels = PANELS.map(({ title, unit, lines }, i) => ({
    id: i + 1,
    type: "timeseries",
    title,
    datasource: SOURCE,
    gridPos: {
      x: i % COLUMNS * WIDTH,
      y: Math.floor(i / COLUMNS) * HEIGHT,
      w: WIDTH,
      h: HEIGHT,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: lines.map(([expr, legendFormat], n) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + n),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  }));
  const variables = [
    { name: "source", label: "Source", type: "datasource", query: "prometheus" },
    {
      name: "instance",
      label: "Instance",
      type: "query",
      datasource: SOURCE,
      query: { query: "label_values(roost_ready, instance)", refId: "instance" },
      includeAll: true,
      multi: true,
      allValue: ".*",
      current: { text: "All", value: "$__all" },
      refresh: 2,
    },
  ];
  const dashboard = {
    uid: "roost",
    title: "Roost",
    tags: ["roost"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    templating: { list: variables },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
