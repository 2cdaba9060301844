// @ts-check
/** What the chat says in words. Nothing here touches the page. */

/**
 * @import * as Api from "../client.d.ts"
 */

/** @type {Readonly<Record<Api.Presence["show"], string>>} */
const SHOWS = {
  online: "Online",
  chat: "Free to chat",
  away: "Away",
  xa: "Away for long",
  dnd: "Do not disturb",
  offline: "Offline",
  unknown: "Unknown",
};

/** @param {Api.Presence["show"]} show */
export const showText = (show) => SHOWS[show] ?? SHOWS.online;

const DAY_MS = 86_400_000;

/**
 * A presence in one line: `Away – at lunch`, `Offline, last seen yesterday, 10:20`.
 * @param {Api.Presence} presence
 * @param {number} now
 */
export function presenceText({ show, status, lastSeen }, now) {
  if (show === "offline" && lastSeen > 0) {
    const day = dayText(lastSeen, now);
    return `Offline, last seen ${
      day === "Today" ? "" : `${day.replace("Yesterday", "yesterday")}, `
    }${timeText(lastSeen)}`;
  }
  return status === "" ? showText(show) : `${showText(show)} – ${status}`;
}

/** @param {number} at */
export function timeText(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} at */
function midnight(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}

/**
 * `Today`, `Yesterday`, a weekday within the week before, or a date.
 * @param {number} at
 * @param {number} now
 */
export function dayText(at, now) {
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  const date = new Date(at);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return date.toLocaleDateString([], { weekday: "long" });
  const year = date.getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" };
  const format = /** @type {Intl.DateTimeFormatOptions} */ (
    { day: "numeric", month: "long", ...year }
  );
  return date.toLocaleDateString([], format);
}

/**
 * When something was, as short as a list has room for.
 * @param {number} at
 * @param {number} now
 */
export function shortTime(at, now) {
  if (at === 0) return "";
  if (midnight(at) === midnight(now)) return timeText(at);
  return now - at < 6 * DAY_MS
    ? new Date(at).toLocaleDateString([], { weekday: "short" })
    : new Date(at).toLocaleDateString([], { day: "numeric", month: "short" });
}

/** Refusals that the server's text says less well. @type {Readonly<Record<string, string>>} */
const ERRORS = {
  offline: "The server does not answer. Check the connection and try again.",
  untrusted: "The server could not prove that it knows this account. Nothing was sent to it.",
  busy: "The server has too much to do. Try again in a moment.",
  unavailable: "The server cannot do this now. Try again in a moment.",
  limit_reached: "There are too many already.",
  storage: "The browser does not let this page store anything: unsent messages may be lost.",
};

/**
 * What to tell of a failure; `null` for what nobody needs to hear.
 * @param {unknown} error
 * @returns {string | null}
 */
export function errorText(error) {
  const { code = "", message = "", retryAfterMs } =
    /** @type {{ code?: string, message?: string, retryAfterMs?: number }} */ (error ?? {});
  if (code === "closed") return null;
  if (code === "rate_limited") {
    const seconds = Math.ceil((retryAfterMs ?? 1000) / 1000);
    return `Too many tries. Wait ${seconds} ${seconds === 1 ? "second" : "seconds"}.`;
  }
  return ERRORS[code] ?? (message === "" ? "That did not work." : message);
}

/**
 * Why signing in or up failed.
 * @param {unknown} error
 */
export function signInErrorText(error) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  if (code === "unauthorized") return "The name or the password is wrong.";
  return errorText(error) ?? "That did not work.";
}

/** Why a message was refused. @type {Readonly<Record<string, string>>} */
const REASONS = {
  quota: "they have room for no more conversations",
};

/** @param {string} reason */
export const reasonText = (reason) => `Not delivered: ${REASONS[reason] ?? reason}`;

/**
 * The state of the connection; empty while all is well.
 * @param {Pick<Api.State, "status" | "reason">} state
 */
export function connectionText({ status, reason }) {
  switch (status) {
    case "connecting":
    case "waiting":
      return "No connection. Reconnecting …";
    case "stopped":
      return reason === "replaced"
        ? "This sign-in is in use elsewhere."
        : "The server refused the connection.";
    default:
      return "";
  }
}

/** First letters of a name, for its badge. @param {string} name */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => word !== "");
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? "");
  return letters.join("").toLocaleUpperCase() || "?";
}

/** One of eight colours, always the same for a name. @param {string} name */
export function hueOf(name) {
  let sum = 7;
  for (const char of name) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return sum % 8;
}

/**
 * What this browser is called in the list of devices: `Firefox on Android`.
 * @param {string} userAgent
 */
export function deviceLabel(userAgent) {
  const browser = /Edg/.test(userAgent)
    ? "Edge"
    : /Firefox|FxiOS/.test(userAgent)
    ? "Firefox"
    : /Chrom|CriOS/.test(userAgent)
    ? "Chrome"
    : /Safari/.test(userAgent)
    ? "Safari"
    : "Browser";
  const system = /iPhone|iPad/.exec(userAgent)?.[0] ??
    [["Android", /Android/], ["Windows", /Windows/], ["Mac", /Mac OS/], ["Linux", /Linux/]]
      .find(([, pattern]) => /** @type {RegExp} */ (pattern).test(userAgent))?.[0];
  return system === undefined ? `${browser}, web chat` : `${browser} on ${system}`;
}

/** Where a sentence's punctuation follows an address. */
const TAIL = /[.,;:!?'")\]}>]+$/;

/**
 * Splits a text where it has addresses of the web.
 * @param {string} text
 * @returns {readonly { readonly text: string, readonly href?: string }[]}
 */
export function splitLinks(text) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const address = match[0].replace(TAIL, "");
    if (!URL.canParse(address)) continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index) });
    parts.push({ text: address, href: new URL(address).href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}
