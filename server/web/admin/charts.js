// @ts-check
/** Which plots there are. */

/**
 * @import { Unit } from "./text.js"
 * @typedef {{ name: string, label: string, tone: number, dashed?: boolean, scale?: number }} Line
 * @typedef {{
 *   id: string, title: string, about: string, unit: Unit, lines: readonly Line[],
 *   least: number, goal?: number, none?: string,
 * }} ChartSpec
 * @typedef {{ title: string, charts: readonly ChartSpec[] }} ChartGroup
 */

/** @param {string} name @param {string} label @param {number} tone @returns {readonly Line[]} */
function percentiles(name, label, tone) {
  return [
    { name: `${name}P99`, label: `${label}p99`, tone },
    { name: `${name}P50`, label: `${label}p50`, tone, dashed: true },
  ];
}

/**
 * All plots, in groups. `least` is what an axis has at least, so that noise does not fill it. @type
 * {readonly ChartGroup[]}
 */
export const CHARTS = [
  {
    title: "Traffic",
    charts: [
      {
        id: "sessions",
        title: "Sessions",
        about: "Live sessions by what carries them; in grace: lost, and may return.",
        unit: "count",
        least: 4,
        lines: [
          { name: "websocket", label: "WebSocket", tone: 1 },
          { name: "sse", label: "SSE", tone: 3 },
          { name: "poll", label: "Long-poll", tone: 2 },
          { name: "lost", label: "In grace", tone: 4, dashed: true },
        ],
      },
      {
        id: "presence",
        title: "Presence",
        about:
          "Changes, and what they cost: a delivery for each who watches. Merged: replaced before it was sent.",
        unit: "rate",
        least: 10,
        lines: [
          { name: "presenceDeliveries", label: "Deliveries", tone: 1 },
          { name: "presenceChanges", label: "Changes", tone: 2 },
          { name: "presenceCoalesced", label: "Merged", tone: 5, dashed: true },
        ],
      },
      {
        id: "messages",
        title: "Messages",
        about: "Messages taken, and handed to sessions: once for each, the sender's own too.",
        unit: "rate",
        least: 10,
        lines: [
          { name: "messagesAccepted", label: "Taken", tone: 1 },
          { name: "messagesDelivered", label: "Handed over", tone: 2 },
          { name: "signals", label: "Signals", tone: 5, dashed: true },
        ],
      },
    ],
  },
  {
    title: "Latency",
    charts: [
      {
        id: "presence-latency",
        title: "Presence latency",
        about:
          "From a change to the frame at a watcher's connection. The goal is a p99 under 100 ms.",
        unit: "ms",
        least: 20,
        goal: 100,
        lines: percentiles("presence", "", 1),
      },
      {
        id: "message-latency",
        title: "Message latency",
        about: "From the sender's frame: to its ack, and to the recipient's connection.",
        unit: "ms",
        least: 20,
        lines: [...percentiles("ack", "Ack ", 1), ...percentiles("message", "Delivery ", 2)],
      },
      {
        id: "commit-latency",
        title: "Commit latency",
        about: "One group commit, with its fsync.",
        unit: "ms",
        least: 20,
        lines: percentiles("commit", "", 3),
      },
    ],
  },
  {
    title: "Storms",
    charts: [
      {
        id: "sign-ins",
        title: "Sign-ins",
        about:
          "Sessions opened and taken up again; attempts that were refused, for whatever reason.",
        unit: "rate",
        least: 4,
        lines: [
          { name: "sessionsOpened", label: "Opened", tone: 1 },
          { name: "sessionsResumed", label: "Resumed", tone: 3 },
          { name: "signInsRefused", label: "Refused", tone: 4 },
        ],
      },
      {
        id: "waiting",
        title: "Sign-ins in line",
        about:
          "Those who wait for their turn. Those who would wait for 15 s are asked to retry later.",
        unit: "count",
        least: 10,
        none: "Nobody waited",
        lines: [{ name: "waiting", label: "Waiting", tone: 2 }],
      },
      {
        id: "busy",
        title: "Told to come later",
        about: "Refusals with a time to return, by reason.",
        unit: "rate",
        least: 4,
        none: "Nobody was refused",
        lines: [
          { name: "queueRefused", label: "Line too long", tone: 2 },
          { name: "busyOverload", label: "Overload", tone: 4 },
          { name: "busyFull", label: "Full", tone: 1 },
          { name: "rateLimited", label: "Rate limits", tone: 5 },
          { name: "storeFailing", label: "Store failing", tone: 3 },
          { name: "busyDraining", label: "Stopping", tone: 6 },
        ],
      },
    ],
  },
  {
    title: "Slow and broken clients",
    charts: [
      {
        id: "behind",
        title: "Behind",
        about: "Sessions whose outbox is full: they read on from their mailbox.",
        unit: "count",
        least: 4,
        none: "Nobody was behind",
        lines: [{ name: "behind", label: "Behind", tone: 4 }],
      },
      {
        id: "outbox",
        title: "Unsent",
        about: "Bytes that clients have not taken yet: of all, and of the slowest.",
        unit: "bytes",
        least: 10_000,
        none: "Everything was taken",
        lines: [
          { name: "outboxBytes", label: "All", tone: 1 },
          { name: "outboxBytesTop", label: "Slowest", tone: 4 },
        ],
      },
      {
        id: "ends",
        title: "Cut off and lost",
        about: "Readers that stalled are cut off; lost ones did not return within the grace.",
        unit: "rate",
        least: 2,
        none: "Nobody was cut off or lost",
        lines: [
          { name: "cutOff", label: "Cut off", tone: 4 },
          { name: "endedSlow", label: "Slow, gone", tone: 2 },
          { name: "endedLost", label: "Lost", tone: 5 },
          { name: "badConnections", label: "Broke rules", tone: 6 },
        ],
      },
    ],
  },
  {
    title: "Process",
    charts: [
      {
        id: "loop-lag",
        title: "Event loop lag",
        about: "How late timers run; 1 ms is idle.",
        unit: "ms",
        least: 20,
        lines: percentiles("lag", "", 5),
      },
      {
        id: "memory",
        title: "Memory",
        about: "Resident memory of the process.",
        unit: "bytes",
        least: 100_000_000,
        lines: [{ name: "rssBytes", label: "Resident", tone: 1 }],
      },
      {
        id: "cpu",
        title: "CPU",
        about: "All threads; 100 % is one core.",
        unit: "cores",
        least: 0.2,
        lines: [{ name: "cpuMs", label: "CPU", tone: 3, scale: 0.001 }],
      },
      {
        id: "commits",
        title: "Commits",
        about: "Group commits, and requests in line.",
        unit: "count",
        least: 10,
        lines: [
          { name: "commits", label: "Commits/s", tone: 3 },
          { name: "commitQueue", label: "Waiting", tone: 2 },
          { name: "commitFailures", label: "Failures/s", tone: 4 },
        ],
      },
    ],
  },
];
