// @ts-check
/** What the chat says in words. Nothing here touches the page. */
import { localeOf } from "./language.js";
import { oneLine } from "./rich_text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/** @param {Api.Presence["show"]} show */
export const showText = (show) => Object.hasOwn(t.shows, show) ? t.shows[show] : t.shows.online;

const DAY_MS = 86_400_000;

/**
 * A presence in one line: `Away – at lunch`, `Offline, last seen yesterday, 10:20`.
 * @param {Api.Presence} presence
 * @param {number} now
 */
export function presenceText({ show, status, lastSeen }, now) {
  if (show === "offline" && lastSeen > 0) {
    const time = timeText(lastSeen);
    const days = daysBetween(lastSeen, now);
    if (days === 0) return t.presence.seenToday(time);
    return days === 1
      ? t.presence.seenYesterday(time)
      : t.presence.seenOn(dayText(lastSeen, now), time);
  }
  if (show === "unknown") return t.presence.unknown;
  const said = oneLine(status);
  return said === "" ? showText(show) : t.presence.withStatus(showText(show), said);
}

const LOCALE = localeOf(t.language, navigator.languages);
const format = (/** @type {Intl.DateTimeFormatOptions} */ options) =>
  new Intl.DateTimeFormat(LOCALE, options);
const TIME = format({ hour: "numeric", minute: "2-digit" });
const WEEKDAY = format({ weekday: "long" });
const WEEKDAY_SHORT = format({ weekday: "short" });
const DAY = format({ day: "numeric", month: "long" });
const DAY_SHORT = format({ day: "numeric", month: "short" });
const DATE = format({ day: "numeric", month: "long", year: "numeric" });

/** @param {number} at */
export const timeText = (at) => TIME.format(at);

/** @param {number} at */
function midnight(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** Days of the calendar from one time to another. @param {number} at @param {number} now */
const daysBetween = (at, now) => Math.round((midnight(now) - midnight(at)) / DAY_MS);

/**
 * `Today`, `Yesterday`, a weekday within the week before, or a date.
 * @param {number} at
 * @param {number} now
 */
export function dayText(at, now) {
  const days = daysBetween(at, now);
  if (days === 0) return t.days.today;
  if (days === 1) return t.days.yesterday;
  if (days > 1 && days < 7) return WEEKDAY.format(at);
  return (new Date(at).getFullYear() === new Date(now).getFullYear() ? DAY : DATE).format(at);
}

/**
 * Since when something is: `since yesterday`.
 * @param {number} at
 * @param {number} now
 */
export function sinceText(at, now) {
  const days = daysBetween(at, now);
  if (days === 0) return t.settings.sinceToday;
  return days === 1 ? t.settings.sinceYesterday : t.settings.since(dayText(at, now));
}

/**
 * When something was, as short as a list has room for.
 * @param {number} at
 * @param {number} now
 */
export function shortTime(at, now) {
  if (at === 0) return "";
  if (midnight(at) === midnight(now)) return timeText(at);
  return (now - at < 6 * DAY_MS ? WEEKDAY_SHORT : DAY_SHORT).format(at);
}

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
    return t.tooManyTries(Math.ceil((retryAfterMs ?? 1000) / 1000));
  }
  if (Object.hasOwn(t.errors, code)) return t.errors[/** @type {keyof typeof t.errors} */ (code)];
  return message === "" ? t.common.failed : message;
}

/**
 * Why a message was not taken.
 * @param {unknown} error
 */
export function sendErrorText(error) {
  const { code, retryAfterMs } =
    /** @type {{ code?: string, retryAfterMs?: number }} */ (error ?? {});
  if (code === "limit_reached") {
    return retryAfterMs === undefined ? t.message.tooManyWaiting : t.message.tooManySent;
  }
  return errorText(error) ?? t.message.failed;
}

/**
 * Why signing in or up failed.
 * @param {unknown} error
 * @param {{ readonly isNew?: boolean, readonly invited?: boolean }} how
 */
export function signInErrorText(error, { isNew = false, invited = false } = {}) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  if (code === "unauthorized") return t.signIn.wrong;
  if (isNew && code === "conflict") return t.signIn.taken;
  if (isNew && code === "bad_request") return t.signIn.cannotBeUsed;
  if (isNew && code === "forbidden") {
    return invited ? t.signIn.inviteInvalid : t.signIn.closed;
  }
  return errorText(error) ?? t.common.failed;
}

/** A rule for passwords. @param {number} lengthMin */
export const passwordRule = (lengthMin) => lengthMin <= 1 ? "" : t.password.rule(lengthMin);

/**
 * What is wrong with a new password, in words; null where nothing is.
 * @param {string} password
 * @param {number} lengthMin characters
 */
export function passwordFault(password, lengthMin) {
  if ([...password].length < lengthMin) return t.password.short(lengthMin);
  if (new TextEncoder().encode(password).length > 1024) return t.password.long;
  return /\p{C}/u.test(password) ? t.password.characters : null;
}

/** Reasons of recipients, which senders are not to tell apart. */
const NOT_ACCEPTED = ["", "not_accepted", "blocked"];

/** Why a message was refused. @param {string} reason @param {string} peer the recipient's name */
export function reasonText(reason, peer) {
  if (reason === "quota") return t.message.mailboxFull(peer);
  return NOT_ACCEPTED.includes(reason) ? t.message.notAccepted : t.message.refused;
}

/**
 * What is said before somebody signs out.
 * @param {{ readonly online: boolean, readonly waiting: number, readonly drafts: number,
 *   readonly expiresAt: number | null }} state
 * @returns {readonly string[]} paragraphs
 */
export function signOutText({ online, waiting, drafts, expiresAt }) {
  const messages = waiting > 0 ? t.signOut.messages(waiting) : "";
  const unsent = drafts > 0 ? t.signOut.drafts(drafts) : "";
  const lost = messages !== "" && unsent !== ""
    ? t.signOut.both(messages, unsent)
    : messages + unsent;
  return [
    ...online ? [] : [t.signOut.offline(expiresAt === null ? null : DATE.format(expiresAt))],
    ...lost === "" ? [] : [t.signOut.lost(lost)],
  ];
}

/**
 * The state of the connection; empty while all is well.
 * @param {Pick<Api.State, "status" | "reason">} state
 * @param {boolean} network whether the browser has a network
 */
export function connectionText({ status, reason }, network = true) {
  switch (status) {
    case "connecting":
    case "waiting":
      return network ? t.connection.none : t.connection.offline;
    case "stopped":
      if (reason === "moved") return t.errors.moved;
      return reason === "replaced" ? t.connection.replaced : t.connection.refused;
    default:
      return "";
  }
}

/** First letters of a name, for its badge. @param {string} name */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => word !== "");
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? "");
  return letters.join("").toLocaleUpperCase(LOCALE) || "?";
}

/** One of eight colours, always the same for a name. @param {string} name */
export function hueOf(name) {
  let sum = 7;
  for (const char of name) sum = Math.imul(sum ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return ((sum ^ (sum >>> 15)) * 5 >>> 0) % 8;
}

/** @type {readonly (readonly [string, RegExp])[]} */
const SYSTEMS = [
  ["Android", /Android/],
  ["Windows", /Windows/],
  ["Mac", /Mac OS/],
  ["Linux", /Linux/],
];

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
    : t.device.browser;
  const system = /iPhone|iPad/.exec(userAgent)?.[0] ??
    SYSTEMS.find(([, pattern]) => pattern.test(userAgent))?.[0];
  return system === undefined ? t.device.alone(browser) : t.device.on(browser, system);
}
