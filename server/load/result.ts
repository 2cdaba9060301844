/** What a run has found: plain data, from which all reports are made. */
import type { Counts, Fault } from "./tally.ts";
import type { LatencySummary, Timed } from "./latency.ts";
import type { MessageCounts, MessageMismatches } from "./message_book.ts";
import type { PresenceCounts, PresenceMismatches } from "./presence_book.ts";
import type { ScenarioOptions } from "./scenario.ts";

/** One second or so of a run. */
export interface Point {
  /** Seconds since the start. */
  readonly at: number;
  readonly phase: string;
  readonly online: number;
  /** A second, each. */
  readonly signIns: number;
  readonly presence: number;
  readonly messages: number;
  readonly events: number;
  /** µs in this interval, null where nothing was timed. */
  readonly latencies: Readonly<
    Partial<Record<Timed, { readonly p50Us: number; readonly p99Us: number }>>
  >;
  /** Cores used by the server and by this tool's processes; null where not known. */
  readonly serverCpu: number | null;
  readonly serverRssBytes: number | null;
  readonly toolCpu: number;
  readonly toolRssBytes: number;
}

/** A phase as it went. */
export interface PhaseResult {
  readonly name: string;
  readonly measured: boolean;
  readonly from: number;
  readonly to: number;
  /** Users who were to come online in it and did not. */
  readonly missing: number;
}

/** Totals of the measured phase alone, from its start to its end. */
export interface Window {
  readonly seconds: number;
  readonly signIns: number;
  /** Presence that arrived at watchers, changes and first presence alike. */
  readonly presence: number;
  readonly messages: number;
  readonly serverCpuUs: number | null;
  readonly toolCpuUs: number;
  readonly events: number;
  readonly frames: number;
}

/** What was timed. */
export interface LatencyResult extends LatencySummary {
  /** At the percentiles of `CURVE`. */
  readonly curveUs: readonly number[];
}

/** What is known of the server's process. */
export interface ServerUse {
  readonly pid: number;
  readonly rssBeforeBytes: number;
  readonly rssPeakBytes: number;
  readonly rssAfterBytes: number;
  /** Its metrics after the run, where they could be read; counters less what they were before. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Everything about a run. */
export interface RunResult {
  readonly v: 1;
  readonly program: string;
  readonly command: string;
  readonly scenario: string;
  readonly summary: string;
  readonly target: string;
  readonly startedAt: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly options: ScenarioOptions & {
    readonly processes: number;
    readonly auth: string;
    readonly bodyBytes: number;
    readonly ackMs: number;
    readonly graceMs: number;
  };
  /** Whether somebody ended it early. */
  readonly stopped: boolean;
  readonly phases: readonly PhaseResult[];
  readonly points: readonly Point[];
  /** null where the run ended before. */
  readonly window: Window | null;
  readonly latencies: Readonly<Partial<Record<Timed, LatencyResult>>>;
  readonly counts: Counts;
  readonly presence: PresenceCounts & PresenceMismatches;
  readonly messages: MessageCounts & MessageMismatches & { readonly unanswered: number };
  readonly falseOffline: number;
  /** Longest time that a dropped user was away (ms); 0 where none was. */
  readonly awayMaxMs: number;
  readonly settledSeconds: number;
  readonly server: ServerUse | null;
  readonly faults: readonly Fault[];
  /** What is wrong: each a sentence; empty where everything was as promised. */
  readonly violations: readonly string[];
  /** What makes the figures doubtful, or would improve them. */
  readonly hints: readonly string[];
}

/** What must not be. */
export function violationsOf(
  r: Pick<
    RunResult,
    "stopped" | "phases" | "presence" | "messages" | "falseOffline" | "counts" | "options"
  >,
): readonly string[] {
  const list: string[] = [];
  if (r.stopped) return ["The run was stopped: what was on its way then was not waited for"];
  const check = (count: number, text: string) => {
    if (count > 0) list.push(`${count} ${text}`);
  };
  for (const { name, missing } of r.phases) {
    check(missing, `users who were to come online did not (phase "${name}")`);
  }
  check(r.presence.stale, "watchers do not hold a contact's final presence");
  check(r.presence.backwards, "presence changes arrived after a newer one");
  check(r.presence.wrong, "presence events name the wrong user or show");
  check(r.messages.missing, "accepted messages did not arrive");
  check(r.messages.outOfTurn, "messages arrived again, or after later ones");
  check(r.messages.wrong, "messages came from somebody who did not send them");
  check(Math.max(0, r.messages.skipped - r.messages.undelivered), "messages were skipped");
  const repeated = r.counts.sendsRepeated;
  check(
    Math.max(0, r.messages.reordered - repeated),
    "messages were taken in another order than they were sent",
  );
  check(Math.max(0, r.messages.surplus - repeated), "messages arrived that were not accepted");
  check(r.messages.gaps, "mailbox events did not follow the one before");
  check(r.messages.unanswered, "messages were never answered");
  check(r.falseOffline, `contacts were shown offline though back within ${r.options.graceMs} ms`);
  check(r.counts.malformed, "frames were malformed");
  check(r.counts.signInsFailed, "users could not sign in");
  return list;
}

/** What should be known when reading the figures. */
export function hintsOf(
  r: Pick<RunResult, "latencies" | "faults" | "counts" | "points" | "window" | "options">,
): readonly string[] {
  const list: string[] = [];
  const late = r.latencies.lateness;
  if (late !== undefined && late.p99Us > 20_000) {
    list.push(
      `This tool itself was late by ${Math.round(late.p99Us / 1000)} ms at p99: ` +
        "the figures include that. Give it another core or more --processes.",
    );
  }
  if (r.window !== null && r.window.toolCpuUs > 0.9e6 * r.window.seconds * r.options.processes) {
    list.push("This tool used all of its cores: the server may be faster. Use more --processes.");
  }
  const limited = r.faults.filter((fault) => fault.what.endsWith("rate_limited"));
  for (const { what, count } of limited) {
    list.push(
      `The server's limits refused ${count} times (${what}): use more --users, a lower --rate, or ` +
        `start it with a higher ${knobFor(what)}.`,
    );
  }
  if (r.counts.skipped > 0) {
    list.push(`${r.counts.skipped} operations were due when nobody was online to do them.`);
  }
  return list;
}

function knobFor(what: string): string {
  if (what.startsWith("presence")) return "limits.presencePerSecond and limits.framesPerSecond";
  if (what.startsWith("send")) return "limits.sendsPerSecond and limits.framesPerSecond";
  if (what.startsWith("signal")) return "limits.signalsPerSecond";
  if (what.startsWith("sign-in")) return "limits.requestsPerAddressPerSecond";
  return "limits.framesPerSecond";
}
