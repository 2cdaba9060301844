// @ts-check
/** What the chat says in words. Nothing here touches the page. */
import { oneLine } from "./rich_text.js";

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
  if (show === "unknown") return "Unknown at the moment";
  const said = oneLine(status);
  return said === "" ? showText(show) : `${showText(show)} – ${said}`;
}

/** @param {number} at */
export function timeText(at) {
  return new Date(at).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
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
  bad_request: "That is not possible.",
  too_large: "This is too long.",
  not_found: "This does not exist any more.",
  forbidden: "This is not allowed.",
  unsupported: "The server cannot do this.",
  reset: "That did not work. Try again.",
  offline: "The server does not answer. Check the connection and try again.",
  untrusted: "The server could not prove that it knows this account. Nothing was sent to it.",
  busy: "The server has too much to do. Try again in a moment.",
  unavailable: "The server cannot do this now. Try again in a moment.",
  limit_reached: "There are too many already.",
  moved: "This account is at home at another server. Sign in there:",
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
 * Why a message was not taken.
 * @param {unknown} error
 */
export function sendErrorText(error) {
  const { code, retryAfterMs } =
    /** @type {{ code?: string, retryAfterMs?: number }} */ (error ?? {});
  if (code === "limit_reached") {
    return retryAfterMs === undefined
      ? "Not sent: too many messages wait for them to accept already."
      : "Not sent: you have sent too many messages. Try again later.";
  }
  return errorText(error) ?? "Not sent";
}

/**
 * Why signing in or up failed.
 * @param {unknown} error
 * @param {{ readonly isNew?: boolean, readonly invited?: boolean }} how
 */
export function signInErrorText(error, { isNew = false, invited = false } = {}) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  if (code === "unauthorized") return "The name or the password is wrong.";
  if (isNew && code === "conflict") return "This name is taken. Choose another one.";
  if (isNew && code === "bad_request") return "This name or password cannot be used. Try another.";
  if (isNew && code === "forbidden") {
    return invited
      ? "This invite is not valid (any more). Ask for another one."
      : "New accounts cannot be made here.";
  }
  return errorText(error) ?? "That did not work.";
}

/** A rule for passwords. @param {number} lengthMin */
export const passwordRule = (lengthMin) =>
  lengthMin <= 1 ? "" : `At least ${lengthMin} characters.`;

/**
 * What is wrong with a new password, in words; null where nothing is.
 * @param {string} password
 * @param {number} lengthMin characters
 */
export function passwordFault(password, lengthMin) {
  if ([...password].length < lengthMin) return `Use at least ${lengthMin} characters.`;
  if (new TextEncoder().encode(password).length > 1024) return "This password is too long.";
  return /\p{C}/u.test(password) ? "This password has characters that cannot be used." : null;
}

/** Why a message was refused. @type {Readonly<Record<string, string>>} */
const REASONS = {
  "": "it was not accepted",
  not_accepted: "it was not accepted",
  blocked: "it was not accepted",
};

/** @param {string} reason @param {string} peer the recipient's name */
export const reasonText = (reason, peer) =>
  reason === "quota"
    ? `Not delivered: ${peer}'s mailbox is full`
    : `Not delivered: ${REASONS[reason] ?? "the server refused it"}`;

/**
 * What is said before somebody signs out.
 * @param {{ readonly online: boolean, readonly waiting: number, readonly drafts: number,
 *   readonly expiresAt: number | null }} state
 * @returns {readonly string[]} paragraphs
 */
export function signOutText({ online, waiting, drafts, expiresAt }) {
  const lost = [
    ...waiting > 0 ? [waiting === 1 ? "1 message" : `${waiting} messages`] : [],
    ...drafts > 0 ? [drafts === 1 ? "1 draft" : `${drafts} drafts`] : [],
  ].join(" and ");
  const paragraphs = [];
  if (!online) {
    const until = expiresAt === null ? "" : ` on ${dateText(expiresAt)}`;
    paragraphs.push(
      "There is no connection, so that the server cannot be notified. This browser forgets your " +
        "sign-in and your messages now. For the server this device stays signed in until its " +
        `sign-in ends${until}, or until you sign it out in the settings of another device.`,
    );
  }
  if (lost !== "") paragraphs.push(`Not sent yet, and lost if you sign out: ${lost}.`);
  return paragraphs;
}

/** @param {number} at */
const dateText = (at) =>
  new Date(at).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });

/**
 * The state of the connection; empty while all is well.
 * @param {Pick<Api.State, "status" | "reason">} state
 * @param {boolean} network whether the browser has a network
 */
export function connectionText({ status, reason }, network = true) {
  switch (status) {
    case "connecting":
    case "waiting":
      return network
        ? "No connection to the server. Reconnecting …"
        : "You are offline. Reconnecting when the network is back; messages are sent then.";
    case "stopped":
      if (reason === "moved") return ERRORS["moved"] ?? "";
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
  for (const char of name) sum = Math.imul(sum ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return ((sum ^ (sum >>> 15)) * 5 >>> 0) % 8;
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
