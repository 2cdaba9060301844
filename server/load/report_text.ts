/** A run for people who read it in a terminal. */
import { TIMED, TIMED_NAMES } from "./latency.ts";
import type { Point, RunResult, Window } from "./result.ts";

/** A count with thousands apart. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A time of µs in the unit that suits it. */
export function duration(us: number): string {
  if (us < 10) return `${us.toFixed(1)} µs`;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 10_000 ? 2 : us < 100_000 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

/** Bytes as MB. */
export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** One line about the last second, to be rewritten. */
export function progressLine(point: Point): string {
  const parts = [
    `${point.at.toFixed(0).padStart(4)} s`,
    point.phase,
    `${grouped(point.online)} on`,
  ];
  if (point.signIns > 0) parts.push(`${grouped(point.signIns)} sign-ins/s`);
  if (point.presence > 0) parts.push(`${grouped(point.presence)} presence/s`);
  if (point.messages > 0) parts.push(`${grouped(point.messages)} messages/s`);
  for (const name of ["presence", "message", "login", "resumed"] as const) {
    const latency = point.latencies[name];
    if (latency !== undefined) parts.push(`${name} p99 ${duration(latency.p99Us)}`);
  }
  if (point.serverCpu !== null) parts.push(`server ${point.serverCpu.toFixed(2)} cores`);
  if (point.serverRssBytes !== null) parts.push(megabytes(point.serverRssBytes));
  return parts.join(" · ");
}

/** A fact of the measured phase: what, how much, and what it cost. */
export interface Figure {
  readonly label: string;
  readonly value: string;
}

/** The figures that a run is made for. */
export function figures(r: RunResult): readonly Figure[] {
  const { window, server } = r;
  if (window === null) return [];
  const list: Figure[] = [];
  const add = (label: string, value: string) => list.push({ label, value });
  const cost = (count: number) => {
    if (window.serverCpuUs === null || count === 0) return "";
    return `, ${duration(window.serverCpuUs / count)} of server CPU each`;
  };
  const rate = (count: number) => `${grouped(count / window.seconds)}/s`;
  const main = mainCount(r.scenario, window);
  for (const [label, count] of Object.entries(countsOf(window))) {
    if (count === 0) continue;
    const each = label === main ? cost(count) : "";
    add(label, `${grouped(count)} in ${window.seconds.toFixed(1)} s: ${rate(count)}${each}`);
  }
  if (r.awayMaxMs > 0) {
    add("all back after", `${duration(r.awayMaxMs * 1000)} (the longest time away)`);
    const { resumes, sessionsKept, begunAnew } = r.counts;
    const anew = begunAnew === 0 ? "" : `, ${grouped(begunAnew)} had to read their mailbox anew`;
    add("returns", `${grouped(resumes)}, ${grouped(sessionsKept)} to the same session${anew}`);
  }
  if (server !== null) {
    const online = r.points.reduce((max, point) => Math.max(max, point.online), 0);
    const grown = server.rssPeakBytes - server.rssBeforeBytes;
    const each = online > 0 ? `, ${(grown / online / 1024).toFixed(1)} KiB a session` : "";
    add(
      "server memory",
      `${megabytes(server.rssBeforeBytes)} before, ${megabytes(server.rssPeakBytes)} peak${each}`,
    );
  }
  if (window.serverCpuUs !== null) {
    add("server CPU", `${(window.serverCpuUs / 1e6 / window.seconds).toFixed(2)} cores`);
  }
  const perEvent = window.events > 0
    ? `, ${duration(window.toolCpuUs / window.events)} an event (${
      (window.events / Math.max(1, window.frames)).toFixed(1)
    } events a frame)`
    : "";
  add(
    "this tool's CPU",
    `${(window.toolCpuUs / 1e6 / window.seconds).toFixed(2)} cores${perEvent}`,
  );
  return list;
}

function countsOf(window: Window): Readonly<Record<string, number>> {
  return {
    "presence deliveries": window.presence,
    "message deliveries": window.messages,
    "sign-ins": window.signIns,
  };
}

/** What the server's CPU is set against: the most costly thing that was asked for. */
function mainCount(scenario: string, { presence, messages }: Window): string {
  if (["login", "reconnect", "restart"].includes(scenario)) return "sign-ins";
  return presence > messages ? "presence deliveries" : "message deliveries";
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    "  " + row.map((cell, i) => i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!))
      .join("  ").trimEnd() +
    "\n"
  ).join("");
}

function latencyTable(r: RunResult): string {
  const rows: string[][] = [[
    "latency from when it was due",
    "count",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
  ]];
  for (const name of TIMED_NAMES) {
    const l = r.latencies[name];
    if (l === undefined) continue;
    const times = [l.p50Us, l.p90Us, l.p99Us, l.p999Us, l.maxUs].map(duration);
    rows.push([TIMED[name], grouped(l.count), ...times]);
  }
  return rows.length === 1 ? "" : columns(rows);
}

function checks(r: RunResult): string {
  const { presence: p, messages: m } = r;
  const lines: string[] = [];
  if (p.compared > 0) {
    const skipped = p.coalesced > 0
      ? ` (${grouped(p.coalesced)} were overtaken by newer ones on the way)`
      : "";
    lines.push(
      `presence: ${grouped(p.delivered + p.initial)} delivered${skipped}; ` +
        `${grouped(p.compared - p.stale)} of ${grouped(p.compared)} final states right`,
    );
  }
  if (m.accepted > 0 || m.received > 0) {
    lines.push(
      `messages: ${grouped(m.received)} of ${grouped(m.accepted)} accepted ones arrived, ` +
        `${m.outOfTurn} again or late, ${m.reordered} reordered`,
    );
  }
  if (r.awayMaxMs > 0) {
    const { graceMs } = r.options;
    lines.push(
      `contacts shown offline though back within ${grouped(graceMs)} ms: ${
        grouped(r.falseOffline)
      }`,
    );
  }
  lines.push(`settled in ${r.settledSeconds.toFixed(1)} s`);
  return lines.map((line) => `  ${line}\n`).join("");
}

/** The whole summary, ending with the verdict. */
export function summaryText(r: RunResult): string {
  const { users, contacts, processes } = r.options;
  const width = Math.max(0, ...figures(r).map((figure) => figure.label.length));
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? "" : `\n${title}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  const faults = r.faults.slice(0, 10).map(({ what, count, example }) =>
    `${grouped(count)} × ${what}${example === "" ? "" : ` (${example})`}`
  );
  return `\n${r.scenario}: ${r.summary}\n` +
    `${grouped(users)} users with ${contacts} contacts each against ${r.target}, ` +
    `${processes === 1 ? "one process" : `${processes} processes`}\n\n` +
    figures(r).map(({ label, value }) => `  ${label.padEnd(width)}  ${value}\n`).join("") +
    `\n${latencyTable(r)}` +
    `\nChecked at the clients\n${checks(r)}` +
    list("Refusals and faults", faults) +
    list("Mind", r.hints) +
    list("WRONG", r.violations) +
    (r.violations.length === 0 ? "\nEverything that was sent arrived as promised.\n" : "\n");
}
