/** Two people in the web chat who edit, remove, react and reply: by pointer, keyboard and touch (13). */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import type { Client } from "../../server/web/client.d.ts";
import { DESKTOP, findChromium, Person, PHONE, startBrowser } from "../prove/browser.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const chromium = findChromium();
if (chromium === null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("Changes of messages are not tested in a browser here, for there is no Chromium.");
}

const PASSWORD = "correct horse battery";
/** Screenshots go there, where it is set. */
const SHOTS = Deno.env.get("SHOTS");
/** More than the page loads at first. */
const MANY = 70;

/** axe-core finds nothing moderate or worse, on desktop and phone, light and dark. */
async function look(page: Page, screen: string): Promise<void> {
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      if (screen === "menu") await open(page, "Hello, Bob");
      if (SHOTS !== undefined) {
        await page.screenshot({ path: `${SHOTS}/${screen}-${size}-${colorScheme}.png` });
      }
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate("axe.run(document)") as AxeResults;
      const bad = violations.filter(({ impact }) => impact !== "minor");
      const told = bad.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`);
      assert.deepEqual(told, [], `${screen} ${size} ${colorScheme}`);
      if (screen === "menu") await page.keyboard.press("Escape");
    }
  }
  await page.setViewportSize(DESKTOP);
}

/** The last message with this text, which is not that of a quote. */
const line = (page: Page, text: string) =>
  page.locator(`.message:not(:has(.quote:text("${text}")))`, { hasText: text }).last();
const acts = (page: Page, text: string) => line(page, text).locator(".acts");
const menu = (page: Page) => page.locator("#message-menu:popover-open");
const chips = (page: Page, text: string) => line(page, text).locator(".chips li");

async function open(page: Page, text: string): Promise<void> {
  await line(page, text).hover();
  await acts(page, text).click();
  await menu(page).waitFor();
}

async function write(page: Page, text: string): Promise<void> {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

/** Whether the focus is on the button of a message. */
const hasFocus = (page: Page, text: string) =>
  acts(page, text).and(page.locator(":focus")).count().then((count) => count === 1);

async function editAndReact(ann: Page, bob: Page): Promise<void> {
  await write(ann, "Helo, Bob");
  await line(bob, "Helo, Bob").waitFor();
  await ann.locator("#text").fill("half a thought");
  await open(ann, "Helo, Bob");
  await menu(ann).getByRole("menuitem", { name: "Edit" }).click();
  assert.equal(await ann.locator("#text").inputValue(), "Helo, Bob");
  await write(ann, "Hello, Bob");
  // The draft is back, and in sight of nobody.
  assert.equal(await ann.locator("#text").inputValue(), "half a thought");
  await ann.locator("#text").fill("");
  for (const page of [ann, bob]) {
    await line(page, "Hello, Bob").getByText("Edited").waitFor({ state: "attached" });
    assert.equal(await page.getByText("Helo, Bob").count(), 0);
  }
  await open(bob, "Hello, Bob");
  assert.equal(await menu(bob).getByRole("menuitem", { name: "Edit" }).count(), 0);
  assert.equal(await menu(bob).getByRole("menuitem", { name: "Remove" }).count(), 0);
  await menu(bob).getByRole("menuitemcheckbox").first().click();
  for (const page of [ann, bob]) await chips(page, "Hello, Bob").waitFor();
  assert.equal(await hasFocus(bob, "Hello, Bob"), true, "the focus stays at the message");
  await open(ann, "Hello, Bob");
  await menu(ann).getByRole("menuitemcheckbox").first().click();
  await chips(bob, "Hello, Bob").getByText("2").waitFor();
  await open(bob, "Hello, Bob");
  const mine = menu(bob).getByRole("menuitemcheckbox", { checked: true });
  await mine.click();
  await chips(ann, "Hello, Bob").getByText("2").waitFor({ state: "detached" });
  await chips(ann, "Hello, Bob").waitFor();
}

/** A reply by keys alone, from the field and back to it. */
async function replyByKeyboard(ann: Page, bob: Page): Promise<void> {
  const keys = async (...all: string[]) => {
    for (const key of all) await bob.keyboard.press(key);
  };
  await write(bob, "One more");
  await line(bob, "One more").locator(".acts").waitFor();
  await bob.locator("#text").focus();
  await keys("Shift+Tab");
  assert.equal(await hasFocus(bob, "One more"), true, "one step of Tab from the field");
  await keys("ArrowUp");
  assert.equal(await hasFocus(bob, "Hello, Bob"), true);
  await keys("Enter");
  await menu(bob).waitFor();
  await keys("Escape");
  await menu(bob).waitFor({ state: "detached" });
  assert.equal(await hasFocus(bob, "Hello, Bob"), true, "Escape closes the menu and no more");
  await keys("Enter", "ArrowDown", "Enter");
  await bob.locator("#about").getByText("In reply to: Hello, Bob").waitFor();
  await keys("Escape");
  await bob.locator("#about").waitFor({ state: "hidden" });
  assert.equal(await bob.locator("#talk-name").textContent(), "ann", "Escape ends the reply only");
  await keys("Shift+Tab", "ArrowUp", "Enter", "ArrowDown", "Enter");
  await bob.locator("#about").waitFor();
  await bob.keyboard.type("Good to see you");
  await keys("Enter");
  await bob.locator("#about").waitFor({ state: "hidden" });
  await line(ann, "Good to see you").locator(".quote", { hasText: "Hello, Bob" }).waitFor();
  // The newest message of one's own is edited by an arrow from the empty field.
  await line(bob, "Good to see you").locator(".acts").waitFor();
  await keys("ArrowUp");
  assert.equal(await bob.locator("#text").inputValue(), "Good to see you");
  await bob.keyboard.type(" again");
  await keys("Enter");
  await line(ann, "Good to see you again").waitFor();
}

async function remove(ann: Page, bob: Page): Promise<void> {
  await write(ann, "A secret that slipped out");
  await line(bob, "A secret").waitFor();
  await look(ann, "talk");
  await look(ann, "menu");
  await open(bob, "A secret");
  await menu(bob).getByRole("menuitem", { name: "Reply" }).click();
  await write(bob, "You should not say that");
  await line(ann, "You should not").locator(".quote", { hasText: "A secret" }).waitFor();
  await open(ann, "A secret that");
  await menu(ann).getByRole("menuitem", { name: "Remove for both" }).click();
  await ann.locator("#ask-no").click();
  await open(ann, "A secret that");
  await menu(ann).getByRole("menuitem", { name: "Remove for both" }).click();
  await ann.locator("#ask-yes").click();
}

/** What both see after the removal, in any window. */
async function isRemoved(page: Page): Promise<void> {
  await page.locator(".message[data-removed]").waitFor();
  await line(page, "You should not").locator(".quote", { hasText: "was removed" }).waitFor();
  await chips(page, "Hello, Bob").waitFor();
  assert.equal(await page.getByText("A secret that slipped out").count(), 0);
  assert.equal(await page.locator(".message[data-removed] .acts").count(), 0);
}

/** A reply to what is far above what the page has: the quote leads there. */
async function goToOriginal(page: Page, writer: Client): Promise<void> {
  const { events } = await writer.history("ann", { limit: 100 });
  const first = events.find((event) => event.k === "message" && event.body === "Hello, Bob");
  assert.ok(first?.k === "message");
  for (let i = 0; i < MANY; i++) await writer.send("ann", `Line ${i}`);
  await writer.send("ann", "About the first", { reply: { num: first.num, out: false } });
  await page.reload();
  const quote = line(page, "About the first").locator(".quote");
  await quote.waitFor();
  assert.equal(await page.locator(".message", { hasText: "Hello, Bob" }).count(), 0);
  await quote.click();
  const found = page.locator(".message.found", { hasText: "Hello, Bob" });
  await found.waitFor();
  const box = await found.boundingBox();
  assert.ok(box !== null && box.y > 0 && box.y < DESKTOP.height, "it is in sight");
  // Changes reach what is shown around it.
  await writer.react("ann", { num: first.num, out: false }, ["\u{1f680}"]);
  await found.locator(".chips li", { hasText: "\u{1f680}" }).waitFor();
}

/** A client that knows no changes, over REST: it shows the `body` of each message since it began. */
async function oldClient(url: string): Promise<() => Promise<readonly string[]>> {
  const asked = await fetch(`${url}/v1/auth/password`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user: "bob", password: PASSWORD, device: "old" }),
  });
  assert.equal(asked.status, 200);
  const { token } = await asked.json() as { token: string };
  const poll = async (query: string) => {
    const answer = await fetch(`${url}/v1/events?wait=0${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(answer.status, 200);
    return await answer.json() as { cursor: string; events: { k: string; body?: string }[] };
  };
  const { cursor } = await poll("");
  return async () => {
    const { events } = await poll(`&after=${encodeURIComponent(cursor)}`);
    return events.flatMap(({ k, body }) => k === "message" ? [body ?? ""] : []);
  };
}

/** By touch, the button is always in sight, and the menu within the window. */
async function touch(browser: Browser, url: string): Promise<void> {
  const options = { viewport: PHONE, touch: true, colorScheme: "dark", timeoutMs: 30_000 } as const;
  const bob = await Person.open(browser, "bob", url, options);
  await bob.signIn(PASSWORD);
  await bob.talkTo("ann");
  const text = "About the first";
  await acts(bob.page, text).waitFor();
  const opacity = "getComputedStyle(document.querySelector('.message:last-child .acts')).opacity";
  assert.equal(await bob.page.evaluate(opacity), "1");
  await acts(bob.page, text).tap();
  const box = await menu(bob.page).boundingBox();
  assert.ok(box !== null && box.x >= 0 && box.y >= 0);
  assert.ok(box.x + box.width <= PHONE.width && box.y + box.height <= PHONE.height);
  if (SHOTS !== undefined) await bob.page.screenshot({ path: `${SHOTS}/touch.png` });
  await menu(bob.page).getByRole("menuitemcheckbox").nth(1).tap();
  await chips(bob.page, text).waitFor();
  assert.deepEqual(bob.faults, []);
}

Deno.test({
  name: "in the web chat, messages are edited, removed, reacted to and replied to",
  ignore: chromium === null,
  async fn() {
    using dir = tempDir();
    const server = await ServerProcess.start({ dataDir: dir.path });
    const browser = await startBrowser(chromium!);
    const writer = createClient({ url: server.url, device: "writer" });
    try {
      const options = { viewport: DESKTOP, timeoutMs: 30_000 };
      const ann = await Person.open(browser, "ann", server.url, options);
      const bob = await Person.open(browser, "bob", server.url, options);
      await ann.signUp(PASSWORD);
      await bob.signUp(PASSWORD);
      await ann.add("bob");
      await bob.accept("ann");
      await ann.talkTo("bob");
      await bob.talkTo("ann");
      const oldView = await oldClient(server.url);
      await editAndReact(ann.page, bob.page);
      await replyByKeyboard(ann.page, bob.page);
      await remove(ann.page, bob.page);
      const other = await ann.context.newPage();
      await other.goto(ann.page.url());
      for (const page of [ann.page, bob.page, other]) await isRemoved(page);
      for (const page of [ann.page, bob.page]) {
        await page.reload();
        await isRemoved(page);
      }
      await look(ann.page, "removed");
      await other.close();
      const bodies = await oldView();
      for (const body of ["Hello, Bob", "\u{1f44d}", "(reaction removed)", "(message removed)"]) {
        assert.ok(bodies.includes(body), `${body} in ${bodies.join(", ")}`);
      }
      assert.ok(!bodies.join().includes("A secret"), bodies.join(", "));
      await writer.signIn({ user: "bob", password: PASSWORD });
      await goToOriginal(ann.page, writer);
      await touch(browser, server.url);
      assert.deepEqual([...ann.faults, ...bob.faults], []);
    } finally {
      writer.close();
      await browser.close();
      await server.stop();
    }
  },
});
