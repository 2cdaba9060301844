/** Tests with a server and Chromium. */
import type { Browser } from "playwright-core";
import { findChromium, startBrowser } from "../prove/browser.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const chromium = findChromium();
if (chromium === null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("Pages are not tested in a browser here, for there is no Chromium.");
}

/** What such a test has. */
export interface Fixture {
  readonly server: ServerProcess;
  readonly browser: Browser;
  readonly dir: string;
}

/** Longest time of one test, on a machine that is busy with others (ms). */
const LIMIT_MS = 150_000;

/**
 * Defines a test with a server, which gets `flags`, and a browser; without Chromium it is not run.
 */
export function inBrowser(
  name: string,
  flags: readonly string[],
  run: (fixture: Fixture) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: chromium === null,
    fn: async () => {
      using dir = tempDir();
      const server = await ServerProcess.start({ dataDir: dir.path, flags });
      const browser = await startBrowser(chromium!);
      try {
        await bounded(browser, run({ server, browser, dir: dir.path }));
      } finally {
        await browser.close();
        await server.stop();
      }
    },
  });
}

/** Rejects where a test takes too long, with what its pages show: a wait for an event has no end. */
async function bounded(browser: Browser, running: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(async () => {
      const pages = browser.contexts().flatMap((context) => context.pages());
      const shown = await Promise.all(
        pages.map((page) => page.locator("body").innerText({ timeout: 1000 }).catch(String)),
      );
      reject(new Error(`it takes over ${LIMIT_MS} ms; the pages show: ${shown.join("\n---\n")}`));
    }, LIMIT_MS);
  });
  try {
    await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}
