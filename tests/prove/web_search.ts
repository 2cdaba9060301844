/** Search in the web chat: what is found, how it looks, and that it opens where it was said. */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { DESKTOP, Person, PHONE } from "./browser.ts";
import { faultsOfPage } from "./page_checks.ts";
import { rest } from "../process/client.ts";
import { untilIs } from "../process/until.ts";

/** Messages of the conversation, and which of them are of interest. */
const COUNT = 180;
const OLD = 20;
const NEW = 170;
const MARKUP = "<b>tickets</b> & <img src=x onerror=alert(1)>";
/** Messages that one device may send at once. */
const BURST = 45;

interface Fixture {
  readonly browser: Browser;
  readonly url: string;
  readonly people: Person[];
  readonly password: string;
  readonly shots: string;
}

function bodyOf(i: number): string {
  if (i === OLD) return "I bring the Tickets to Zürich, then?";
  if (i === NEW) return MARKUP;
  return `line ${i} of a conversation in which nobody finds a thing`;
}

/** Two users, of whom one has written to the other for long. */
async function write({ url, password }: Fixture): Promise<void> {
  for (const user of ["gus", "hal"]) {
    const { token } = await rest<{ token: string }>(url, "POST", "/v1/register", {
      body: { user, password },
    });
    await rest(url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  }
  let token = "";
  for (let i = 0; i < COUNT; i++) {
    if (i % BURST === 0) {
      const body = { user: "hal", password };
      ({ token } = await rest<{ token: string }>(url, "POST", "/v1/auth/password", { body }));
    }
    const body = { to: "gus", body: bodyOf(i) };
    await rest(url, "POST", "/v1/messages", { token, key: `line-${i}`, body });
  }
}

async function find({ page }: Person, text: string): Promise<void> {
  await page.getByRole("searchbox").fill(text);
}

const marked = ({ page }: Person) => page.locator("#found-list mark").allTextContents();

/** Whether the message that was searched for is in sight. */
function inSight({ page }: Person): Promise<boolean> {
  return page.locator(".message.found").evaluate((row) => {
    const [at, log] = [row.getBoundingClientRect(), row.closest("#log")!.getBoundingClientRect()];
    return at.top >= log.top && at.bottom <= log.bottom;
  });
}

/** An old message: found, opened by keyboard where it was said, and from there to the newest. */
async function openOld(gus: Person): Promise<void> {
  const { page } = gus;
  await find(gus, "ZURICH tick");
  await untilIs("what is marked", () => marked(gus), (m) => m.join() === "Tick,Zürich");
  await page.keyboard.press("Enter");
  await page.locator(".message.found", { hasText: bodyOf(OLD) }).waitFor();
  await untilIs("the message in sight", () => inSight(gus), (is) => is);
  const first = await gus.shown();
  assert.ok(first.length < COUNT / 2, `only what is around it is read, not ${first.length}`);
  await page.locator("#log-down").waitFor();
  // Down to the end: nothing is missing and nothing is twice.
  const all = await untilIs(
    "the newest",
    async () => {
      await page.locator("#log").evaluate((log) => log.scrollTop = log.scrollHeight);
      return await gus.shown();
    },
    (shown) => shown.at(-1)?.body === bodyOf(COUNT - 1),
  );
  const from = COUNT - all.length;
  assert.deepEqual(all.map(({ body }) => body), all.map((_, i) => bodyOf(from + i)));
}

/** Several results; one near the end, with markup; from an old one straight to the newest. */
async function openNew(gus: Person): Promise<void> {
  const { page } = gus;
  await find(gus, "tickets");
  await untilIs("both messages", () => marked(gus), (m) => m.join() === "tickets,Tickets");
  assert.equal(await page.locator("#found-list b, #found-list img").count(), 0);
  await page.locator("#found-list button").nth(1).click();
  await page.locator(".message.found", { hasText: bodyOf(OLD) }).waitFor();
  await page.locator("#log-down").click();
  await page.locator(".message", { hasText: bodyOf(COUNT - 1) }).waitFor();
  assert.equal(await page.locator(".message.found").count(), 0);
  await page.locator("#found-list button").first().click();
  await page.locator(".message.found", { hasText: MARKUP }).waitFor();
  await untilIs("the message in sight", () => inSight(gus), (is) => is);
  // A message that is written in between is shown, and nothing is missing before it.
  await page.locator("#found-list button").nth(1).click();
  await page.locator(".message.found", { hasText: bodyOf(OLD) }).waitFor();
  await gus.say("written while far above");
  await page.locator(".message.out", { hasText: "written while far above" }).waitFor();
  const bodies = (await gus.shown()).map(({ body }) => body);
  assert.deepEqual(bodies.slice(-2), [bodyOf(COUNT - 1), "written while far above"]);
}

/** Finds messages in a window of each kind; looks at what is shown. */
export async function searchInChat(fixture: Fixture): Promise<void> {
  const { browser, url, people, password, shots } = fixture;
  await write(fixture);
  const gus = await Person.open(browser, "gus", url, { viewport: DESKTOP, timeoutMs: 60_000 });
  people.push(gus);
  await gus.signIn(password);
  await openOld(gus);
  await openNew(gus);
  await gus.page.locator("#found-list button").nth(1).click();
  await untilIs("the message in sight", () => inSight(gus), (is) => is);
  assert.deepEqual(await faultsOfPage(gus.page), []);
  await gus.page.screenshot({ path: `${shots}/search-desktop.png` });
  await find(gus, "nowhere");
  await gus.page.getByText("No message has these words").waitFor();
  await gus.page.screenshot({ path: `${shots}/search-nothing.png` });
  await gus.page.getByRole("searchbox").press("Escape");
  await gus.page.locator("#found").waitFor({ state: "hidden" });
  const view = { viewport: PHONE, colorScheme: "dark", touch: true, timeoutMs: 60_000 } as const;
  const phone = await Person.open(browser, "gus", url, view);
  people.push(phone);
  await phone.signIn(password);
  await find(phone, "tickets");
  await untilIs("both messages", () => marked(phone), (m) => m.length === 2);
  assert.deepEqual(await faultsOfPage(phone.page), []);
  await phone.page.screenshot({ path: `${shots}/search-phone.png` });
  await phone.page.locator("#found-list button").nth(1).click();
  await untilIs("the message in sight", () => inSight(phone), (is) => is);
  assert.deepEqual(await faultsOfPage(phone.page), []);
  await phone.page.screenshot({ path: `${shots}/search-phone-found.png` });
  await phone.page.getByRole("button", { name: "Back to the list" }).click();
  assert.equal(await phone.page.locator("#found-list button").count(), 2, "the results are kept");
}
