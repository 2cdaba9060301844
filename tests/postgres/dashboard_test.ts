/** The dashboard's view of three nodes in Chromium: a node is drained there, and taken back. */
import assert from "node:assert/strict";
import { DESKTOP, findChromium, PHONE, startBrowser } from "../prove/browser.ts";
import { faultsOfPage } from "../prove/page_checks.ts";
import { freePort } from "../process/pinned.ts";
import type { Page } from "playwright-core";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";

const TIMEOUT_MS = 120_000;
/** Null where it is not installed: then the test is shown as ignored. */
const chromium = findChromium();

async function startNodes(dir: string, store: string, adminPort: number): Promise<ServerProcess[]> {
  Deno.writeTextFileSync(`${dir}/secret`, "a secret that only the test knows, and its nodes");
  const cell = ["--store", store, "--cell-listen", "127.0.0.1:0"];
  const nodes: ServerProcess[] = [];
  for (const n of [1, 2, 3]) {
    const admin = n === 1 ? ["--set", `admin.listen=127.0.0.1:${adminPort}`] : [];
    const flags = [...cell, "--cell-secret-file", `${dir}/secret`, ...admin];
    nodes.push(await ServerProcess.start({ dataDir: `${dir}/node${n}`, flags }));
  }
  return nodes;
}

async function open(page: Page, admin: string, token: string): Promise<void> {
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(`${admin}/admin`, { timeout: TIMEOUT_MS });
  await page.getByLabel("Admin token").fill(token);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Nodes" }).click();
  await page.locator("#node-cards li").nth(2).waitFor();
  await page.getByRole("img", { name: /^Shards by node:( Node [^,]+ [1-9]\d*,?){3}$/ }).waitFor();
}

Deno.test({
  name: "11: the dashboard drains a node of three, shows that it is, and takes it back",
  ignore: chromium === null,
  async fn() {
    using dir = tempDir();
    const cluster = startCluster();
    const port = freePort();
    const nodes = await startNodes(dir.path, await cluster.database("dashboard"), port);
    const browser = await startBrowser(chromium!);
    try {
      const token = (await roost(["admin", "token", "--data", `${dir.path}/node1`])).out.trim();
      const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
      const faults: string[] = [];
      page.on("pageerror", (error) => faults.push(String(error)));
      await open(page, `http://127.0.0.1:${port}`, token);
      const links = page.locator("#seen-table td", { hasText: /^linked/ });
      await links.nth(5).waitFor();
      const card = page.locator("#node-cards li").nth(1);
      await card.getByRole("button", { name: "Drain" }).click();
      await page.locator("#confirm-yes").click();
      await card.locator(".health", { hasText: /^Drained$/ }).waitFor();
      await page.locator("#moves li", { hasText: /Shard \d+: Node/ }).first().waitFor();
      for (const viewport of [DESKTOP, PHONE]) {
        await page.setViewportSize(viewport);
        assert.deepEqual(await faultsOfPage(page), []);
      }
      await card.getByRole("button", { name: "Undo the drain" }).click();
      await page.getByRole("img", { name: /^Shards by node:( Node [^,]+ [1-9]\d*,?){3}$/ })
        .waitFor();
      assert.deepEqual(faults, []);
    } finally {
      await browser.close();
      for (const node of nodes) await node.kill();
      cluster.stop();
    }
  },
});
