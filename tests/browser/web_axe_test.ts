/** Every screen of the web chat under axe-core, on desktop and phone, light and dark (A25). */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import { findChromium, Person, PHONE, startBrowser } from "../prove/browser.ts";
import { violations } from "./axe.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const chromium = findChromium();
if (chromium === null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("The web chat is not tested with axe-core here, for there is no Chromium.");
}

const PASSWORD = "correct horse battery";

/** Goes through the screens of somebody who has contacts, requests, messages and a block. */
async function walk(page: Page): Promise<readonly string[]> {
  const found: string[] = [];
  const look = async (screen: string) => found.push(...await violations(page, screen));
  await page.locator("#people .name", { hasText: "bob" }).waitFor();
  await look("list");
  await page.locator("#requests-open").click();
  await look("requests");
  await page.locator("#people button", { hasText: "bob" }).click();
  await page.locator(".message").first().waitFor();
  await page.getByLabel("Message", { exact: true }).fill("Hello");
  await look("conversation");
  await page.getByRole("button", { name: "About this contact" }).click();
  await look("contact");
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.locator("#ask-dialog[open]").waitFor();
  await look("question");
  await page.locator("#ask-no").click();
  await page.keyboard.press("Escape");
  await page.goto(`${page.url().split("#")[0]}#/eve`);
  await page.getByText("You have blocked").waitFor();
  await look("blocked");
  await page.getByRole("button", { name: "Back to the list" }).click();
  const openings = [
    ["settings", "Settings"],
    ["add", "Add a contact"],
    ["status", "Change your status"],
  ] as const;
  for (const [screen, name] of openings) {
    await page.getByRole("button", { name }).click();
    await page.locator("dialog[open]").waitFor();
    await look(screen);
    await page.keyboard.press("Escape");
  }
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  await page.locator("#keys-dialog[open]").waitFor();
  await look("shortcuts");
  await page.keyboard.press("Escape");
  await page.locator("#filters button[value=unread]").click();
  await look("filtered");
  await page.locator("#filters button[value=all]").click();
  await page.context().setOffline(true);
  await page.getByText("You are offline").waitFor();
  await look("offline");
  await page.context().setOffline(false);
  return found;
}

Deno.test({
  name: "web chat: axe-core finds nothing moderate or worse on any screen (A25)",
  ignore: chromium === null,
  fn: async () => {
    using dir = tempDir();
    const server = await ServerProcess.start({ dataDir: dir.path });
    const browser = await startBrowser(chromium!);
    const others = ["bob", "cid", "eve"].map((device) => createClient({ url: server.url, device }));
    try {
      const ann = await Person.open(browser, "ann", server.url, { viewport: PHONE });
      const found = [...await violations(ann.page, "sign-in")];
      await ann.page.getByRole("button", { name: "Make an account" }).click();
      found.push(...await violations(ann.page, "sign-up"));
      await ann.page.getByRole("button", { name: "I have an account" }).click();
      await ann.signUp(PASSWORD);
      found.push(...await violations(ann.page, "empty"));
      const [bob, cid, eve] = others;
      for (const [i, name] of ["bob", "cid", "eve"].entries()) {
        await others[i]!.register({ user: name, password: PASSWORD });
      }
      await bob!.approve("ann");
      await ann.add("bob");
      await cid!.subscribe("ann");
      await eve!.subscribe("ann");
      await ann.page.locator("#talk-back").click();
      await ann.page.locator("#requests-open").click();
      await ann.page.getByRole("button", { name: "Block eve" }).click();
      await ann.page.locator("#people .blocked").waitFor();
      await bob!.subscribe("ann");
      await ann.page.locator("#requests-open").click();
      await bob!.setPresence({ show: "away", status: "At lunch" });
      await bob!.send("ann", "See `code` at https://example.org");
      await bob!.send("ann", "And then");
      found.push(...await walk(ann.page));
      assert.deepEqual(found, []);
    } finally {
      for (const other of others) other.close();
      await browser.close();
      await server.stop();
    }
  },
});
