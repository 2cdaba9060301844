/** The web chat in Chromium, as people who do not know it use it. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import { DESKTOP, Person, PHONE } from "../prove/browser.ts";
import { roost } from "../process/cli.ts";
import { inBrowser } from "./in_browser.ts";

const PASSWORD = "correct horse battery";

const field = (page: Page) => page.getByLabel("Message", { exact: true });

/** Dispatches Enter as an input method does while it takes a word. */
const composeEnter = (page: Page, init: object) =>
  page.evaluate(`document.getElementById("text").dispatchEvent(new KeyboardEvent("keydown", {
    key: "Enter", bubbles: true, cancelable: true, ...${JSON.stringify(init)}
  }))`);

inBrowser(
  "two strangers: the first message waits for the answer, names are normal, drafts stay (A1, A22, A24)",
  [],
  async ({ server, browser }) => {
    const ann = await Person.open(browser, "ann", server.url, { viewport: DESKTOP });
    const bob = await Person.open(browser, "bob", server.url, { viewport: PHONE, touch: true });
    await ann.signUp(PASSWORD);
    await bob.signUp(PASSWORD);
    await ann.add("Bob@LOCALHOST");
    assert.equal(new URL(ann.page.url()).hash, "#/bob");
    await ann.say("Hello, I am Ann");
    await ann.page.locator(".message.out[data-mark=asked]", {
      hasText: "Waiting for bob to accept",
    })
      .waitFor();
    await bob.accept("ann");
    await bob.talkTo("ann");
    await bob.page.locator(".bubble", { hasText: "Hello, I am Ann" }).waitFor();
    await ann.page.locator(".message.out[data-mark=read]").waitFor();
    await bob.say("Welcome");
    await ann.page.locator("#people .line", { hasText: "Welcome" }).waitFor();

    await field(ann.page).fill("half a wor");
    await composeEnter(ann.page, { isComposing: true });
    await composeEnter(ann.page, { keyCode: 229 });
    assert.equal(await field(ann.page).inputValue(), "half a wor", "the word is not finished");
    await ann.page.goto(`${server.url}/#/BOB`);
    await ann.page.reload();
    await ann.page.locator(".bubble", { hasText: "Welcome" }).waitFor();
    assert.equal(new URL(ann.page.url()).hash, "#/bob");
    assert.equal(await field(ann.page).inputValue(), "half a wor", "drafts survive a reload");
    await ann.page.keyboard.press("Escape");
    await ann.page.locator("#people .line.draft", { hasText: "half a wor" }).waitFor();
    assert.deepEqual([...ann.faults, ...bob.faults], []);
  },
);

inBrowser(
  "what was denied is not delivered for ever, whatever is read later (A1)",
  [],
  async ({ server, browser }) => {
    const bob = createClient({ url: server.url, device: "bob" });
    try {
      const ann = await Person.open(browser, "ann", server.url, { viewport: DESKTOP });
      await ann.signUp(PASSWORD);
      await bob.register({ user: "bob", password: PASSWORD });
      await ann.add("bob");
      await ann.say("denied");
      await ann.page.locator(".message.out[data-mark=asked]").waitFor();
      await bob.deny("ann");
      await ann.page.locator(".message.out[data-mark=failed]").waitFor();
      await ann.page.reload();
      await ann.page.locator(".message.out[data-mark=failed]").waitFor();
      await ann.page.locator("#people .line", { hasText: "You: denied" }).waitFor();
      await bob.subscribe("ann");
      await ann.page.locator("#talk-notice").waitFor({ state: "hidden" });
      await ann.say("read");
      await ann.page.locator(".message.out[data-mark=delivered]").waitFor();
      await bob.markRead("ann");
      await ann.page.locator(".message.out[data-mark=read]").waitFor();
      await ann.page.reload();
      await ann.page.locator(".message.out[data-mark=read]").waitFor();
      const marks = (await ann.shown()).map(({ body, mark }) => [body, mark]);
      assert.deepEqual(marks, [["denied", "failed"], ["read", "read"]]);
      assert.deepEqual(ann.faults, []);
    } finally {
      bob.close();
    }
  },
);

inBrowser(
  "notes to oneself are one bubble; removal asks; tabs share one session (A5, A22, A24)",
  [],
  async ({ server, browser }) => {
    const ann = await Person.open(browser, "ann", server.url, { viewport: DESKTOP });
    await ann.signUp(PASSWORD);
    await ann.add("ann");
    await ann.page.locator("#talk-name", { hasText: "Notes" }).waitFor();
    await ann.say("Buy **milk**, see www.example.org");
    await ann.page.locator(".message:not([data-mark])").waitFor();
    await ann.page.reload();
    await ann.page.locator(".bubble a[href='https://www.example.org/']").waitFor();
    assert.equal((await ann.shown()).length, 1);
    assert.equal(await ann.page.locator("#people .name").allInnerTexts().then(String), "Notes");

    await ann.add("bob");
    await ann.page.getByRole("button", { name: "About this contact" }).click();
    await ann.page.getByRole("button", { name: "Remove", exact: true }).click();
    await ann.page.locator("#ask-title", { hasText: "Remove bob?" }).waitFor();
    await ann.page.getByRole("button", { name: "Cancel" }).click();
    await ann.page.getByText("In your list").waitFor();
    await ann.page.getByRole("button", { name: "Remove", exact: true }).click();
    await ann.page.locator("#ask-yes").click();
    await ann.page.locator("#people .name", { hasText: "bob" }).waitFor({ state: "detached" });

    const second = await ann.context.newPage();
    await second.goto(server.url);
    await second.getByRole("button", { name: "Settings" }).click();
    await second.locator("#devices li").first().waitFor();
    assert.equal(await second.locator("#devices li").count(), 1);
    assert.deepEqual(ann.faults, []);
  },
);

inBrowser(
  "only what was seen is marked as read, below a line (A22)",
  [],
  async ({ server, browser }) => {
    const bob = createClient({ url: server.url, device: "bob" });
    try {
      const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
      await ann.signUp(PASSWORD);
      await bob.register({ user: "bob", password: PASSWORD });
      await bob.approve("ann");
      await ann.add("bob");
      await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
      await ann.page.locator("#talk-back").click();
      for (let i = 0; i < 60; i++) await bob.send("ann", `line ${i}`);
      const unread = () =>
        ann.page.locator("#people .unread").evaluateAll(([e]) => parseInt(e?.textContent ?? "0"));
      await ann.page.locator("#people .unread", { hasText: "60" }).waitFor();
      // Another window has the focus.
      await ann.page.evaluate("document.hasFocus = () => false");
      await ann.talkTo("bob");
      await ann.page.locator("#messages .new").waitFor();
      await ann.page.locator(".bubble", { hasText: "line 59" }).waitFor({ state: "attached" });
      assert.equal(
        await ann.page.locator("#messages .new + .message").innerText().then(firstLine),
        "line 0",
      );
      assert.equal(await unread(), 60);
      await ann.page.evaluate("document.hasFocus = () => true; dispatchEvent(new Event('focus'))");
      await ann.page.locator("#log-down-text", { hasText: /^[1-5]\d new$/ }).waitFor();
      await ann.page.locator("#people .unread", { hasNotText: "60" }).waitFor({
        state: "attached",
      });
      const left = await unread();
      assert.ok(left > 30 && left < 60, `what is below the window stays unread (${left})`);
      await ann.page.locator("#log-down").click();
      await ann.page.locator("#people .unread").waitFor({ state: "detached" });
      await ann.page.locator("#messages .new").waitFor({ state: "attached" });
      assert.deepEqual(ann.faults, []);
    } finally {
      bob.close();
    }
  },
);

const firstLine = (text: string) => text.split("\n")[0];

inBrowser(
  "without a network: a line, unknown contacts, and a sign-out that says what it does (A22)",
  [],
  async ({ server, browser }) => {
    const bob = createClient({ url: server.url, device: "bob" });
    try {
      const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
      await ann.signUp(PASSWORD);
      await bob.register({ user: "bob", password: PASSWORD });
      await bob.approve("ann");
      await ann.add("bob");
      await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
      await ann.context.setOffline(true);
      await ann.page.getByText("You are offline").waitFor();
      await ann.page.locator("#talk-line", { hasText: "Unknown" }).waitFor();
      await ann.say("not sent yet");
      await ann.page.locator(".message[data-mark=waiting]").waitFor();
      await ann.page.locator("#talk-back").click();
      await ann.page.locator("#people .dot[data-show=unknown]").waitFor();
      await ann.page.getByRole("button", { name: "Settings" }).click();
      const leave = ann.page.getByRole("button", { name: "Sign out", exact: true }).first();
      await leave.click();
      const question = ann.page.locator("#ask-dialog");
      await question.getByText("the server cannot be notified").waitFor();
      await question.getByText("1 message").waitFor();
      await question.getByText("not sent yet", { exact: true }).waitFor();
      await question.getByRole("button", { name: "Cancel" }).click();
      await leave.click();
      await question.getByRole("button", { name: "Sign out" }).click();
      await ann.page.getByText("You are signed out in this browser").waitFor();
      const kept = await ann.page.evaluate(
        "JSON.stringify({ ...localStorage, ...sessionStorage })",
      );
      assert.doesNotMatch(String(kept), /not sent yet|token/);
      assert.deepEqual(ann.faults, []);
    } finally {
      bob.close();
    }
  },
);

inBrowser(
  "nobody at the browser for ten minutes is away, and back with the first key (A23)",
  [],
  async ({ server, browser }) => {
    const bob = createClient({ url: server.url, device: "bob" });
    try {
      const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
      await ann.page.clock.install();
      await ann.page.reload();
      await ann.signUp(PASSWORD);
      await bob.register({ user: "bob", password: PASSWORD });
      const shows = (show: string) =>
        new Promise<void>((resolve) => {
          const off = bob.on("presence", (presence) => {
            if (presence.user !== "ann" || presence.show !== show) return;
            off();
            resolve();
          });
        });
      const online = shows("online");
      await bob.subscribe("ann");
      await ann.accept("bob");
      await online;
      const away = shows("away");
      await ann.page.clock.runFor("10:30");
      await away;
      const back = shows("online");
      await ann.page.keyboard.press("Shift");
      await back;
      assert.deepEqual(ann.faults, []);
    } finally {
      bob.close();
    }
  },
);

inBrowser(
  "a list longer than the window does not move while it fills (A23)",
  [],
  async ({ server, browser }) => {
    const writer = createClient({ url: server.url, device: "writer" });
    try {
      await writer.register({ user: "ann", password: PASSWORD });
      for (let i = 0; i < 60; i++) await writer.contact(`person.${i}`);
      await writer.send("ann", "a note");
      const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
      await ann.page.evaluate(`
        globalThis.shifts = [];
        new PerformanceObserver((list) => {
          for (const { value, sources } of list.getEntries()) {
            if (sources.some(({ node }) => node?.closest?.("#people-scroll"))) shifts.push(value);
          }
        }).observe({ type: "layout-shift" });
      `);
      await ann.signIn(PASSWORD);
      await ann.page.locator("#people .line", { hasText: "a note" }).waitFor();
      assert.equal(await ann.page.locator("#people li").count(), 61);
      const scroll = ann.page.locator("#people-scroll");
      assert.equal(await scroll.evaluate(({ scrollTop }) => scrollTop), 0);
      const shifts = await ann.page.evaluate("shifts") as number[];
      assert.ok(shifts.reduce((sum, each) => sum + each, 0) < 0.02, `shifts: ${shifts}`);
      assert.deepEqual(ann.faults, []);
    } finally {
      writer.close();
    }
  },
);

inBrowser(
  "the link of an invite opens the form with it; the rules are said before (A24)",
  ["--registration", "invite"],
  async ({ server, browser, dir }) => {
    const made = await roost(["invite", "create", "--data", dir]);
    const code = made.out.trim();
    assert.match(code, /\S/, made.err);
    const url = `${server.url}/?invite=${encodeURIComponent(code)}`;
    const ann = await Person.open(browser, "ann", url, { viewport: PHONE });
    const { page } = ann;
    await page.getByRole("heading", { name: "Make an account" }).waitFor();
    await page.getByText("At least 8 characters.").waitFor();
    assert.equal(await page.getByLabel("Invite").inputValue(), code);
    assert.ok(!page.url().includes("invite="), "the code does not stay in the address");
    await page.getByRole("textbox", { name: "Name" }).fill("ann lee");
    const password = page.locator("#password");
    await password.fill("short");
    await page.getByRole("button", { name: "Show the password" }).click();
    assert.equal(await password.getAttribute("type"), "text");
    const go = page.getByRole("button", { name: "Make the account" });
    await go.click();
    await page.getByText("A name has no spaces").waitFor();
    await page.getByRole("textbox", { name: "Name" }).fill("Ann");
    await go.click();
    await page.getByText("Use at least 8 characters.").waitFor();
    await password.fill(PASSWORD);
    await go.click();
    await page.getByRole("button", { name: "Add a contact" }).waitFor();
    assert.deepEqual(ann.faults, []);
  },
);
