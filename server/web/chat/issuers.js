// @ts-check
/** Sign-in at issuers: the buttons that lead to them, and what they say when a user is back. */
import { beginSignIn } from "../client.js";
import { button, make } from "./dom.js";
import { SERVER } from "./server.js";
import { t } from "./texts.js";

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
    const go = button(t.signIn.withIssuer(name), async () => {
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
    { class: "issuers", role: "group", "aria-label": t.signIn.otherWays },
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
  return { response, name: way.name ?? t.issuer.unnamed, remember: way.remember === true };
}

/** A text about an issuer, by a reason or code. @typedef {Readonly<Record<string, (name: string) => string>>} IssuerTexts */

/**
 * Why a sign-in at an issuer failed.
 * @param {unknown} error
 * @param {string} name the issuer's
 */
export function issuerErrorText(error, name) {
  const { code = "", message = "" } =
    /** @type {{ code?: string, message?: string }} */ (error ?? {});
  const reason = code === "unauthorized" ? /\((\w+)\)/.exec(message)?.[1] ?? "" : "";
  /** @type {{ readonly reasons: IssuerTexts, readonly codes: IssuerTexts }} */
  const { reasons, codes } = t.issuer;
  const text = reasons[reason] ?? codes[code];
  return text === undefined ? t.common.failedTryAgain : text(name);
}
