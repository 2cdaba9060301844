// @ts-check
/** The web chat's start: who is signed in here, and what is shown until that is known. */
import { createClient } from "../client.js";
import { App } from "./app.js";
import { AppInstall, startWorker } from "./app_install.js";
import { bdi, button, byId, partsOf, setText } from "./dom.js";
import { fillPage } from "./fill.js";
import { issuerErrorText, takeReturned } from "./issuers.js";
import { homeLinks } from "./moved.js";
import { oneLine } from "./rich_text.js";
import { resetForm, takeReset } from "./reset.js";
import { secondForm } from "./second.js";
import { SERVER } from "./server.js";
import { SignIn } from "./sign_in.js";
import { deviceLabel, errorText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/** The client's record in a storage, which servers below different paths share. */
const KEY = `roost chat${SERVER.pathname.replace(/\/$/, "")}`;
/** In the tab's storage: the sign-in is this tab's own. */
const OWN = "roost chat own";
/** In the tab's storage, across a reload: why nobody is signed in any more. */
const TOLD = "roost chat told";
/** In the tab's storage: the invite of the link that led here. */
const INVITE = "roost chat invite";

/** @param {"wait" | "sign-in" | "chat"} name */
function showScreen(name) {
  for (const each of ["wait", "sign-in", "chat"]) {
    byId(`screen-${each}`, HTMLElement).hidden = each !== name;
  }
}

/**
 * @param {string} text
 * @param {...HTMLElement} actions
 */
function showWait(text, ...actions) {
  showScreen("wait");
  setText(byId("wait-text", HTMLElement), text);
  byId("wait-actions", HTMLElement).replaceChildren(...actions);
}

/** What a tab's storage had under a key; it is gone then. @param {string} key */
function takeNote(key) {
  const note = sessionStorage.getItem(key);
  sessionStorage.removeItem(key);
  return note;
}

/** Whether somebody is signed in by a storage. @param {Storage} storage */
function hasToken(storage) {
  try {
    return typeof JSON.parse(storage.getItem(KEY) ?? "{}").token === "string";
  } catch {
    return false;
  }
}

/** Whether tabs can share a sign-in; without that nothing can be remembered safely. */
const canRemember = () => "locks" in navigator;

/** @param {boolean} remember whether the sign-in is that of all tabs, or of this one */
function newClient(remember) {
  const storage = remember ? localStorage : sessionStorage;
  const label = deviceLabel(navigator.userAgent);
  return createClient({ url: SERVER.href, storage, storageKey: KEY, share: remember, label });
}

/** The code of the link that led here, `/?invite=CODE`; it does not stay in the address. */
function takeInvite() {
  const address = new URL(location.href);
  const code = address.searchParams.get("invite");
  if (code !== null) {
    sessionStorage.setItem(INVITE, code.trim().slice(0, 200));
    address.searchParams.delete("invite");
    history.replaceState(null, "", address);
  }
  return sessionStorage.getItem(INVITE);
}

/** @param {Api.Client} client */
function showChat(client) {
  sessionStorage.removeItem(INVITE);
  showScreen("chat");
  const own = sessionStorage.getItem(OWN) !== null;
  new App(client, own ? sessionStorage : localStorage).start();
  const shown = client.state.user;
  let online = client.state.status === "online";
  client.on("status", ({ status, reason, user }) => {
    const told = online;
    if (status !== "signed_out") online = status === "online";
    // Another tab signed in as somebody else.
    if (status === "online" && user !== shown) location.reload();
    if (status !== "signed_out") return;
    sessionStorage.removeItem(OWN);
    if (reason === "unauthorized") {
      sessionStorage.setItem(TOLD, t.start.signedOutElsewhere);
    }
    if (told && navigator.onLine) return location.reload();
    // Without a network the page cannot be loaded again: what it shows is taken away here.
    byId("panes", HTMLElement).remove();
    for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
    const again = button(t.signIn.go, () => location.reload(), { class: "main" });
    showWait(t.start.signedOutOffline, again);
  });
}

/**
 * The account has as many sessions as it may: one of them has to end first.
 * @param {Api.Client} client
 */
async function showFull(client) {
  const devices = await client.devices();
  const actions = devices.filter(({ online }) => online).map(({ device, label }) => {
    const end = button("", () => goOn(client, { end: device }));
    end.append(...partsOf(t.start.endDevice, bdi(oneLine(label) || device)));
    return end;
  });
  showWait(t.start.full, ...actions);
}

/**
 * Goes on with a sign-in that is stored.
 * @param {Api.Client} client
 * @param {Api.SignInOptions} [options]
 */
async function goOn(client, options) {
  const tell = () => {
    const waits = client.state.status === "waiting";
    if (!navigator.onLine) showWait(t.start.offline);
    else showWait(waits ? t.start.noConnection : t.start.connecting);
  };
  tell();
  const told = new AbortController();
  for (const event of ["online", "offline"]) {
    addEventListener(event, tell, { signal: told.signal });
  }
  const unheard = client.on("status", ({ status }) => {
    if (status === "waiting") tell();
  });
  const stop = () => {
    unheard();
    told.abort();
  };
  try {
    await client.signIn(undefined, options);
    stop();
    showChat(client);
  } catch (error) {
    stop();
    const { code } = /** @type {Api.RoostError} */ (error);
    if (code === "limit_reached") return await showFull(client);
    client.close();
    if (code !== "unauthorized") {
      const again = button(t.common.tryAgain, () => location.reload(), { class: "main" });
      showWait(errorText(error) ?? t.start.ended, ...homeLinks(error), again);
      return;
    }
    sessionStorage.removeItem(OWN);
    showSignIn(true, t.start.signedOutElsewhere);
  }
}

/**
 * Ends a sign-in at an issuer.
 * @param {import("./issuers.js").Returned} returned
 */
async function comeBack({ name, remember, response }) {
  const kept = remember && canRemember();
  const client = newClient(kept);
  showWait(t.start.signingIn);
  try {
    await enter(client, kept, () => client.signIn({ response }));
  } catch (error) {
    client.close();
    showSignIn(true, issuerErrorText(error, name));
    byId("sign-in-error", HTMLElement).append(...homeLinks(error).flatMap((link) => [" ", link]));
  }
}

/** @param {string} code of a link to set a new password */
async function showReset(code) {
  const done = (/** @type {string} */ user) => {
    showSignIn(true, t.start.passwordSet);
    byId("user", HTMLInputElement).value = user;
    byId("password", HTMLInputElement).focus();
  };
  showWait("", await resetForm(code, done));
}

/**
 * @param {boolean} remember whether it is offered to stay signed in
 * @param {string} told
 */
function showSignIn(remember, told = "") {
  showScreen("sign-in");
  const how = { remember: remember && canRemember(), told, invite: takeInvite() };
  new SignIn({ ...how, run: signIn, runPasskey }).start();
}

/**
 * Ends a sign-in and shows the chat; rejects where that fails.
 * @param {Api.Client} client
 * @param {boolean} remember
 * @param {() => Promise<unknown>} end
 */
async function enter(client, remember, end) {
  try {
    await end();
  } catch (error) {
    if (/** @type {Api.RoostError} */ (error).code !== "limit_reached") throw error;
    if (!remember) sessionStorage.setItem(OWN, "1");
    return await showFull(client);
  }
  if (!remember) sessionStorage.setItem(OWN, "1");
  showChat(client);
}

/**
 * Signs in with a passkey alone; rejects where that fails.
 * @param {boolean} remember
 * @param {AbortSignal} signal somebody has signed in otherwise meanwhile
 */
async function runPasskey(remember, signal) {
  const client = newClient(remember);
  try {
    await enter(client, remember, () => client.signInWithPasskey({ signal }));
  } catch (error) {
    client.close();
    throw error;
  }
}

/**
 * Signs in or up; rejects where that fails.
 * @param {{ user: string, password: string, invite?: string, plain?: boolean }} account
 * @param {{ isNew: boolean, remember: boolean }} how
 */
async function signIn(account, { isNew, remember }) {
  const client = newClient(remember);
  try {
    if (!isNew) return await enter(client, remember, () => client.signIn(account));
    await client.register(account);
  } catch (error) {
    const { second } = /** @type {Api.RoostError} */ (error);
    if (second !== undefined) return showSecond(client, second, remember);
    client.close();
    throw error;
  }
  if (!remember) sessionStorage.setItem(OWN, "1");
  showChat(client);
}

/**
 * Goes on with a sign-in whose password was right.
 * @param {Api.Client} client
 * @param {Api.SecondFactor} second
 * @param {boolean} remember
 */
function showSecond(client, { exchange, methods }, remember) {
  const { focus, form } = secondForm({
    methods,
    again: () => location.reload(),
    prove: (code) => enter(client, remember, () => client.signIn({ second: exchange, code })),
    byPasskey: () => enter(client, remember, () => client.signInWithPasskey({ second: exchange })),
  });
  showWait("", form);
  focus();
}

fillPage();
new AppInstall();
startWorker();
takeInvite();
const told = takeNote(TOLD) ?? "";
const returned = takeReturned();
const reset = takeReset();
if (reset !== null) await showReset(reset);
else if (returned !== null) await comeBack(returned);
else if (sessionStorage.getItem(OWN) !== null && hasToken(sessionStorage)) {
  await goOn(newClient(false));
} else if (canRemember() && hasToken(localStorage)) await goOn(newClient(true));
else showSignIn(true, told);
