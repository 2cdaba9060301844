/**
 * Three datacenters on one machine, as the documents begin them, and people in two of them in
 * Chromium: they become contacts and write; one cell is killed and returns; the page of a third cell
 * is used by somebody who is at home elsewhere; the other cell is killed while they write, its
 * standby takes over and hands it back, and the pages follow; the dashboard shows the cells. Without
 * Chromium it proves nothing.
 */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { blocksOf } from "../process/document.ts";
import { DESKTOP, findChromium, Person, PHONE, type Shown, startBrowser } from "./browser.ts";
import { faultsOfPage, takeShots } from "./page_checks.ts";
import { freePort } from "../process/pinned.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { roost } from "../process/cli.ts";
import { admin, type CopiesSeen } from "../process/standby_cells.ts";
import { PATIENT, ServerProcess, tempDir } from "../process/server.ts";
import { untilIs } from "../process/until.ts";

const DOCUMENT = "server/peer/README.md";
const PASSWORD = "correct horse battery";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const TIMEOUT_MS = 60_000;
/** Messages to one whose cell is away. */
const AWAY_MESSAGES = 10;
/** Messages of each while a cell fails over, and after that. */
const MESSAGES = 5;
/** What the proof adds to the lines of the documents: a dashboard, a shorter time, a busy machine. */
const UNKNOWN_MS = 3000;
const DASHBOARD = "tokyo";

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

  dataDir(name: string): string {
    return `${this.#dir}/${name}`;
  }

  /** Runs a line in a shell, as somebody who pastes it. */
  async start(name: string): Promise<void> {
    const line = this.#lines.find((line) => line.includes(`--data ${name} `))!;
    const more = [
      ...PATIENT,
      ...["--set", `cells.presenceUnknownMs=${UNKNOWN_MS}`],
      ...(name === DASHBOARD ? ["--set", `admin.listen=127.0.0.1:${this.#admin}`] : []),
    ];
    const program = `${Deno.execPath()} run -A --no-check --quiet ${MAIN}`;
    const server = await ServerProcess.run({
      command: ["bash", "-c", `roost() { exec ${program} "$@"; }; ${line} ${more.join(" ")}`],
      dataDir: this.dataDir(name),
      cwd: this.#dir,
      env: {},
    });
    this.servers.set(name, server);
  }

  async begin(): Promise<void> {
    const [secret, ...starts] = this.#lines;
    const script =
      `roost() { ${Deno.execPath()} run -A --no-check --quiet ${MAIN} "$@"; }; ${secret}`;
    const { success } = await new Deno.Command("bash", { args: ["-c", script], cwd: this.#dir })
      .output();
    assert.ok(success, String(secret));
    for (const line of starts) await this.start(/--data (\S+)/.exec(line)![1]!);
    await untilIs("three members", () => this.members(), (members) => members === 3);
  }

  async members(): Promise<number> {
    const { out } = await roost(["cells", "--json", "--data", this.dataDir(DASHBOARD)]);
    return JSON.parse(out).members.cells.length;
  }

  async token(): Promise<string> {
    return (await roost(["admin", "token", "--data", this.dataDir(DASHBOARD)])).out.trim();
  }

  /** Waits until the standby of what serves from a directory may take over. */
  async untilInSync(dataDir: string): Promise<void> {
    const ask = () => admin<CopiesSeen>(dataDir, "GET", "/admin/standby").catch(() => null);
    const inSync = (seen: CopiesSeen | null) =>
      seen?.own?.standbys.some(({ state }) => state === "in sync") === true;
    await untilIs("a standby in sync", ask, inSync);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.kill()));
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

/** Bob signs in at the page of the third cell, which connects to his home by itself. */
async function elsewhere(browser: Browser, cells: Cells, shots: string): Promise<Person> {
  const { url } = cells.servers.get("lima")!;
  const phone = { viewport: PHONE, touch: true, timeoutMs: TIMEOUT_MS };
  const bob = await Person.open(browser, "bob", url, phone);
  await bob.signIn(PASSWORD);
  assert.equal(new URL(bob.page.url()).origin, url);
  await bob.talkTo("ann");
  await bob.page.locator("#talk-line", { hasText: "Online" }).waitFor();
  await takeShots([["elsewhere", bob]], shots);
  return bob;
}

/** Each writes some messages; the function that it returns waits until both have all of them, in order. */
async function write(ann: Person, bob: Person, about: string): Promise<() => Promise<void>> {
  const texts = (name: string) =>
    Array.from({ length: MESSAGES }, (_, i) => `${about}, ${name} ${i}`);
  const [hers, his] = [texts("Ann"), texts("Bob")];
  for (let i = 0; i < MESSAGES; i++) {
    await ann.say(hers[i]!);
    await bob.say(his[i]!);
  }
  return async () => {
    for (const person of [ann, bob]) {
      const own = person === ann ? hers : his;
      const of = (shown: readonly Shown[], texts: readonly string[]) =>
        bodies(shown).filter((body) => texts.includes(body));
      const whole = (shown: readonly Shown[]) =>
        of(shown, [...hers, ...his]).length >= 2 * MESSAGES &&
        shown.every(({ mark }) => mark !== "waiting" && mark !== "failed");
      const shown = await untilIs(`all messages at ${person.name}`, () => person.shown(), whole);
      assert.deepEqual([of(shown, hers), of(shown, his)], [hers, his], person.name);
      assert.ok(shown.every(({ body, out }) => !own.includes(body) || out));
    }
  };
}

/** Waits until both see each other online. */
async function online(ann: Person, bob: Person): Promise<void> {
  for (const person of [ann, bob]) {
    await person.page.locator("#talk-line", { hasText: "Online" }).waitFor();
    await person.page.locator("#connection", { hasNotText: "Reconnecting" }).waitFor({
      state: "attached",
    });
  }
}

/** Ann's cell is killed while both write: its standby serves it, and hands it back. */
async function failover(
  cells: Cells,
  ann: Person,
  bob: Person,
  look: () => Promise<void>,
  shots: string,
): Promise<Readonly<Record<string, string>>> {
  const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
  await cells.untilInSync(cells.dataDir("paris"));
  await cells.servers.get("paris")!.kill();
  const killedMs = performance.now();
  await ann.page.locator("#connection", { hasText: "Reconnecting" }).waitFor();
  const all = await write(ann, bob, "while paris fails over");
  await takeShots([["failover-ann", ann]], shots);
  await all();
  const took = seconds(killedMs);
  await online(ann, bob);
  await takeShots([["failed-over-ann", ann], ["failed-over-bob", bob]], shots);
  await look();
  const returned = cells.start("paris");
  await cells.untilInSync(`${cells.dataDir("tokyo")}/standby/paris`);
  const orderedMs = performance.now();
  const order = ["cells", "handback", "paris", "--data", cells.dataDir("tokyo")];
  const { code, err } = await roost(order);
  assert.equal(code, 0, err);
  await returned;
  await (await write(ann, bob, "paris is back"))();
  await online(ann, bob);
  return { "all arrived after a kill": took, "after the order to hand back": seconds(orderedMs) };
}

/** The dashboard shows both other cells, with their links plotted. */
async function world(page: Page, cells: Cells): Promise<void> {
  await page.goto(`${cells.dashboard}/admin`);
  await page.getByLabel("Admin token").fill(await cells.token());
  await page.keyboard.press("Enter");
  await page.locator("#world-link").click();
  for (const name of ["paris", "lima"]) {
    const card = page.locator("#world-cards li", { has: page.locator(`h3:text-is("${name}")`) });
    await card.locator(".health", { hasText: "Linked" }).waitFor();
  }
  await page.getByRole("slider", { name: "Round trip, plotted" }).waitFor();
  await paris(page).locator("dd", { hasText: "standby here" }).waitFor();
}

/** What it shows of Ann's cell, whose standby it is at. */
const paris = (page: Page) =>
  page.locator("#world-cards li", { has: page.locator(`h3:text-is("paris")`) });

/** Pictures of the dashboard. */
async function shoot(page: Page, name: string, shots: string): Promise<void> {
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.waitForTimeout(500);
      await page.screenshot({
        path: `${shots}/${name}-${size}-${colorScheme}.png`,
        fullPage: true,
      });
      assert.deepEqual(await faultsOfPage(page), []);
    }
  }
}

/** Everything, one after the other. */
async function story(
  browser: Browser,
  cells: Cells,
  pictures: string,
  say: (text: string) => void,
): Promise<Readonly<Record<string, string>>> {
  const at = (name: string) => cells.servers.get(name)!.url;
  const [desktop, phone] = [DESKTOP, PHONE].map((viewport) => ({
    viewport,
    timeoutMs: TIMEOUT_MS,
  }));
  const ann = await Person.open(browser, "ann", at("paris"), desktop!);
  const bob = await Person.open(browser, "bob", at("tokyo"), { ...phone!, touch: true });
  await meet(ann, bob);
  await takeShots([["chat-ann", ann], ["chat-bob", bob]], pictures);
  say("two people in different cells write to each other");
  const back = await away(cells, ann, bob, pictures);
  say(`a cell was killed and has returned: all arrived ${back} after its start`);
  const again = await elsewhere(browser, cells, pictures);
  say("one of them is at the page of the third cell, too");
  const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await world(page, cells);
  await shoot(page, "world", pictures);
  const look = async () => {
    await paris(page).locator("dd", { hasText: "served here" }).waitFor();
    await shoot(page, "world-failed-over", pictures);
  };
  const took = await failover(cells, ann, bob, look, pictures);
  say("the other cell was killed, served by its standby, and handed back");
  // A server that has only begun refuses for a moment.
  const faults = [ann, bob, again].flatMap((person) => person.faults)
    .filter((fault) => !fault.includes("status of 503"));
  assert.deepEqual(faults, []);
  return { "after the start of the killed cell": back, ...took };
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
    const figures = await story(browser, cells, pictures, say);
    return { pass: true, figures: { ...figures, screenshots: pictures } };
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
    "cell is killed and returns, the other fails over to its standby and back, and nothing is " +
    "lost or doubled",
  seconds: 120,
  run,
};
