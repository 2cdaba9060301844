/** The dashboard's view of nodes in Chromium, of a server of several processes. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { DESKTOP, findChromium, PHONE, startBrowser } from "../prove/browser.ts";
import { faultsOfPage } from "../prove/page_checks.ts";
import { freePort } from "./pinned.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** A machine that is busy with other tests is slow. */
const TIMEOUT_MS = 120_000;
/** Null where it is not installed: then the test is shown as ignored. */
const chromium = findChromium();

async function open(page: Page, admin: string, token: string): Promise<void> {
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(`${admin}/admin`, { timeout: TIMEOUT_MS });
  await page.getByLabel("Admin token").fill(token);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Nodes" }).click();
  await page.locator("#node-cards li").nth(2).waitFor();
}

Deno.test({
  name: "11: the dashboard shows all workers, who owns which shard, and a takeover as it happens",
  ignore: chromium === null,
  async fn() {
    using dir = tempDir();
    const port = freePort();
    const flags = ["--workers", "3", "--set", `admin.listen=127.0.0.1:${port}`];
    const server = await ServerProcess.start({ dataDir: dir.path, flags });
    const browser = await startBrowser(chromium!);
    let stopped = 0;
    try {
      const token = (await roost(["admin", "token", "--data", dir.path])).out.trim();
      const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
      const faults: string[] = [];
      page.on("pageerror", (error) => faults.push(String(error)));
      await open(page, `http://127.0.0.1:${port}`, token);
      for (const worker of [1, 2, 3]) {
        await page.locator("#node-cards h3", { hasText: `Worker ${worker}` }).waitFor();
      }
      // One that has no share yet would leave nothing to take over.
      await page.getByRole("img", { name: /^Shards by node:.* Worker 3 [1-9]/ }).waitFor();
      const started = [...server.log.matchAll(/worker started worker=3 pid=(\d+)/g)];
      // One that ends is started again at once, and may take its own shards again.
      stopped = Number(started.at(-1)![1]);
      Deno.kill(stopped, "SIGSTOP");
      await page.locator("#moves li", { hasText: /Shard \d+: Worker 3 → Worker [12]/ }).first()
        .waitFor();
      Deno.kill(stopped, "SIGCONT");
      for (const viewport of [DESKTOP, PHONE]) {
        await page.setViewportSize(viewport);
        assert.deepEqual(await faultsOfPage(page), []);
      }
      await page.getByRole("link", { name: "Overview" }).click();
      const chosen = page.getByLabel("Plots of");
      await chosen.selectOption({ label: "Worker 2" });
      assert.deepEqual(await faultsOfPage(page), []);
      await page.getByRole("link", { name: "Shards" }).click();
      await page.locator("#shard-table td", { hasText: "Worker 2" }).first().waitFor();
      assert.deepEqual(faults, []);
    } finally {
      await browser.close();
      if (stopped > 0) Deno.kill(stopped, "SIGCONT");
      await server.stop();
    }
  },
});
