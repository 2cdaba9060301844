/**
 * Three datacenters on one machine, as the documents begin them, and people in two of them in
 * Chromium: they become contacts and write; one cell is killed and returns; a third cell shows who
 * is at home elsewhere the way; the dashboard shows the cells. Without Chromium it proves nothing.
 */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { blocksOf } from "../process/document.ts";
import { DESKTOP, findChromium, Person, PHONE, type Shown, startBrowser } from "./browser.ts";
import { faultsOfPage, takeShots } from "./page_checks.ts";
import { freePort } from "../process/pinned.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { untilIs } from "../process/until.ts";

const DOCUMENT = "server/peer/README.md";
const PASSWORD = "correct horse battery";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const TIMEOUT_MS = 60_000;
/** Messages to one whose cell is away. */
const AWAY_MESSAGES = 10;
/** What the proof adds to the lines of the documents: a dashboard, and a shorter time. */
const UNKNOWN_MS = 3000;

/** The commands of the documents; each port is a free one, the same wherever it is named. */
function commandsOfDocument(): readonly string[] {
  const ports = new Map<string, number>();
  const [block] = blocksOf(DOCUMENT, "### Three on one laptop").filter((b) =>
    b.info === "sh laptop"
  );
  assert.ok(block !== undefined, `${DOCUMENT} has no such block`);
  return block.text.trim().split("\n").map((line) =>
    line.replaceAll(/127\.0\.0\.1:(\d+)/g, (_, port) => {
      if (!ports.has(port)) ports.set(port, freePort());
      return `127.0.0.1:${ports.get(port)}`;
    })
  );
}

/** The three cells, each a process that a line of the documents has started. */
class Cells {
  readonly #dir: string;
  readonly #lines: readonly string[];
  readonly #admin = freePort();
  readonly servers = new Map<string, ServerProcess>();

  constructor(dir: string, lines: readonly string[]) {
    this.#dir = dir;
    this.#lines = lines;
  }

  get dashboard(): string {
    return `http://127.0.0.1:${this.#admin}`;
  }

  /** Runs a line in a shell, as somebody who pastes it. */
  async start(name: string): Promise<ServerProcess> {
    const line = this.#lines.find((line) => line.includes(`--data ${name} `))!;
    const admin = name === "paris" ? ` --set admin.listen=127.0.0.1:${this.#admin}` : "";
    const more = `--set cells.presenceUnknownMs=${UNKNOWN_MS}${admin}`;
    const program = `${Deno.execPath()} run -A --no-check --quiet ${MAIN}`;
    const server = await ServerProcess.run({
      command: ["bash", "-c", `roost() { exec ${program} "$@"; }; ${line} ${more}`],
      dataDir: `${this.#dir}/${name}`,
      cwd: this.#dir,
      env: {},
    });
    this.servers.set(name, server);
    return server;
  }

  async begin(): Promise<void> {
    const [secret] = this.#lines;
    const script =
      `roost() { ${Deno.execPath()} run -A --no-check --quiet ${MAIN} "$@"; }; ${secret}`;
    const { success } = await new Deno.Command("bash", { args: ["-c", script], cwd: this.#dir })
      .output();
    assert.ok(success, String(secret));
    for (const name of ["paris", "tokyo", "lima"]) await this.start(name);
    await untilIs("three members", () => this.members(), (members) => members === 3);
  }

  async members(): Promise<number> {
    const { out } = await roost(["cells", "--json", "--data", `${this.#dir}/paris`]);
    return JSON.parse(out).members.cells.length;
  }

  async token(): Promise<string> {
    return (await roost(["admin", "token", "--data", `${this.#dir}/paris`])).out.trim();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.stop()));
  }
}

const bodies = (shown: readonly Shown[]) => shown.map(({ body }) => body);

/** Two in different cells sign up, become contacts, and write. */
async function meet(ann: Person, bob: Person): Promise<void> {
  await ann.signUp(PASSWORD);
  await bob.signUp(PASSWORD);
  await ann.add("bob");
  await bob.accept("ann");
  await bob.talkTo("ann");
  // A newcomer does not know yet who accepts: the request has an answer in the list.
  await ann.talkTo("bob");
  for (const person of [ann, bob]) {
    await person.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  }
  await ann.say("Hello Tokyo");
  await bob.say("Hello Paris");
  for (const person of [ann, bob]) {
    const shown = await untilIs("both messages", () => person.shown(), (s) => s.length === 2);
    assert.deepEqual(bodies(shown).sort(), ["Hello Paris", "Hello Tokyo"]);
  }
  await ann.page.locator(".message.out[data-mark=read]").waitFor();
}

/** Bob's cell is killed: he is unknown, what is written waits, and all of it arrives after that. */
async function away(cells: Cells, ann: Person, bob: Person, shots: string): Promise<string> {
  await cells.servers.get("tokyo")!.kill();
  await bob.page.locator("#connection", { hasText: "Reconnecting" }).waitFor();
  await ann.page.locator("#talk-line", { hasText: "Unknown at the moment" }).waitFor();
  await ann.page.locator("#people .dot[data-show=unknown]").waitFor();
  const texts = Array.from({ length: AWAY_MESSAGES }, (_, i) => `while you are away ${i}`);
  for (const text of texts) await ann.say(text);
  await takeShots([["away-ann", ann], ["away-bob", bob]], shots);
  const began = performance.now();
  await cells.start("tokyo");
  const ids = (shown: readonly Shown[]) => bodies(shown).filter((body) => texts.includes(body));
  const shown = await untilIs(
    "all messages",
    () => bob.shown(),
    (s) => ids(s).length >= texts.length,
  );
  assert.deepEqual(ids(shown), texts);
  await ann.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

/** At the third cell's page Bob is shown the way to his own, where he signs in. */
async function elsewhere(browser: Browser, cells: Cells, shots: string): Promise<Person> {
  const { url } = cells.servers.get("lima")!;
  const bob = await Person.open(browser, "bob", url, { viewport: PHONE, touch: true });
  const { page } = bob;
  await page.getByRole("textbox", { name: "Name" }).fill("bob");
  await page.locator("#sign-in").getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  const link = page.locator("#sign-in-error a");
  await link.waitFor();
  await takeShots([["elsewhere", bob]], shots);
  await link.click();
  await bob.signIn(PASSWORD);
  assert.equal(new URL(page.url()).origin, cells.servers.get("tokyo")!.url);
  return bob;
}

/** The dashboard shows both other cells, with their links plotted. */
async function world(page: Page, cells: Cells, shots: string): Promise<void> {
  await page.goto(`${cells.dashboard}/admin`);
  await page.getByLabel("Admin token").fill(await cells.token());
  await page.keyboard.press("Enter");
  await page.locator("#world-link").click();
  for (const name of ["lima", "tokyo"]) {
    const card = page.locator("#world-cards li", { has: page.locator(`h3:text-is("${name}")`) });
    await card.locator(".health", { hasText: "Linked" }).waitFor();
  }
  await page.getByRole("slider", { name: "Round trip, plotted" }).waitFor();
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.waitForTimeout(500);
      await page.screenshot({ path: `${shots}/world-${size}-${colorScheme}.png`, fullPage: true });
      assert.deepEqual(await faultsOfPage(page), []);
    }
  }
}

async function run({ shots, say }: ProofOptions): Promise<Verdict> {
  const chromium = findChromium();
  if (chromium === null) {
    say("There is no Chromium: nothing was proved");
    return { pass: true, figures: {} };
  }
  using dir = tempDir();
  const pictures = shots ?? Deno.makeTempDirSync({ prefix: "roost-shots-" });
  const cells = new Cells(dir.path, commandsOfDocument());
  const browser = await startBrowser(chromium);
  try {
    await cells.begin();
    say("three cells, as the document starts them, are members of one federation");
    const at = (name: string) => cells.servers.get(name)!.url;
    const ann = await Person.open(browser, "ann", at("paris"), { viewport: DESKTOP });
    const bob = await Person.open(browser, "bob", at("tokyo"), { viewport: PHONE, touch: true });
    for (const person of [ann, bob]) person.page.setDefaultTimeout(TIMEOUT_MS);
    await meet(ann, bob);
    await takeShots([["chat-ann", ann], ["chat-bob", bob]], pictures);
    say("two people in different cells write to each other");
    const back = await away(cells, ann, bob, pictures);
    say("a cell was killed and has returned");
    const again = await elsewhere(browser, cells, pictures);
    const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await world(page, cells, pictures);
    // A server that has only begun refuses for a moment.
    const faults = [ann, bob, again].flatMap((person) => person.faults)
      .filter((fault) => !fault.includes("status of 503"));
    assert.deepEqual(faults, []);
    return {
      pass: true,
      figures: { "after the start of the killed cell": back, screenshots: pictures },
    };
  } finally {
    await browser.close();
    await cells.stop();
  }
}

/** See the head of this file. */
export const worldProof: Proof = {
  name: "world",
  claim:
    "three cells as the document starts them: two people in two of them chat in Chromium, one " +
    "cell is killed and returns, and nothing is lost or doubled",
  seconds: 60,
  run,
};
