/** The web chat as an app in Chromium: it can be installed, works offline, and takes new versions. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { DESKTOP, Person, PHONE } from "../prove/browser.ts";
import { inBrowser } from "./in_browser.ts";
import { startPrefixProxy } from "../process/prefix_proxy.ts";
import { untilIs } from "../process/until.ts";

const PASSWORD = "correct horse battery";
/** Where pictures go, to be looked at; absent: there are none. */
const PICTURES = Deno.env.get("PICTURES_DIR");

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** Waits for the worker; returns its scope's path and the worker's. */
const workerOf = (page: Page) =>
  page.evaluate(`navigator.serviceWorker.ready.then(async ({ scope, active }) => {
    while (active.state !== "activated") await new Promise((done) => setTimeout(done, 20));
    return [scope, active.scriptURL].map((url) => new URL(url).pathname);
  })`) as Promise<readonly string[]>;

/** The addresses of all that is kept, without host and version. */
const keptBy = (page: Page) =>
  page.evaluate(`(async () => {
    const kept = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) kept.push(new URL(url).pathname);
    }
    return kept.sort();
  })()`) as Promise<readonly string[]>;

inBrowser(
  "web chat: it can be installed, below a path too, and opens without a network (13)",
  ["--set", "server.trustedProxies=127.0.0.0/8", "--set", "registration.mode=open"],
  async ({ server, browser }) => {
    const port = Number(new URL(server.url).port);
    await using proxy = await startPrefixProxy({
      prefix: "/a/roost",
      strips: true,
      port: () => port,
    });
    const address = `${proxy.origin}/a/roost/`;
    const ann = await Person.open(browser, "ann", address, {
      viewport: DESKTOP,
      timeoutMs: 60_000,
    });
    const { page, context } = ann;
    assert.deepEqual(await workerOf(page), ["/a/roost/", "/a/roost/worker.en.js"]);
    const session = await context.newCDPSession(page);
    const manifest = await session.send("Page.getAppManifest");
    assert.deepEqual([manifest.url, manifest.errors], [`${address}chat.webmanifest`, []]);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    // A window without a profile on disk cannot install anything.
    const errors = installabilityErrors.map(({ errorId }) => errorId);
    assert.deepEqual(errors.filter((id) => id !== "in-incognito"), []);
    await ann.signUp(PASSWORD);
    const files = ["", "chat/chat.css", "chat/chat.en.js", "chat/icon.svg", "chat/main.js"];
    assert.deepEqual(await keptBy(page), files.map((path) => `/a/roost/${path}`));
    await context.setOffline(true);
    await page.reload({ waitUntil: "commit" });
    await page.locator("#wait-text:not(:empty)").waitFor();
    await picture(page, "offline-signed-in");
    // Chromium may take a moment to notice that there is no network.
    await page.getByText(/^(?:You are offline. Connecting when|No connection. Trying)/).waitFor();
    assert.deepEqual(await keptBy(page), files.map((path) => `/a/roost/${path}`));
    await context.setOffline(false);
    await page.getByRole("button", { name: "Add a contact" }).waitFor();
    assert.deepEqual(ann.faults, []);
    assert.deepEqual(proxy.strays.filter((path) => path !== "/favicon.ico"), []);
  },
);

inBrowser(
  "web chat: offline it says so before the sign-in, in the user's language; its settings install it (13)",
  [],
  async ({ server, browser }) => {
    const context = await browser.newContext({ locale: "de-DE", viewport: PHONE });
    const page = await context.newPage();
    await page.goto(server.url);
    assert.deepEqual(await workerOf(page), ["/", "/worker.de.js"]);
    await context.setOffline(true);
    await page.reload();
    await page.getByText("Zum Anmelden braucht es das Netz.").waitFor();
    await picture(page, "offline-sign-in-phone-de");
    await context.setOffline(false);
    await page.getByText("Zum Anmelden braucht es das Netz.").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Konto anlegen" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("ann");
    await page.locator("#password").fill(PASSWORD);
    await page.locator("#sign-in-go").click();
    await page.getByRole("button", { name: "Einstellungen" }).click();
    await page.getByText("bietet sein Menü es an").waitFor();
    await page.locator("#install-told").scrollIntoViewIfNeeded();
    await picture(page, "install-phone-de");
    await page.evaluate(`dispatchEvent(Object.assign(new Event("beforeinstallprompt"), {
      prompt: async () => { globalThis.prompted = true; } }))`);
    await page.locator("#install").scrollIntoViewIfNeeded();
    await picture(page, "install-offered-phone-de");
    await page.getByRole("button", { name: "Als App installieren" }).click();
    await untilIs("asked", () => page.evaluate("globalThis.prompted"), (asked) => asked === true);
    // Another language has a worker of its own, in the place of the other.
    await page.getByLabel("Sprache dieser Seite").selectOption("en");
    await page.getByRole("button", { name: "Add a contact" }).waitFor();
    const script = () =>
      page.evaluate(`navigator.serviceWorker.getRegistrations().then((all) =>
        all.map(({ active }) => new URL(active?.scriptURL ?? location.href).pathname).join())`);
    await untilIs("the worker in English", script, (path) => path === "/worker.en.js");
  },
);

/** A server between, which can make another version of the chat of what it serves. */
function startBetween(to: string) {
  let [from, into] = ["", ""];
  const asked: string[] = [];
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    const { pathname, search } = new URL(request.url);
    asked.push(pathname + search);
    const response = await fetch(to + pathname + search);
    const headers = new Headers(response.headers);
    for (const name of ["content-encoding", "content-length", "etag"]) headers.delete(name);
    const bytes = await response.bytes();
    const changes = from !== "" && (pathname === "/" || pathname.startsWith("/worker."));
    const body = changes ? new TextDecoder().decode(bytes).replaceAll(from, into) : bytes;
    return new Response(body, { status: response.status, headers });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    change: (before: string, after: string) => void ([from, into] = [before, after]),
    stop: () => server.shutdown(),
  };
}

inBrowser(
  "web chat: a new version is there at the next load, and nothing of the old one with it (13)",
  [],
  async ({ server, browser }) => {
    const between = startBetween(server.url);
    const context = await browser.newContext({ viewport: DESKTOP });
    try {
      const page = await context.newPage();
      await page.goto(between.url);
      await workerOf(page);
      const version = () =>
        page.evaluate(
          `new URL(document.querySelector("script[src]").src).searchParams.get("v")`,
        ) as Promise<string>;
      const asked = (named: string) =>
        between.asked.filter((path) => path.endsWith(named)).map((path) => path.split("?")[0]);
      const old = await version();
      const newer = "0123456789abcdef";
      between.asked.splice(0);
      await page.reload();
      await page.locator("#sign-in").waitFor();
      assert.deepEqual(asked(old), [], "all files were kept");
      between.change(old, newer);
      await page.reload();
      await page.locator("#sign-in").waitFor();
      assert.equal(await version(), newer);
      const files = ["/chat/chat.css", "/chat/chat.en.js", "/chat/main.js"];
      assert.deepEqual([...new Set(asked(newer))].sort(), files);
      const names = () => page.evaluate("caches.keys()") as Promise<readonly string[]>;
      await untilIs("the new files are kept", names, (all) => all.length === 2);
      const changing = () =>
        page.evaluate(`navigator.serviceWorker.getRegistration().then(
          ({ installing, waiting, active }) =>
            installing ?? waiting ?? (active.state === "activated" ? null : active))
              .then((worker) => worker?.state ?? "done")`);
      await untilIs("the new worker", changing, (state) => state === "done");
      await context.setOffline(true);
      await page.reload();
      await page.locator("#sign-in").waitFor();
      assert.equal(await version(), newer);
    } finally {
      await context.close();
      await between.stop();
    }
  },
);
