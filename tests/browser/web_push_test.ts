/**
 * The web chat and push messages in Chromium. Chromium's own push service is a host outside of this
 * machine: the page's `PushManager` is replaced by one whose subscription leads to the push service
 * of the tests, and what that has got and decrypted is handed to the real service worker by DevTools.
 */
import assert from "node:assert/strict";
import type { BrowserContext, Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import type { Client } from "../../server/web/client.d.ts";
import { DESKTOP, Person, PHONE } from "../prove/browser.ts";
import { inBrowser } from "./in_browser.ts";
import { PushService } from "../process/push_service.ts";
import { untilIs } from "../process/until.ts";

const PASSWORD = "correct horse battery";
const FLAGS = ["--set", "push.graceMs=200", "--set", "push.privateTargets=true"];
const ON = "Also notify me while this page is closed";
/** Where pictures go, to be looked at; absent: there are none. */
const PICTURES = Deno.env.get("PICTURES_DIR");

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** In the page: a `PushManager` with a subscription at the push service of the tests. */
const pushManager = (service: PushService, name: string) => `
  const made = ${JSON.stringify(service.subscribe(name))};
  const KEPT = "test push";
  const subscription = (key) => ({
    options: { applicationServerKey: Uint8Array.from(JSON.parse(key)).buffer },
    toJSON: () => ({ ...made, expirationTime: null }),
    unsubscribe: async () => { localStorage.removeItem(KEPT); return true; },
  });
  PushManager.prototype.getSubscription = async () => {
    const key = localStorage.getItem(KEPT);
    return key === null ? null : subscription(key);
  };
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly) throw new TypeError("userVisibleOnly");
    const key = JSON.stringify([...applicationServerKey]);
    localStorage.setItem(KEPT, key);
    return subscription(key);
  };
`;

/** Returns a function that hands a push message to the page's service worker. */
async function delivery(context: BrowserContext, page: Page) {
  const session = await context.newCDPSession(page);
  let found = { id: "", scope: "" };
  session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
    for (const { registrationId: id, scopeURL: scope, isDeleted } of registrations) {
      if (!isDeleted) found = { id, scope };
    }
  });
  await session.send("ServiceWorker.enable");
  await untilIs("a registration", () => Promise.resolve(found), ({ id }) => id !== "");
  return async (payload: object) => {
    await session.send("ServiceWorker.deliverPushMessage", {
      origin: found.scope,
      registrationId: found.id,
      data: JSON.stringify(payload),
    });
  };
}

/** What the worker's notifications show. */
const notes = (page: Page) =>
  page.evaluate(`navigator.serviceWorker.ready.then(async (registration) =>
    (await registration.getNotifications()).map(({ title, body, tag }) => [title, body, tag]))`) as Promise<
    readonly (readonly string[])[]
  >;

const settings = (page: Page) => page.getByRole("button", { name: "Settings" }).click();
const closed = (page: Page) => page.getByRole("button", { name: "Close" }).click();

/** Ann with the chat, and bob who writes to her. */
async function meet(ann: Person, bob: Client): Promise<void> {
  await ann.signUp(PASSWORD);
  await bob.register({ user: "bob", password: PASSWORD });
  await bob.approve("ann");
  await ann.add("bob");
  await bob.subscribe("ann");
}

/** What the server knows of the page's account: asked with the page's own token. */
const rest = (page: Page) =>
  page.evaluate(`fetch("v1/push", { headers: { authorization: "Bearer " +
    JSON.parse(localStorage.getItem("roost chat")).token } }).then((told) => told.json())`) as Promise<
    readonly { service: string; content: string }[]
  >;

/** A push message is shown while ann is away, opened by a click, and not shown of what she looks at. */
async function comesAndGoes(
  { page, context }: Person,
  bob: Client,
  service: PushService,
  deliver: (payload: object) => Promise<void>,
): Promise<void> {
  // Away: invisible to the server's eyes, the push message is for this browser.
  await page.evaluate(`Object.defineProperty(document, "visibilityState",
    { value: "hidden", configurable: true })`);
  await page.getByRole("button", { name: "Change your status" }).click();
  await page.getByRole("radio", { name: "Away", exact: true }).check();
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await bob.send("ann", "Are you\nthere?");
  const pushed = await service.until(1);
  await deliver(pushed.payload);
  assert.deepEqual(await untilIs("a note", () => notes(page), (all) => all.length === 1), [
    ["bob", "Are you there?", "roost bob"],
  ]);

  // A click leads to the conversation, in the page that is open.
  const [worker] = context.serviceWorkers();
  await worker!.evaluate(`registration.getNotifications().then(([notification]) =>
    dispatchEvent(new NotificationEvent("notificationclick", { notification })))`);
  await page.locator("#talk-name", { hasText: "bob" }).waitFor();
  await untilIs("no note", () => notes(page), (all) => all.length === 0);

  // Looked at, that conversation causes none; another one does.
  await page.evaluate("delete document.visibilityState");
  await page.bringToFront();
  await deliver({ ...pushed.payload, body: "seen" });
  // The page closes what is shown when it gets the focus, which may be after it came to the front.
  const another = async () => {
    await deliver({ ...pushed.payload, from: "cid", body: "not seen" });
    return await notes(page);
  };
  assert.deepEqual(await untilIs("a note", another, (all) => all.length > 0), [
    ["cid", "not seen", "roost cid"],
  ]);
}

/** What they show is changed, and they end with the sign-in. */
async function endsWithSignIn(page: Page): Promise<void> {
  const own = () => rest(page);
  await settings(page);
  await page.getByLabel("What these notifications show").selectOption("sender");
  await untilIs("changed", own, ([first]) => first?.content === "sender");
  await page.reload();
  await page.getByRole("button", { name: "Settings" }).waitFor();
  await untilIs("still", own, ([first]) => first?.content === "sender");
  await settings(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.locator("#sign-in").waitFor();
  assert.equal(await page.evaluate(`localStorage.getItem("test push")`), null);
  assert.deepEqual(await notes(page), []);
}

inBrowser(
  "web chat: push messages are asked for, shown by the worker, opened by a click, and end (13)",
  FLAGS,
  async ({ server, browser }) => {
    const service = new PushService();
    service.start();
    const bob = createClient({ url: server.url, device: "bob" });
    try {
      const ann = await Person.open(browser, "ann", server.url, {
        viewport: DESKTOP,
        timeoutMs: 60_000,
      });
      const { page, context } = ann;
      await context.grantPermissions(["notifications"]);
      await context.addInitScript(pushManager(service, "ann"));
      await page.reload();
      await meet(ann, bob);
      const deliver = await delivery(context, page);
      await settings(page);
      const on = page.getByRole("checkbox", { name: ON });
      assert.equal(await on.isChecked(), false, "off at first");
      await on.check();
      await page.getByLabel("What these notifications show").waitFor();
      await page.locator("#push-content").scrollIntoViewIfNeeded();
      await picture(page, "push-settings-desktop");
      await untilIs("subscribed", () => rest(page), (list) => list.length === 1);
      assert.deepEqual((await rest(page)).map(({ service: at, content }) => [at, content]), [
        [service.origin, "full"],
      ]);
      await closed(page);

      await comesAndGoes(ann, bob, service, deliver);
      await endsWithSignIn(page);
      assert.deepEqual(ann.faults, []);
    } finally {
      bob.close();
      await service.stop();
    }
  },
);

inBrowser(
  "web chat: where push messages are refused, or cannot be, the settings say why (13)",
  FLAGS,
  async ({ server, browser }) => {
    const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
    const { page } = ann;
    await ann.context.addInitScript(`Notification.requestPermission = async () => "denied"`);
    await page.reload();
    await ann.signUp(PASSWORD);
    await settings(page);
    const on = page.getByRole("checkbox", { name: ON });
    await on.click();
    await page.getByText("The browser does not allow it.").waitFor();
    assert.equal(await on.isChecked(), false);
    await page.locator("#push-told").scrollIntoViewIfNeeded();
    await picture(page, "push-denied-phone");
    assert.deepEqual(await rest(page), []);
    const without = await Person.open(browser, "bob", server.url, { viewport: PHONE });
    await without.context.addInitScript("delete globalThis.PushManager");
    await without.page.reload();
    await without.page.locator("#remember").uncheck();
    await without.signUp(PASSWORD);
    await settings(without.page);
    await without.page.getByText("This browser cannot notify you while").waitFor();
    assert.equal(await without.page.getByRole("checkbox", { name: ON }).isDisabled(), true);
    const tab = await Person.open(browser, "cid", server.url, { viewport: PHONE });
    await tab.page.locator("#remember").uncheck();
    await tab.signUp(PASSWORD);
    await settings(tab.page);
    await tab.page.getByText("choose to stay signed in").waitFor();
    assert.deepEqual([...ann.faults, ...without.faults, ...tab.faults], []);
  },
);
