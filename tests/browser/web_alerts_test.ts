/** The web chat in Chromium: alerts of messages that nobody looks at, its icon, its keys, German. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import { DESKTOP, findChromium, Person, startBrowser } from "../prove/browser.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { untilIs } from "../process/until.ts";

const chromium = findChromium();
if (chromium === null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("The chat's alerts are not tested here, for there is no Chromium.");
}

const PASSWORD = "correct horse battery";

/** Notes what the page shows and lets be heard; both go on as they are. */
const SPY = `
  globalThis.seen = { notes: [], rings: 0 };
  globalThis.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      seen.notes.push({ title, body: options.body, note: this });
    }
  };
  globalThis.AudioContext = class extends AudioContext {
    constructor() {
      super();
      seen.rings++;
    }
  };
`;

interface Seen {
  readonly notes: readonly { readonly title: string; readonly body: string }[];
  readonly rings: number;
}

const seen = (page: Page) =>
  page.evaluate(
    "({ rings: seen.rings, notes: seen.notes.map(({ title, body }) => ({ title, body })) })",
  ) as Promise<Seen>;

/** Makes the page believe that it is in sight, or that it is not. */
const setVisible = (page: Page, visible: boolean) =>
  page.evaluate(`
    Object.defineProperty(document, "visibilityState", {
      value: "${visible ? "visible" : "hidden"}", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  `);

const iconOf = (page: Page) =>
  page.locator("link[rel=icon]").evaluate((link) => link.getAttribute("href") ?? "");

/** One with the chat open, and contacts that write by the client library. */
async function meet() {
  const dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const browser = await startBrowser(chromium!);
  const [bob, cid] = ["bob", "cid"].map((device) => createClient({ url: server.url, device }));
  const ann = await Person.open(browser, "ann", server.url, {
    viewport: DESKTOP,
    timeoutMs: 60_000,
  });
  await ann.context.addInitScript(SPY);
  await ann.page.reload();
  await ann.signUp(PASSWORD);
  for (const [client, user] of [[bob!, "bob"], [cid!, "cid"]] as const) {
    await client.register({ user, password: PASSWORD });
    await client.approve("ann");
    await ann.add(user);
    await client.subscribe("ann");
  }
  return {
    ...{ ann, bob: bob!, cid: cid! },
    async [Symbol.asyncDispose]() {
      for (const client of [bob, cid]) client!.close();
      await browser.close();
      await server.stop();
      dir[Symbol.dispose]();
    },
  };
}

/** Sets the alerts in the settings. */
async function choose(page: Page, name: string, checked: boolean): Promise<void> {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("checkbox", { name }).setChecked(checked);
  await page.getByRole("button", { name: "Close" }).click();
}

const NOTIFY = "Notify me of messages while I look elsewhere";
const SOUND = "With a sound";

Deno.test({
  name: "web chat: alerts only of what nobody looks at, once for all tabs, if they are wanted",
  ignore: chromium === null,
  fn: async () => {
    await using fixture = await meet();
    const { ann, bob, cid } = fixture;
    const { page } = ann;
    await ann.talkTo("cid");
    await page.locator(".find").click();
    await bob.send("ann", "while she looks");
    await page.locator("#people .unread", { hasText: "1" }).waitFor();
    assert.deepEqual(await seen(page), { notes: [], rings: 0 });
    // Not asked for yet: a sound alone.
    await setVisible(page, false);
    await bob.send("ann", "a sound");
    await untilIs("a sound", () => seen(page), ({ rings }) => rings === 1);
    assert.deepEqual((await seen(page)).notes, []);
    await setVisible(page, true);
    await ann.context.grantPermissions(["notifications"]);
    await choose(page, NOTIFY, true);
    await choose(page, SOUND, false);
    await setVisible(page, false);
    await bob.send("ann", "<b>one</b>\nline");
    const { notes, rings } = await untilIs("a note", () => seen(page), (s) => s.notes.length === 1);
    assert.deepEqual([notes, rings], [[{ title: "bob", body: "<b>one</b> line" }], 1]);
    await page.evaluate(`seen.notes[0].note.dispatchEvent(new Event("click"))`);
    await page.locator("#talk-name", { hasText: "bob" }).waitFor();
    // A second tab of the same browser: one of the two alerts, and none while one is looked at.
    const other = await ann.context.newPage();
    await other.goto(page.url());
    await other.locator("#people .name", { hasText: "cid" }).waitFor();
    await cid.send("ann", "the other tab is looked at");
    await other.locator("#people .unread", { hasText: "1" }).waitFor();
    await page.locator("#people .unread", { hasText: "1" }).waitFor();
    await setVisible(other, false);
    await cid.send("ann", "nobody looks");
    const all = async () => [...(await seen(page)).notes, ...(await seen(other)).notes];
    await untilIs("a note in one tab", all, (them) => them.length === 2);
    await other.locator("#people .unread", { hasText: "2" }).waitFor();
    assert.deepEqual((await all()).map(({ body }) => body).sort(), [
      "<b>one</b> line",
      "nobody looks",
    ]);
    assert.deepEqual(ann.faults, []);
  },
});

Deno.test({
  name: "web chat: the icon has the number of unread messages while there are any",
  ignore: chromium === null,
  fn: async () => {
    await using fixture = await meet();
    const { ann, bob } = fixture;
    const { page } = ann;
    const plain = await iconOf(page);
    assert.match(plain, /chat\/icon\.svg$/);
    await ann.talkTo("cid");
    await bob.send("ann", "one");
    const one = await untilIs("a badge", () => iconOf(page), (href) => href !== plain);
    assert.match(one, /^data:image\/png;base64,/);
    await bob.send("ann", "two");
    await untilIs("another", () => iconOf(page), (href) => href !== plain && href !== one);
    assert.equal(await page.title(), "(2) Roost");
    await ann.talkTo("bob");
    await untilIs("no badge", () => iconOf(page), (href) => href === plain);
    assert.equal(await page.title(), "Roost");
    assert.deepEqual(ann.faults, []);
  },
});

Deno.test({
  name: "web chat: shortcuts lead about, take nothing from who types, and can be turned off",
  ignore: chromium === null,
  fn: async () => {
    await using fixture = await meet();
    const { ann, bob } = fixture;
    const { page } = ann;
    const { keyboard } = page;
    const talks = (name: string) => page.locator("#talk-name", { hasText: name }).waitFor();
    const focused = () => page.evaluate("document.activeElement.id") as Promise<string>;
    await bob.send("ann", "the latest is first");
    await page.locator("#people li:first-child .name", { hasText: "bob" }).waitFor();
    await ann.talkTo("bob");
    await keyboard.press("Alt+ArrowDown");
    await talks("cid");
    await keyboard.press("Alt+ArrowDown");
    await keyboard.press("Alt+ArrowUp");
    await talks("bob");
    // Who types gets the letters.
    await keyboard.type("?/lws");
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "?/lws");
    await page.getByLabel("Message", { exact: true }).fill("");
    await page.locator("#log").focus();
    await keyboard.press("w");
    assert.equal(await focused(), "text");
    await page.locator("#log").focus();
    await keyboard.press("/");
    assert.equal(await focused(), "find");
    assert.equal(await page.locator("#find").inputValue(), "");
    await page.locator("#log").focus();
    await keyboard.press("l");
    assert.equal(await page.locator("#people :focus").count(), 1);
    await keyboard.press("s");
    await page.getByRole("dialog", { name: "Settings" }).waitFor();
    await keyboard.press("Escape");
    await keyboard.press("?");
    const sheet = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await sheet.getByText("Next conversation").waitFor();
    await sheet.getByRole("checkbox").uncheck();
    await keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    await page.locator("#log").focus();
    await keyboard.press("?");
    await keyboard.press("w");
    assert.deepEqual([await focused(), await sheet.isVisible()], ["log", false]);
    await keyboard.press("Alt+ArrowDown");
    await talks("cid");
    assert.deepEqual(ann.faults, []);
  },
});

Deno.test({
  name: "web chat: speaks the browser's language, or the one that is chosen, and loads only that",
  ignore: chromium === null,
  fn: async () => {
    using dir = tempDir();
    const server = await ServerProcess.start({ dataDir: dir.path });
    const browser = await startBrowser(chromium!);
    try {
      const context = await browser.newContext({ locale: "de-DE" });
      const page = await context.newPage();
      const scripts: string[] = [];
      page.on("request", (request) => {
        const { pathname } = new URL(request.url());
        if (/^\/chat\/.*\.js$/.test(pathname)) scripts.push(pathname);
      });
      await page.goto(server.url);
      await page.getByRole("button", { name: "Konto anlegen" }).click();
      assert.equal(await page.locator("html").getAttribute("lang"), "de");
      assert.deepEqual(scripts.splice(0), ["/chat/main.js", "/chat/chat.de.js"]);
      await page.getByRole("textbox", { name: "Name" }).fill("ann");
      await page.locator("#password").fill(PASSWORD);
      await page.locator("#sign-in-go").click();
      await page.getByRole("button", { name: "Einstellungen" }).click();
      await page.getByLabel("Sprache dieser Seite").selectOption("en");
      await page.getByRole("button", { name: "Add a contact" }).waitFor();
      await page.reload();
      await page.getByRole("button", { name: "Add a contact" }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
      assert.deepEqual([...new Set(scripts)], ["/chat/main.js", "/chat/chat.en.js"]);
    } finally {
      await browser.close();
      await server.stop();
    }
  },
});
