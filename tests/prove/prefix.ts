/**
 * The web chat in Chromium below a path that a reverse proxy takes off. Where there is no Chromium
 * it says so, and proves nothing.
 */
import assert from "node:assert/strict";
import { DESKTOP, findChromium, Person, startBrowser } from "./browser.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { startPrefixProxy } from "../process/prefix_proxy.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const PASSWORD = "correct horse battery";
const FLAGS = ["server.trustedProxies=127.0.0.0/8", "registration.mode=open"];

/**
 * What Chromium has transferred for the first load of a page: files, and bytes over the network. The
 * icon is one file, though Chromium asks for it twice: in the page, and once the page is loaded for
 * the tab, which gets 304 without a body (or, if it is asked early, is not counted at all). Its bytes
 * count. The service worker is no part of it: it is installed when the page is there to be used, and
 * what it keeps is asked for with entity tags, of files that the browser has by then.
 */
async function firstLoad({ page }: Person): Promise<{ files: number; bytes: number }> {
  // Its expression is text, for it runs in the page.
  const loads = await page.evaluate(`[
    ...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource"),
  ].filter((entry) => !entry.name.includes("/v1/")).map(({ name, transferSize }) => ({ name, transferSize }))`) as readonly {
    name: string;
    transferSize: number;
  }[];
  return {
    files: new Set(loads.map(({ name }) => name)).size,
    bytes: loads.reduce((sum, { transferSize }) => sum + transferSize, 0),
  };
}

async function prove(executable: string, { say }: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const flags = FLAGS.flatMap((flag) => ["--set", flag]);
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const port = Number(new URL(server.url).port);
  await using proxy = await startPrefixProxy({
    prefix: "/a/roost",
    strips: true,
    port: () => port,
  });
  const browser = await startBrowser(executable);
  try {
    const open = (name: string, path: string) =>
      Person.open(browser, name, proxy.origin + path, { viewport: DESKTOP });
    // The address without a slash at its end works too.
    const ann = await open("ann", "/a/roost");
    const bob = await open("bob", "/a/roost/");
    const loaded = await firstLoad(ann);
    say(`first load: ${loaded.files} files, ${loaded.bytes} bytes`);
    for (const person of [ann, bob]) await person.signUp(PASSWORD);
    await ann.add("bob");
    await bob.accept("ann");
    await ann.talkTo("bob");
    await ann.say("Below a path");
    await bob.talkTo("ann");
    await bob.page.locator(".message", { hasText: "Below a path" }).waitFor();
    await bob.page.reload();
    await bob.page.getByRole("button", { name: "Add a contact" }).waitFor();
    const docs = await open("reader", "/a/roost/docs");
    await docs.page.getByRole("link", { name: "Protocol" }).first().click();
    await docs.page.waitForURL("**/a/roost/docs/protocol");
    for (const person of [ann, bob, docs]) assert.deepEqual(person.faults, []);
    assert.deepEqual(proxy.strays.filter((path) => path !== "/favicon.ico"), []);
    assert.ok(loaded.files <= 5 && loaded.bytes < 100_000, JSON.stringify(loaded));
    return {
      pass: true,
      figures: { "files of the first load": loaded.files, "bytes of the first load": loaded.bytes },
    };
  } finally {
    await browser.close();
    await server.stop();
  }
}

/** The web chat below a path. */
export const prefixProof: Proof = {
  name: "prefix",
  claim: "the web chat in Chromium below a path of a reverse proxy: sign-up, chat, reload and " +
    "documents work, nothing is asked for elsewhere, and the first load is under 100 KB",
  seconds: 15,
  async run(options): Promise<Verdict> {
    const executable = findChromium();
    if (executable !== null) return await prove(executable, options);
    options.say("NOT RUN: there is no Chromium here (ROOST_CHROMIUM can name it)");
    return { pass: false, figures: { "not run": "no Chromium" } };
  },
};
