// @ts-check
/** The web chat's start: who is signed in here, in which tab, and what is shown until that is known. */
import { createClient } from "../client.js";
import { App } from "./app.js";
import { button, byId, setText } from "./dom.js";
import { SignIn } from "./sign_in.js";
import { canRemember, claim } from "./tabs.js";
import { deviceLabel, errorText } from "./text.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/** The client's record in a storage. */
const KEY = "roost chat";
/** In the tab's storage: the sign-in is this tab's own. */
const OWN = "roost chat own";
/** In the tab's storage, across a reload: take the sign-in over from another tab. */
const HERE = "roost chat here";
/** In the tab's storage, across a reload: why nobody is signed in any more. */
const TOLD = "roost chat told";

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

/** @param {Storage} storage */
function newClient(storage) {
  return createClient({ storage, storageKey: KEY, label: deviceLabel(navigator.userAgent) });
}

/** @param {Api.Client} client */
function showChat(client) {
  showScreen("chat");
  new App(client).start();
  client.on("status", ({ status, reason }) => {
    if (status !== "signed_out") return;
    sessionStorage.removeItem(OWN);
    if (reason === "unauthorized") {
      sessionStorage.setItem(TOLD, "You were signed out. Sign in again to go on.");
    }
    location.reload();
  });
}

/** Another tab has the sign-in. */
function showElsewhere() {
  const here = button("Use it here", () => {
    sessionStorage.setItem(HERE, "1");
    location.reload();
  }, { class: "main" });
  const other = button("Sign in as somebody else", () => showSignIn(false));
  showWait("The chat is open in another tab.", here, other);
  here.focus();
}

/** @param {Storage} storage */
async function goOn(storage) {
  const client = newClient(storage);
  showWait("Connecting …");
  const stop = client.on("status", ({ status }) => {
    if (status === "waiting") showWait("No connection. Trying again …");
  });
  try {
    await client.signIn();
    stop();
    showChat(client);
    return client;
  } catch (error) {
    stop();
    client.close();
    const { code } = /** @type {Api.RoostError} */ (error);
    if (code !== "unauthorized") {
      const again = button("Try again", () => location.reload(), { class: "main" });
      showWait(errorText(error) ?? "The sign-in has ended.", again);
      return null;
    }
    sessionStorage.removeItem(OWN);
    showSignIn(true, "You were signed out. Sign in again to go on.");
    return null;
  }
}

/** Goes on with the sign-in that is remembered, in this tab alone. */
async function goOnRemembered() {
  /** @type {{ client: Api.Client | null }} */
  const running = { client: null };
  const lost = () => {
    running.client?.close();
    showElsewhere();
  };
  const lock = await claim({ takeOver: takeNote(HERE) !== null, lost });
  if (lock === null) return showElsewhere();
  running.client = await goOn(localStorage);
  if (running.client === null) lock.release();
}

/**
 * @param {boolean} remember whether it is offered to stay signed in
 * @param {string} told
 */
function showSignIn(remember, told = "") {
  showScreen("sign-in");
  new SignIn({ remember: remember && canRemember(), told, run: signIn }).start();
}

/**
 * Signs in or up; rejects where that fails.
 * @param {{ user: string, password: string, invite?: string }} account
 * @param {{ isNew: boolean, remember: boolean }} how
 */
async function signIn(account, { isNew, remember }) {
  /** @type {{ client: Api.Client | null }} */
  const running = { client: null };
  const lost = () => {
    running.client?.close();
    showElsewhere();
  };
  const lock = remember ? await claim({ takeOver: true, lost }) : null;
  const client = newClient(remember ? localStorage : sessionStorage);
  running.client = client;
  try {
    await (isNew ? client.register(account) : client.signIn(account));
  } catch (error) {
    running.client = null;
    client.close();
    lock?.release();
    throw error;
  }
  if (!remember) sessionStorage.setItem(OWN, "1");
  showChat(client);
}

const told = takeNote(TOLD) ?? "";
if (sessionStorage.getItem(OWN) !== null && hasToken(sessionStorage)) await goOn(sessionStorage);
else if (canRemember() && hasToken(localStorage)) await goOnRemembered();
else showSignIn(true, told);
