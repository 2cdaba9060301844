/**
 * The web chat in Chromium: what people do with it by mouse, by keyboard, on a phone, and over a
 * network that goes away. Where there is no Chromium it says so, and proves nothing.
 */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { DESKTOP, findChromium, Person, PHONE, type Shown, startBrowser } from "./browser.ts";
import { CutProxy } from "./cut_proxy.ts";
import type { Page } from "playwright-core";
import { faultsOfPage, takeShots } from "./page_checks.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { searchInChat } from "./web_search.ts";
import { untilIs } from "../process/until.ts";

const PASSWORD = "correct horse battery";
const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>";
/** Messages each way while one is away. */
const AWAY_MESSAGES = 10;

/** What every part of the proof has. */
interface Fixture {
  readonly browser: Browser;
  readonly url: string;
  readonly proxy: CutProxy;
  readonly people: Person[];
  readonly say: (line: string) => void;
}

async function arrive(
  { browser, people }: Fixture,
  url: string,
  name: string,
  phone: boolean,
): Promise<Person> {
  const viewport = phone ? PHONE : DESKTOP;
  const person = await Person.open(browser, name, url, { viewport, touch: phone });
  people.push(person);
  return person;
}

const bodies = (shown: readonly Shown[]) => shown.map(({ body }) => body);

/** Two sign up, become contacts, see each other and write. */
async function meet(fixture: Fixture): Promise<readonly [Person, Person]> {
  const ann = await arrive(fixture, fixture.proxy.url, "ann", false);
  const bob = await arrive(fixture, fixture.url, "bob", true);
  await ann.signUp(PASSWORD);
  await bob.signUp(PASSWORD);
  await ann.add("bob");
  await bob.accept("ann");
  await bob.talkTo("ann");
  await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await bob.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await ann.say("Hello Bob");
  await bob.say(MARKUP);
  const expected = ["Hello Bob", MARKUP];
  for (const person of [ann, bob]) {
    const shown = await untilIs("both messages", () => person.shown(), (s) => s.length === 2);
    assert.deepEqual(bodies(shown), expected);
    assert.equal(await person.page.locator("#messages img, #messages script").count(), 0);
  }
  await ann.page.locator(".message.out[data-mark=read]").waitFor();
  await ann.page.getByLabel("Message", { exact: true }).pressSequentially("Wr");
  await bob.page.locator("#typing", { hasText: "ann is typing" }).waitFor();
  await ann.page.getByLabel("Message", { exact: true }).fill("");
  return [ann, bob];
}

/** Own status is seen, and being invisible looks like being offline. */
async function status(ann: Person, bob: Person): Promise<void> {
  const set = async (show: string, text: string) => {
    await ann.page.getByRole("button", { name: "Change your status" }).click();
    const dialog = ann.page.getByRole("dialog", { name: "Your status" });
    await dialog.getByRole("radio", { name: show, exact: true }).check();
    await dialog.getByRole("textbox").fill(text);
    await dialog.getByRole("button", { name: "Set" }).click();
    await dialog.waitFor({ state: "hidden" });
  };
  await set("Away", "At lunch");
  await bob.page.locator("#talk-line", { hasText: "Away – At lunch" }).waitFor();
  await set("Invisible", "");
  await bob.page.locator("#talk-line", { hasText: "Offline" }).waitFor();
  await set("Online", "");
  await bob.page.locator("#talk-line", { hasText: "Online" }).waitFor();
}

/** One loses the network: nothing is lost or doubled, and each writer's order is kept. */
async function away({ proxy }: Fixture, ann: Person, bob: Person): Promise<string> {
  const before = (await ann.shown()).length;
  proxy.cut();
  await ann.context.setOffline(true);
  await ann.page.locator("#connection", { hasText: "Reconnecting" }).waitFor();
  await ann.page.locator("#talk-line", { hasText: "Unknown" }).waitFor();
  await ann.page.locator("#people .dot[data-show=unknown]").waitFor();
  const own = Array.from({ length: AWAY_MESSAGES }, (_, i) => `from away ${i}`);
  const theirs = Array.from({ length: AWAY_MESSAGES }, (_, i) => `to away ${i}`);
  for (let i = 0; i < AWAY_MESSAGES; i++) {
    await ann.say(own[i]!);
    await bob.say(theirs[i]!);
  }
  const waiting = (await ann.shown()).slice(before);
  assert.deepEqual(bodies(waiting), own);
  assert.ok(
    waiting.every(({ mark }) => mark === "waiting"),
    "unsent messages are shown as waiting",
  );
  await ann.context.setOffline(false);
  proxy.reopen();
  const count = before + 2 * AWAY_MESSAGES;
  const settled = (shown: readonly Shown[]) =>
    shown.length >= count && shown.every(({ mark }) => mark !== "waiting");
  const annSees = await untilIs("ann's messages", () => ann.shown(), settled);
  const bobSees = await untilIs("bob's messages", () => bob.shown(), settled);
  for (const sees of [annSees, bobSees]) {
    const got = bodies(sees).slice(before);
    assert.equal(got.length, 2 * AWAY_MESSAGES, "nothing is lost or doubled");
    assert.deepEqual(got.filter((body) => body.startsWith("from")), own);
    assert.deepEqual(got.filter((body) => body.startsWith("to")), theirs);
  }
  await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await ann.page.locator("#connection:empty").waitFor({ state: "attached" });
  return `${2 * AWAY_MESSAGES} messages while one was away: each shown once and in order to both`;
}

/** A page that is loaded while messages wait sends them afterwards; the sign-in is remembered. */
async function reload({ proxy }: Fixture, ann: Person, bob: Person): Promise<void> {
  proxy.cut();
  await ann.page.locator("#connection", { hasText: "Reconnecting" }).waitFor();
  await ann.say("kept over a reload");
  proxy.reopen();
  await ann.page.reload();
  const kept = (shown: readonly Shown[]) => bodies(shown).at(-1) === "kept over a reload";
  await untilIs("the kept message", () => bob.shown(), kept);
  const again = await untilIs("ann's history", () => ann.shown(), kept);
  assert.deepEqual(bodies(again), bodies(await bob.shown()));
  await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
}

/** More than a page of history: older messages come when one scrolls up, and nothing jumps. */
async function history(fixture: Fixture, bob: Person): Promise<void> {
  const { page } = bob;
  const before = (await bob.shown()).length;
  for (let i = 0; i < 60; i++) await bob.say(`line ${i}`);
  await untilIs(
    "60 sent messages",
    () => bob.shown(),
    (shown) => shown.length === before + 60 && shown.every(({ mark }) => mark !== "waiting"),
  );
  await page.reload();
  await page.locator(".bubble", { hasText: "line 59" }).waitFor();
  const first = await bob.shown();
  assert.ok(first.length <= 50, "the newest page comes first");
  await page.locator("#log").evaluate((log) => log.scrollTop = 0);
  const all = await untilIs("older messages", () => bob.shown(), (s) => s.length === before + 60);
  assert.deepEqual(bodies(all).slice(before), Array.from({ length: 60 }, (_, i) => `line ${i}`));
  const top = await page.locator("#log").evaluate((log) => log.scrollTop);
  assert.ok(top > 200, `what was read stays in sight (at ${top} px)`);
  fixture.say(`history: ${all.length} messages in two pages`);
}

/** Signing up, adding, writing, leaving: without a mouse. */
async function keyboard(fixture: Fixture, bob: Person): Promise<void> {
  const cid = await arrive(fixture, fixture.url, "cid", false);
  const { keyboard } = cid.page;
  const press = async (...keys: string[]) => {
    for (const key of keys) await keyboard.press(key);
  };
  const focused = () =>
    cid.page.locator(":focus").evaluateAll(([e]) => e?.getAttribute("aria-label") ?? e?.id ?? "");
  await untilIs("the focus", focused, (id) => id === "user");
  // Past password, its button, checkbox and button to the switch; the form begins again.
  await press("Tab", "Tab", "Tab", "Tab", "Tab", "Enter");
  await keyboard.type("cid");
  await press("Tab");
  await keyboard.type(PASSWORD);
  await press("Enter");
  await untilIs("the focus", focused, (label) => label === "Add a contact");
  await press("Enter");
  await keyboard.type("bob");
  await press("Enter");
  await untilIs("the conversation", focused, (id) => id === "text");
  await bob.page.getByRole("button", { name: "Back to the list" }).click();
  await bob.accept("cid");
  await cid.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await keyboard.type("one line");
  await press("Shift+Enter");
  await keyboard.type("and another");
  await press("Enter");
  const shown = await untilIs("the message", () => cid.shown(), (s) => s.length === 1);
  assert.equal(shown[0]!.body, "one line\nand another");
  await press("Escape");
  await untilIs("the list", () => cid.page.locator("#people :focus").count(), (n) => n === 1);
  await press("ArrowUp");
  await untilIs("the search", focused, (id) => id === "find");
  await press("ArrowDown", "Enter");
  await untilIs("the conversation again", focused, (id) => id === "text");
  await bob.page.locator("#people .unread", { hasText: "1" }).waitFor();
  assert.match(await bob.page.title(), /^\(1\) /);
}

/**
 * Tabs share the remembered sign-in; where the one with the connection goes, another takes over.
 */
async function tabs({ url }: Fixture, bob: Person): Promise<void> {
  const second = await bob.context.newPage();
  await second.goto(url);
  const shown = (page: Page) => page.getByRole("button", { name: "Add a contact" }).waitFor();
  await shown(second);
  await bob.page.reload();
  await shown(bob.page);
  await shown(second);
  await second.close();
  await bob.page.reload();
  await shown(bob.page);
}

/** Devices, block, password, sign-out. */
async function account(fixture: Fixture, ann: Person, bob: Person): Promise<void> {
  const other = await arrive(fixture, fixture.url, "bob", false);
  await other.signIn(PASSWORD);
  await bob.page.getByRole("button", { name: "Settings" }).click();
  const settings = bob.page.getByRole("dialog", { name: "Settings" });
  await settings.getByRole("button", { name: /^Sign out \S/ }).waitFor();
  assert.deepEqual(await faultsOfPage(bob.page), []);
  await settings.getByRole("button", { name: /^Sign out \S/ }).click();
  await other.page.getByText("You were signed out").waitFor();
  await settings.getByLabel("Current password").fill("something else");
  await settings.getByLabel("New password", { exact: true }).fill(`${PASSWORD} staple`);
  await settings.getByRole("button", { name: "Change the password" }).click();
  await settings.getByText("is another").waitFor();
  await settings.getByLabel("Current password").fill(PASSWORD);
  await settings.getByRole("button", { name: "Change the password" }).click();
  await settings.getByText("was changed").waitFor();
  await settings.getByRole("button", { name: "Close" }).click();
  await bob.talkTo("ann");
  await bob.page.getByRole("button", { name: "About this contact" }).click();
  const about = bob.page.getByRole("dialog", { name: "ann" });
  assert.deepEqual(await faultsOfPage(bob.page), []);
  await about.getByRole("button", { name: "Block" }).click();
  await about.getByRole("button", { name: "Unblock" }).waitFor();
  await ann.page.locator("#talk-line", { hasText: "Offline" }).waitFor();
  await about.getByRole("button", { name: "Unblock" }).click();
  await about.getByRole("button", { name: "Close" }).click();
  await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await bob.page.getByRole("button", { name: "Back to the list" }).click();
  await bob.page.getByRole("button", { name: "Settings" }).click();
  await settings.getByRole("button", { name: "Sign out", exact: true }).click();
  await bob.page.getByRole("button", { name: "Make an account" }).waitFor();
  await bob.signIn(`${PASSWORD} staple`);
}

async function play(fixture: Fixture, shots: string): Promise<Record<string, string>> {
  const figures: Record<string, string> = {};
  const [ann, bob] = await meet(fixture);
  fixture.say("two signed up, became contacts, wrote; markup is text");
  await status(ann, bob);
  figures["offline"] = await away(fixture, ann, bob);
  await reload(fixture, ann, bob);
  await history(fixture, bob);
  const looks = await takeShots([["ann", ann], ["bob", bob]], shots);
  figures["screenshots"] = `${looks.length} in ${shots}`;
  await searchInChat({ ...fixture, password: PASSWORD, shots });
  fixture.say("messages found, opened where they were said, and from there to the newest");
  await keyboard(fixture, bob);
  fixture.say("signed up, added and wrote by keyboard alone");
  await tabs(fixture, bob);
  await account(fixture, ann, bob);
  const faults = (await Promise.all(fixture.people.map((p) => faultsOfPage(p.page)))).flat();
  assert.deepEqual(faults, []);
  assert.deepEqual(fixture.people.flatMap((p) => p.faults), []);
  figures["faults of the pages"] = "none: exceptions, policy, labels, sizes of targets, widths";
  return figures;
}

async function prove(executable: string, { say }: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const proxy = new CutProxy(new URL(server.url));
  const browser = await startBrowser(executable);
  const shots = Deno.makeTempDirSync({ prefix: "roost-web-" });
  const fixture: Fixture = { browser, url: server.url, proxy, people: [], say };
  try {
    return { pass: true, figures: await play(fixture, shots) };
  } catch (error) {
    say(`FAULT ${error instanceof Error ? error.stack : error}`);
    for (const [i, { page, faults }] of fixture.people.entries()) {
      for (const fault of faults) say(`FAULT ${fault}`);
      await page.screenshot({ path: `${shots}/failed-${i}.png` }).catch(() => {});
    }
    return { pass: false, figures: { screenshots: shots } };
  } finally {
    await browser.close();
    proxy.close();
    await server.stop();
  }
}

/** The web chat in Chromium. */
export const webProof: Proof = {
  name: "web",
  claim: "the web chat in Chromium: two users chat, one drops off the network and returns, " +
    "nothing is lost or doubled; by keyboard and on a phone, too",
  seconds: 60,
  async run(options): Promise<Verdict> {
    const executable = findChromium();
    if (executable !== null) return await prove(executable, options);
    options.say("NOT RUN: there is no Chromium here (ROOST_CHROMIUM can name it)");
    return { pass: false, figures: { "not run": "no Chromium" } };
  },
};
