/** The audit log in the dashboard, in Chromium (13). */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { DESKTOP, PHONE } from "../prove/browser.ts";
import { faultsOfPage } from "../prove/page_checks.ts";
import { inBrowser } from "./in_browser.ts";
import { rest } from "../process/client.ts";
import { roost } from "../process/cli.ts";
import type { ServerProcess } from "../process/server.ts";
import { untilIs } from "../process/until.ts";
import { violations } from "./axe.ts";

const FLAGS = ["--set", "admin.listen=127.0.0.1:0", "--registration", "open"];
const PASSWORD = "correct horse battery";

/** An operation of the admin API; its refusals are replies as well. */
type Ask = (method: string, path: string, body?: object) => Promise<unknown>;

function adminOf({ dataDir, output }: ServerProcess): { url: string; token: string; ask: Ask } {
  const url = /The admin API listens at (\S+);/.exec(output)![1]!;
  const token = Deno.readTextFileSync(`${dataDir}/admin.token`).trim();
  const ask: Ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}` };
    const init = { method, headers, ...body === undefined ? {} : { body: JSON.stringify(body) } };
    return await (await fetch(`${url}/admin/${path}`, init)).json();
  };
  return { url, token, ask };
}

async function enter(page: Page, url: string, token: string): Promise<string[]> {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(`${url}/admin#audit`);
  await page.getByLabel("Admin token").fill(token);
  await page.keyboard.press("Enter");
  return faults;
}

const rows = (page: Page) => page.locator("#audit-table tbody tr");

/** The entries that are shown: actor, action, outcome, about. */
const shown = (page: Page) =>
  rows(page).evaluateAll((all) =>
    all.map((row) =>
      ["actor", "action", "outcome", "about"].map((name) =>
        row.querySelector(`.${name}`)?.textContent
      )
        .join(" ").trim()
    )
  );

const told = (page: Page, text: string | RegExp) =>
  page.locator("#audit-told", { hasText: text }).waitFor();

async function exported(page: Page): Promise<readonly Record<string, unknown>[]> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export as JSON lines" }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^roost-audit-[\dT-]+Z\.jsonl$/);
  const text = await Deno.readTextFile(await file.path());
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

inBrowser(
  "13: the dashboard has the audit log, newest first, page by page, narrowed and as a file",
  FLAGS,
  async ({ browser, server }) => {
    const { ask, token, url } = adminOf(server);
    for (const user of ["ann", "bob"]) {
      await rest(server.url, "POST", "/v1/register", { body: { user, password: PASSWORD } });
    }
    const wrong = { user: "ann", password: "a guess" };
    await rest(server.url, "POST", "/v1/auth/password", { body: wrong }).catch(() => {});
    const right = { user: "ann", password: PASSWORD };
    await rest(server.url, "POST", "/v1/auth/password", { body: right });
    for (let i = 0; i < 110; i++) await ask("DELETE", `invites/none${i}`);
    await ask("POST", "users", { user: "e\u202evil\u0007<b>", password: PASSWORD });
    await ask("POST", "users/bob/disable");
    const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    const faults = await enter(page, url, token);
    await told(page, "The newest 100 entries.");
    const [first, second, third] = await shown(page);
    assert.equal(first, "token disableUser ok bob");
    // What could move a cursor or turn a text around is written out, and nothing is markup.
    assert.equal(second, "token createUser bad_request e\\u202evil\\u0007<b>");
    assert.equal(third, "token revokeInvite not_found none109");
    await page.getByRole("button", { name: "Older entries" }).focus();
    await page.keyboard.press("Enter");
    await told(page, /^All 11\d entries\.$/);
    // By keyboard, one reads on where the next page begins.
    assert.equal(await page.evaluate("document.activeElement.rowIndex"), 101);
    const all = await exported(page);
    assert.equal(all.length, await rows(page).count());
    const keys = await rows(page).evaluateAll((each) => each.map((row) => row.dataset["key"]));
    assert.deepEqual(keys, all.map(({ id }) => id).reverse());
    await narrows(page);
    assert.deepEqual(await faultsOfPage(page), []);
    assert.deepEqual(faults, []);
  },
);

/** By each field; what is no time is said in words, at the field. */
async function narrows(page: Page): Promise<void> {
  await page.getByLabel("Account").fill("Ann");
  await page.keyboard.press("Enter");
  await told(page, /^All \d entries that fit\.$/);
  assert.ok((await shown(page)).every((text) => /\bann\b/.test(text)));
  await page.getByLabel("Action").fill("signIn");
  await page.getByLabel("Actor").fill("ann");
  await page.locator("#audit-log").selectOption("Sign-ins");
  await told(page, /that fit/);
  assert.deepEqual(await exported(page).then((lines) => lines.map((line) => line["action"])), [
    "signIn",
  ]);
  for (
    const [from, before, words] of [
      ["yesterday", "", /“From” is not a time\. Write 2026-11-30, 2026-11-30 17:45, or/],
      ["", "2026-02-31", /“Before” is not a time/],
      ["1h", "2h", /“From” is not earlier than “Before”/],
    ] as const
  ) {
    await page.getByLabel("From").fill(from);
    await page.getByLabel("Before").fill(before);
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: words }).waitFor();
    assert.equal(await page.evaluate("document.activeElement.ariaInvalid"), "true");
    // What is wrong is not exported either.
    await page.getByRole("button", { name: "Export as JSON lines" }).click();
    await page.getByRole("alert").filter({ hasText: words }).waitFor();
  }
  await page.getByRole("button", { name: "Clear" }).click();
  await told(page, "The newest 100 entries.");
  assert.equal(await page.locator("[aria-invalid]").count(), 0);
  await page.getByLabel("From").fill("1h");
  await page.getByLabel("Account").fill("nobody");
  await page.keyboard.press("Enter");
  await told(page, "No entry fits.");
}

inBrowser(
  "13: who may not read the audit log does not see it, and nothing of it stays for the next",
  FLAGS,
  async ({ browser, server }) => {
    const { ask, token, url } = adminOf(server);
    await ask("POST", "users", { user: "ann", password: PASSWORD });
    const data = ["--data", server.dataDir];
    const viewer = (await roost(["operator", "add", "vera", "--role", "viewer", ...data])).out
      .trim();
    const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    const faults = await enter(page, url, viewer);
    await told(page, /entries/);
    await page.getByLabel("Actor").fill("token");
    await page.keyboard.press("Enter");
    await untilIs(
      "what the token did",
      () => shown(page),
      (all) => all.join() === "token createUser ok ann",
    );
    // The store may be away, and the role may be another one by now.
    await page.route("**/admin/audit?*", (route) =>
      route.fulfill({
        status: 403,
        json: { code: "forbidden", message: "This needs the role admin" },
      }));
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("alert").filter({ hasText: "This needs the role admin." }).waitFor();
    await page.getByRole("button", { name: "Export as JSON lines" }).click();
    await page.getByText("Nothing was exported. This needs the role admin.").waitFor();
    await page.unroute("**/admin/audit?*");
    await roost(["operator", "remove", "vera", "--yes", ...data]);
    await page.getByText("not valid any more").waitFor();
    assert.equal(await rows(page).count(), 0);
    assert.equal(await page.getByLabel("Actor").inputValue(), "");
    // A role that has not got the operation.
    await page.route("**/admin/me", async (route) => {
      const response = await route.fetch();
      const me = await response.json();
      const may = me.may.filter((id: string) => id !== "auditEntries");
      await route.fulfill({ response, json: { ...me, may } });
    });
    let asked = 0;
    page.on("request", (request) => asked += request.url().includes("/admin/audit?") ? 1 : 0);
    const known = page.waitForResponse("**/admin/me");
    await page.getByLabel("Admin token").fill(token);
    await page.keyboard.press("Enter");
    await known;
    await page.locator("#view-overview").waitFor();
    await page.getByRole("link", { name: "Users" }).click();
    await page.locator("#view-users").waitFor();
    assert.equal(await page.getByRole("link", { name: "Audit" }).count(), 0);
    await page.evaluate("location.hash = 'audit'");
    await page.locator("#view-overview").waitFor();
    assert.deepEqual([asked, await page.locator("#view-audit").isVisible()], [0, false]);
    assert.deepEqual(faults, []);
  },
);

inBrowser(
  "13: axe-core finds nothing in the view of the audit log, on desktop and phone, light and dark",
  FLAGS,
  async ({ browser, server }) => {
    const { ask, token, url } = adminOf(server);
    await rest(server.url, "POST", "/v1/register", { body: { user: "ann", password: PASSWORD } });
    for (let i = 0; i < 12; i++) await ask("DELETE", `invites/none${i}`);
    // One that is long and has no place to break.
    await ask("POST", "users", { user: `${"long".repeat(60)}`, password: PASSWORD });
    await ask("POST", "users/ann/disable");
    const page = await (await browser.newContext({ viewport: PHONE })).newPage();
    await enter(page, url, token);
    await told(page, /^All 1\d entries/);
    assert.deepEqual(await violations(page, "audit log"), []);
    await page.getByLabel("From").fill("yesterday");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "is not a time" }).waitFor();
    assert.deepEqual(await violations(page, "what is no time"), []);
    for (const [name, viewport] of [["desktop", DESKTOP], ["phone", PHONE]] as const) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        assert.deepEqual(await faultsOfPage(page), [], `${name} ${colorScheme}`);
      }
    }
  },
);
