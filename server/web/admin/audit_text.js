// @ts-check
/** The audit log as people read it, and what they ask of it as the server takes it. */

/**
 * An entry, as the admin API has it.
 * @typedef {{ id: string, at: string, log: string, node: string, actor: string, action: string,
 * outcome: string, address?: string, target?: string, user?: string, device?: string,
 * method?: string, count?: number, detail?: string }} Entry
 * @typedef {{ log: string, actor: string, user: string, action: string, from: string, to: string }} Fields
 * @typedef {Partial<Record<keyof Fields, string>>} Query
 */

/** The same characters as in the server's logs (`server/text/visible.ts`): controls, and what changes direction. */
const UNSEEN =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text with every control character as `\u001b`. @param {string} text */
export function visible(text) {
  return text.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** An entry as one line of a file: JSON, as `roost audit export` writes it. @param {Entry} entry */
export function lineOf(entry) {
  return `${visible(JSON.stringify(entry))}\n`;
}

/** Day and time of this browser's zone, to the second. @param {string} iso */
export function timeText(iso) {
  const date = new Date(iso);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    date.toTimeString().slice(0, 8);
}

/** What an entry is about, besides who did what. @param {Entry} entry */
export function aboutText({ actor, count, detail, device, method, target, user }) {
  const whom = user === undefined || actor === `user:${user}` ? undefined : user;
  const often = count === undefined ? undefined : `${count} times`;
  const parts = [target, whom, method, device, often, detail];
  return parts.filter((part) => part !== undefined && part !== "").map((part) => visible(`${part}`))
    .join(" · ");
}

const AGO = /^\d{1,6}[smhd]$/;
const LOCAL = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/;
const WHOLE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/** A day, with a time or without one, of this browser's zone; null where there is no such time. @param {string} text */
function localTime(text) {
  const [year, month, day, hour, minute, second] = LOCAL.exec(text)?.slice(1)
    .map((part) => Number(part ?? 0)) ?? [];
  if (year === undefined || month === undefined) return null;
  if ((hour ?? 0) > 23 || (minute ?? 0) > 59 || (second ?? 0) > 59) return null;
  const date = new Date(year, month - 1, day, hour, minute, second);
  // The 31st of a month that has 30 days is none.
  return date.getMonth() === month - 1 && date.getDate() === day ? date.toISOString() : null;
}

/** What the server takes for a time; null for none. @param {string} text */
function timeOf(text) {
  if (AGO.test(text)) return text;
  if (!WHOLE.test(text)) return localTime(text);
  return Number.isNaN(Date.parse(text)) ? null : text;
}

/** Milliseconds since 1970. @param {string} time @param {number} nowMs */
function msOf(time, nowMs) {
  const units = /** @type {Record<string, number>} */ ({ s: 1, m: 60, h: 3600, d: 86_400 });
  const unit = units[time.at(-1) ?? ""];
  return unit === undefined ? Date.parse(time) : nowMs - Number(time.slice(0, -1)) * unit * 1000;
}

/**
 * What to ask for, or the field that is wrong and why.
 * @param {Fields} fields
 * @param {number} nowMs
 * @returns {{ ok: true, query: Query } | { ok: false, field: "from" | "to", why: string }}
 */
export function queryOf(fields, nowMs) {
  /** @type {Query} */
  const query = {};
  for (const name of /** @type {const} */ (["log", "actor", "user", "action"])) {
    const text = fields[name].trim();
    if (text !== "") query[name] = text;
  }
  for (const [name, label] of /** @type {const} */ ([["from", "From"], ["to", "Before"]])) {
    const text = fields[name].trim();
    if (text === "") continue;
    const time = timeOf(text);
    if (time === null) {
      const why =
        `“${label}” is not a time. Write 2026-11-30, 2026-11-30 17:45, or how long ago: ` +
        "30m, 12h, 7d.";
      return { ok: false, field: name, why };
    }
    query[name] = time;
  }
  const { from, to } = query;
  if (from !== undefined && to !== undefined && msOf(from, nowMs) >= msOf(to, nowMs)) {
    const why = "“From” is not earlier than “Before”, so there can be no entries between them.";
    return { ok: false, field: "from", why };
  }
  return { ok: true, query };
}
