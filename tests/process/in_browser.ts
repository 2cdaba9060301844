/** Tests with a server and Chromium. */
import type { Browser } from "playwright-core";
import { findChromium, startBrowser } from "../prove/browser.ts";
import { ServerProcess, tempDir } from "./server.ts";

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
        await run({ server, browser, dir: dir.path });
      } finally {
        await browser.close();
        await server.stop();
      }
    },
  });
}
