/** The application of the package's README and the counting page, driven in Chromium. */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import type { Figures } from "../figures.ts";
import { untilIs } from "../../process/until.ts";

/** Serves the files of a directory on loopback: an origin other than the server's. */
export function serveFiles(port: number, dir: () => string): Deno.HttpServer {
  const types = { html: "text/html", js: "text/javascript" } as const;
  return Deno.serve({ port, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const path = pathname === "/" ? "/index.html" : pathname;
    const type = types[path.slice(path.lastIndexOf(".") + 1) as keyof typeof types];
    const bytes = await Deno.readFile(dir() + path).catch(() => null);
    if (bytes === null || type === undefined) return new Response(null, { status: 404 });
    return new Response(bytes, { headers: { "content-type": type } });
  });
}

/** Somebody with the README's application in a profile of their own. */
async function person(browser: Browser, url: string, name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByText(`${name} is online`).waitFor();
  return page;
}

async function add(page: Page, contact: string): Promise<void> {
  await page.getByLabel("Add a contact").fill(contact);
  await page.getByLabel("Add a contact").press("Enter");
}

async function say(
  page: Page,
  to: string,
  body: string,
  typed: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const field = page.getByRole("region", { name: to }).getByLabel("Message");
  await field.pressSequentially(body);
  await typed();
  await field.press("Enter");
}

const line = (page: Page, text: string) =>
  page.getByRole("listitem").getByText(text, { exact: true });

/** `restart` stops the server, does what it is given, and starts it again. */
export async function driveApp(
  browser: Browser,
  url: string,
  restart: (meanwhile: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const [ann, bob] = [await person(browser, url, "ann"), await person(browser, url, "bob")];
  await add(ann, "bob");
  await bob.getByRole("button", { name: "Accept ann" }).click();
  await ann.getByText("bob is online").waitFor();
  await add(bob, "ann");
  await ann.getByRole("button", { name: "Accept bob" }).click();
  await bob.getByText("ann is online").first().waitFor();
  const types = ann.getByText("bob types");
  await say(bob, "ann", "Hello Ann", () => types.waitFor());
  await line(ann, "bob: Hello Ann").waitFor();
  await types.waitFor({ state: "hidden" });
  await say(ann, "bob", "Hello Bob");
  await line(bob, "ann: Hello Bob").waitFor();
  await restart(async () => {
    await ann.getByText("ann is waiting").waitFor();
    await ann.getByText("bob is unknown").waitFor();
    await say(ann, "bob", "Are you back?");
    await line(ann, "me: Are you back? …").waitFor();
  });
  await line(bob, "ann: Are you back?").waitFor();
  await line(ann, "me: Are you back?").waitFor();
  await ann.getByText("bob is online").waitFor();
  await bob.context().close();
  await ann.getByText("bob is offline").waitFor();
  await ann.context().close();
}

type Counts = Readonly<Record<string, number>>;

/** What the counting page has on its `window`. */
interface Counting {
  readonly counts: Counts;
  readonly shown: Readonly<
    Record<"presence" | "talk", { readonly show: string; readonly events: unknown[] }>
  >;
  readonly people: Readonly<
    Record<string, Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>>
  >;
}

/** The counts, once they have not changed for half a second. */
async function settledCounts(page: Page): Promise<Counts> {
  const read = () => page.evaluate(() => ({ ...(globalThis as unknown as Counting).counts }));
  let last = await read();
  for (let calm = 0; calm < 5;) {
    await page.waitForTimeout(100);
    const now = await read();
    calm = JSON.stringify(now) === JSON.stringify(last) ? calm + 1 : 0;
    last = now;
  }
  return last;
}

/** Calls a function of one of the page's clients; returns how often what was rendered after it. */
async function after(page: Page, who: string, what: string, ...args: unknown[]): Promise<Counts> {
  const before = await settledCounts(page);
  await page.evaluate(
    ([who, what, args]) =>
      (globalThis as unknown as Counting).people[who]![what]!(...args).then(() => {}),
    [who, what, args] as const,
  );
  const now = await settledCounts(page);
  return Object.fromEntries(
    Object.entries(now).map(([name, n]) => [name, n - (before[name] ?? 0)] as const)
      .filter(([, n]) => n !== 0),
  );
}

/** Each hook renders its component when what it shows changes, and otherwise not. */
export async function driveCounts(browser: Browser, url: string, figures: Figures): Promise<void> {
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(`${url}/counts.html`);
  const shown = () => page.evaluate(() => (globalThis as unknown as Counting).shown);
  await untilIs("eve is online", shown, (all) => all?.presence?.show === "online");
  const rendered = async (wanted: readonly string[], ...call: [string, string, ...unknown[]]) => {
    const counts = await after(page, ...call);
    assert.deepEqual(Object.keys(counts).sort(), [...wanted].sort(), call.join(" "));
    const [who, what, ...args] = call;
    figures.note(`${who} ${what} ${JSON.stringify(args)} renders`, JSON.stringify(counts));
  };
  await rendered([], "dan", "devices");
  await rendered(["contacts"], "fay", "setPresence", { show: "away" });
  await rendered([], "fay", "setPresence", { show: "away" });
  await rendered(["contacts", "presence"], "eve", "setPresence", { show: "dnd" });
  await rendered(["conversations", "other"], "fay", "send", "dan", "Hello Dan");
  await rendered(["conversations", "talk"], "eve", "send", "dan", "Hello Dan");
  await rendered(["talk"], "eve", "typing", "dan");
  assert.equal((await shown()).talk.events.length, 1);
  assert.deepEqual(faults, []);
  await page.close();
}
