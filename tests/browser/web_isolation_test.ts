/** Texts of users do not change the direction of the page's own (10.12). */
import assert from "node:assert/strict";
import type { Client } from "../../server/web/client.d.ts";
import { createClient } from "../../server/web/client.js";
import { DESKTOP, Person } from "../prove/browser.ts";
import { inBrowser } from "./in_browser.ts";

const PASSWORD = "correct horse battery";

/** Runs in the page: texts of users, which contain `zqx`, that are not isolated from the page's. */
const NOT_ISOLATED = `(() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (!text.data.includes("zqx") || parent.closest("[aria-live], script, .sr") !== null) continue;
    let element = parent;
    while (element.textContent === text.data || element.classList.contains("bubble")) {
      if (/isolate|plaintext/.test(getComputedStyle(element).unicodeBidi)) break;
      element = element.parentElement;
    }
    if (!/isolate|plaintext/.test(getComputedStyle(element).unicodeBidi)) found.push(parent.outerHTML);
    if (parent.tagName !== "DIV" && /[\\u202a-\\u202e]/.test(text.data)) found.push("override: " + text.data);
  }
  for (const { placeholder } of document.querySelectorAll("[placeholder]")) {
    if (/(?<!\\u2068)zqx/.test(placeholder)) found.push(placeholder);
  }
  return found;
})()`;

/** Goes where texts of bob are shown; `look` after each. */
async function walkBob(ann: Person, bob: Client, look: () => Promise<void>): Promise<void> {
  const { page } = ann;
  await ann.add("zqxbob");
  await page.getByRole("button", { name: "About this contact" }).click();
  await page.getByLabel("What you call them").fill("\u202ezqxBobby");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("#people .name", { hasText: "zqxBobby" }).waitFor();
  await look();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.locator("#ask-title", { hasText: "zqxBobby" }).waitFor();
  await look();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("Escape");
  await bob.setPresence({ status: "\u202ezqx at lunch" });
  await page.locator("#talk-line", { hasText: "zqx at lunch" }).waitFor();
  await bob.send("zqxann", "\u202ezqx hello");
  await page.locator(".bubble", { hasText: "zqx hello" }).waitFor();
  await bob.typing("zqxann");
  await page.locator("#typing", { hasText: "is typing" }).waitFor();
  await page.locator("#people .line", { hasText: "Typing" }).waitFor();
  await look();
  await page.locator("#people .line", { hasText: "zqx hello" }).waitFor();
}

/** Goes where names of strangers are shown; `look` after each. */
async function walkStrangers(ann: Person, url: string, look: () => Promise<void>): Promise<void> {
  const { page } = ann;
  await page.locator("#requests-open").click();
  await look();
  await page.getByRole("button", { name: "Block zqxeve" }).click();
  await ann.add("zqxdan");
  await ann.say("waits for zqxdan");
  await page.locator(".message[data-mark=asked]").waitFor();
  await look();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Unblock zqxeve" }).waitFor();
  await look();
  await page.keyboard.press("Escape");
  await page.goto(`${url}/#/zqxeve`);
  await page.getByText("You have blocked").waitFor();
  await look();
  await page.goto(`${url}/#/zqxcid`);
  await page.locator("#talk-name", { hasText: "zqxcid" }).waitFor();
  await look();
}

inBrowser(
  "every text of a user is isolated from the directions of the page's own (10.12)",
  [],
  async ({ server, browser }) => {
    const others = ["zqxbob", "zqxcid", "zqxeve"];
    const clients = others.map((device) => createClient({ url: server.url, device }));
    try {
      const ann = await Person.open(browser, "zqxann", server.url, { viewport: DESKTOP });
      await ann.signUp(PASSWORD);
      for (const [i, user] of others.entries()) {
        await clients[i]!.register({ user, password: PASSWORD });
      }
      const [bob, cid, eve] = clients;
      await bob!.approve("zqxann");
      for (const client of [cid, eve]) await client!.subscribe("zqxann");
      const seen: string[] = [];
      let looks = 0;
      const look = async () => {
        seen.push(...await ann.page.evaluate(NOT_ISOLATED) as string[]);
        looks++;
      };
      await walkBob(ann, bob!, look);
      await walkStrangers(ann, server.url, look);
      assert.deepEqual([seen, looks], [[], 8]);
    } finally {
      for (const client of clients) client.close();
    }
  },
);
