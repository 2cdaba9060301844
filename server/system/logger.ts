/** Structured log lines by LogTape: JSON for machines, one short line for people. */
import { configureSync, getLogger, type LogRecord, resetSync } from "@logtape/logtape";
import type { Log } from "../node/ports.ts";
import { redact } from "./redact.ts";
import type { LogOut } from "./stderr.ts";
import { visible, visibleJson } from "../text/visible.ts";

/** Levels, the most talkative first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** A level; lines below it are not made. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `json`: one object a line; `text`: for a terminal. */
export type LogFormat = "json" | "text";

/** A log whose level can be changed while it runs. */
export interface LiveLog extends Log {
  level(): LogLevel;
  setLevel(level: LogLevel): void;
  /** Takes a line of the category `audit`, whatever the level is. */
  audit(event: string, fields: Readonly<Record<string, unknown>>): void;
}

const CATEGORY = "roost";
const AUDIT_CATEGORY = "audit";

/**
 * Starts logging to `out`. LogTape has one configuration a process: a second call replaces the
 * first, whose log then writes to the new `out`. Lines below the level cost one comparison, others
 * 10 µs.
 * Fields named `time`, `level` or `event` are overwritten, in JSON; those named like secrets are masked.
 */
export function startLog(
  options: {
    readonly level: LogLevel;
    readonly format: LogFormat;
    readonly out: LogOut;
    /** What every line has besides its own fields. */
    readonly fields?: Readonly<Record<string, unknown>>;
  },
): LiveLog {
  const { fields = {} } = options;
  const form = options.format === "json" ? jsonLine : textLine;
  const line = (record: LogRecord) =>
    form({ ...record, properties: { ...fields, ...record.properties } });
  configureSync({
    reset: true,
    sinks: { out: (record: LogRecord) => options.out.write(line(record)) },
    loggers: [
      { category: CATEGORY, sinks: ["out"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: ["out"], lowestLevel: "error" },
    ],
  });
  return liveLog(options.level);
}

/** Ends what `startLog` began: lines go nowhere any more. */
export function stopLog(): void {
  resetSync();
}

function liveLog(first: LogLevel): LiveLog {
  const logger = getLogger([CATEGORY]);
  const audit = getLogger([CATEGORY, AUDIT_CATEGORY]);
  let rank = LOG_LEVELS.indexOf(first);
  const at = (level: LogLevel) => {
    const own = LOG_LEVELS.indexOf(level);
    return (event: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (own >= rank) logger[level](event, fields);
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    get debugOn() {
      return rank === 0;
    },
    audit: (event, fields) => audit.info(event, fields),
    level: () => LOG_LEVELS[rank]!,
    setLevel(level) {
      rank = LOG_LEVELS.indexOf(level);
    },
  };
}

/** One JSON object; its own three fields come first. */
export function jsonLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  const [, category] = record.category;
  const own = { time, ...levelAndEvent(record), ...(category === undefined ? {} : { category }) };
  return visibleJson({ ...own, ...redact(record.properties), ...own });
}

/** `12:00:00.123 INFO event name=value …`; texts with spaces or controls are JSON. */
export function textLine(record: LogRecord): string {
  const { level, event } = levelAndEvent(record);
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  const fields = Object.entries(redact(record.properties)).map(([name, value]) => {
    const plain = typeof value === "string" && /^[\x21\x23-\x7e]+$/.test(value);
    return ` ${name}=${plain ? value : visibleJson(value)}`;
  });
  return `${time} ${level.toUpperCase().padEnd(5)} ${visible(event)}${fields.join("")}`;
}

function levelAndEvent(record: LogRecord): { readonly level: string; readonly event: string } {
  const level = record.level === "warning" ? "warn" : record.level;
  // The event as it was given; LogTape's `message` has braces in it replaced by fields.
  return { level, event: String(record.rawMessage) };
}
