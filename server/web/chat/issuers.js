// @ts-check
/** Sign-in at issuers: the buttons that lead to them, and what they say when a user is back. */
import { beginSignIn } from "../client.js";
import { button, make } from "./dom.js";
import { SERVER } from "./server.js";

/** In the tab's storage on the way to an issuer: which, and whether to stay signed in. */
const WAY = "roost chat issuer";
const BACK = "#oidc?";

/** @typedef {{ readonly id: string, readonly name: string }} Issuer */
/** @typedef {{ readonly response: string, readonly name: string, readonly remember: boolean }} Returned */

/**
 * The issuers of the server's description; empty where it names none.
 * @param {unknown} told
 * @returns {readonly Issuer[]}
 */
export function issuersOf(told) {
  if (!Array.isArray(told)) return [];
  return told.filter(({ id, name }) => typeof id === "string" && typeof name === "string");
}

/**
 * A button for each issuer, which leads to it.
 * @param {readonly Issuer[]} issuers
 * @param {{ remember: () => boolean, failed: (text: string) => void }} page
 */
export function issuerButtons(issuers, { failed, remember }) {
  const buttons = issuers.map(({ id, name }) => {
    const go = button(`Sign in with ${name}`, async () => {
      go.disabled = true;
      failed("");
      try {
        const url = await beginSignIn({ url: SERVER.href, issuer: id });
        sessionStorage.setItem(WAY, JSON.stringify({ name, remember: remember() }));
        location.assign(url);
      } catch (error) {
        failed(issuerErrorText(error, name));
      }
      go.disabled = false;
    });
    return go;
  });
  return make(
    "div",
    { class: "issuers", role: "group", "aria-label": "Other ways in" },
    ...buttons,
  );
}

/** What an issuer has sent this page; it does not stay in the address. @returns {Returned | null} */
export function takeReturned() {
  if (!location.hash.startsWith(BACK)) return null;
  const response = location.hash.slice(BACK.length);
  history.replaceState(null, "", location.pathname + location.search);
  const way = JSON.parse(sessionStorage.getItem(WAY) ?? "{}");
  sessionStorage.removeItem(WAY);
  return { response, name: way.name ?? "the issuer", remember: way.remember === true };
}

/** What people can do about a refusal. @type {Readonly<Record<string, (name: string) => string>>} */
const REASONS = {
  denied: (name) => `${name} did not sign you in.`,
  state: () => "This sign-in took too long, or was begun in another browser. Try again.",
  code: () => "This sign-in was used already, or took too long. Try again.",
  nonce: () => "This sign-in does not belong to this page. Try again.",
  expired: () => "This sign-in took too long. Try again.",
  not_yet: (name) => `The clocks of ${name} and of this server differ. Tell those who run it.`,
  name: (name) => `Your name at ${name} cannot be a name here. Ask those who run this server.`,
};

/** The same by the code of the refusal. @type {Readonly<Record<string, (name: string) => string>>} */
const CODES = {
  unauthorized: (name) => `What ${name} has sent is not accepted. Tell those who run this server.`,
  conflict: () =>
    "Somebody has your name here already. If that is you, ask those who run this server.",
  forbidden: () => "You have no account here. Ask those who run this server.",
  not_found: () => "This way to sign in is not offered any more.",
  moved: () => "Your account is at home at another server. Sign in there:",
  unavailable: (name) => `${name} cannot be reached now. Try again in a moment.`,
  busy: () => "The server has too much to do. Try again in a moment.",
  rate_limited: () => "Too many tries. Wait a moment.",
  offline: () => "The server does not answer. Check the connection and try again.",
};

/**
 * Why a sign-in at an issuer failed.
 * @param {unknown} error
 * @param {string} name the issuer's
 */
export function issuerErrorText(error, name) {
  const { code = "", message = "" } =
    /** @type {{ code?: string, message?: string }} */ (error ?? {});
  const reason = code === "unauthorized" ? /\((\w+)\)/.exec(message)?.[1] ?? "" : "";
  const text = REASONS[reason] ?? CODES[code];
  return text === undefined ? "That did not work. Try again." : text(name);
}
