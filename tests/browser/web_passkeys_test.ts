/** Passkeys in the web chat: the sign-in form, the step after a password, and the settings. */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { appCode } from "../unit/totp_code.ts";
import { addAuthenticator, DESKTOP, Person } from "../prove/browser.ts";
import { freePort } from "../process/pinned.ts";
import { violations } from "./axe.ts";
import { inBrowser } from "./in_browser.ts";

/** Of the server whose address for the public is another. */
const PORT = freePort();
const PASSWORD = "correct horse battery";

/** A page at the server's own name, with an authenticator. */
async function open(browser: Browser, name: string, url: string) {
  const base = url.replace("127.0.0.1", "localhost");
  const person = await Person.open(browser, name, `${base}/`, { viewport: DESKTOP });
  return { person, page: person.page, ...await addAuthenticator(person.page) };
}

const inChat = (page: Page) => page.getByRole("button", { name: "Add a contact" }).waitFor();
const part = (page: Page) => page.locator("#passkeys");
const told = (page: Page, text: string) => part(page).locator("p", { hasText: text }).waitFor();
const openSettings = (page: Page) => page.getByRole("button", { name: "Settings" }).click();

/** As a browser that has forgotten who was signed in. */
async function forget(page: Page): Promise<void> {
  await page.evaluate("localStorage.clear(); sessionStorage.clear()");
  await page.reload();
  await page.locator("#sign-in-go").waitFor();
}

/** Adds the first passkey by the password; the recovery codes. `look` is called with each screen. */
async function addFirst(
  page: Page,
  name: string,
  look: (screen: string) => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly string[]> {
  await openSettings(page);
  await page.locator("#passkey-add").click();
  await page.locator("#passkey-name").fill(name);
  await page.locator("#passkey-proof").fill("wrong horse");
  const go = part(page).getByRole("button", { name: "Go on" });
  await go.click();
  await told(page, "The current password is another.");
  await look("new passkey");
  await page.locator("#passkey-proof").fill(PASSWORD);
  await go.click();
  const codes = part(page).locator(".codes li");
  await codes.first().waitFor();
  await page.locator("#factors", { hasText: "10 recovery codes are left." }).waitFor();
  await look("recovery codes");
  const shown = await codes.allTextContents();
  await part(page).getByRole("button", { name: "I have them" }).click();
  await told(page, "The passkey is added.");
  return shown;
}

/** Through the form for name and password, to the step after it. */
async function toSecond(page: Page, name: string): Promise<void> {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator("#second").waitFor();
}

inBrowser(
  "13: chat: a passkey is added, signs in alone and after the password, is renamed and removed",
  [],
  async ({ browser, server }) => {
    const { page, person } = await open(browser, "ann", server.url);
    const enter = page.locator("#passkey-go");
    await enter.click();
    await page.locator("#sign-in-error", { hasText: "there is no passkey here" }).waitFor();
    await page.getByRole("button", { name: "Make an account" }).click();
    assert.equal(await enter.isVisible(), false, "a new account has no passkey");
    await page.getByRole("button", { name: "I have an account" }).click();
    await person.signUp(PASSWORD);
    assert.equal((await addFirst(page, "Laptop")).length, 10);

    await forget(page);
    await enter.click();
    await inChat(page);
    await page.reload();
    await inChat(page);

    await forget(page);
    await page.locator("#remember").uncheck();
    await toSecond(page, "ann");
    await page.getByText("This account is protected by a passkey.").waitFor();
    await page.getByLabel("Recovery code").waitFor();
    await page.locator("#second-passkey").click();
    await inChat(page);

    await openSettings(page);
    await part(page).locator("li", { hasText: "Last used: Today." }).waitFor();
    await part(page).getByRole("button", { name: "Rename the passkey Laptop" }).click();
    await page.locator("#passkey-name").fill("Blue");
    await part(page).getByRole("button", { name: "Save" }).click();
    await page.locator("#passkey-add").click();
    await part(page).getByRole("button", { name: "Use a passkey" }).click();
    await told(page, "Your device has a passkey of this account already.");
    await part(page).getByRole("button", { name: "Cancel" }).click();
    await part(page).getByRole("button", { name: "Remove the passkey Blue" }).click();
    await part(page).getByRole("button", { name: "Use a passkey" }).click();
    await told(page, "The passkey is removed.");
    await page.locator("#factors", { hasText: "codes are left" }).waitFor({ state: "hidden" });

    await forget(page);
    await enter.click();
    await page.locator("#sign-in-error", { hasText: "does not know that passkey" }).waitFor();
    await person.signIn(PASSWORD);
    assert.deepEqual(person.faults, []);
  },
);

inBrowser(
  "13: chat: what a passkey is asked for ends when somebody signs in by password meanwhile",
  [],
  async ({ browser, server }) => {
    const { cdp, authenticatorId, page, person } = await open(browser, "fay", server.url);
    await person.signUp(PASSWORD);
    await addFirst(page, "Laptop");
    await part(page).getByRole("button", { name: "Remove the passkey Laptop" }).click();
    await part(page).getByRole("button", { name: "Use a passkey" }).click();
    await told(page, "The passkey is removed.");
    await forget(page);
    // The authenticator has it still; its user has not touched it yet.
    await cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: false });
    await page.locator("#passkey-go").click();
    await page.locator("#passkey-go:disabled").waitFor();
    await person.signIn(PASSWORD);
    await page.locator("#passkey-go:enabled").waitFor({ state: "attached" });
    assert.deepEqual(person.faults, []);
  },
);

inBrowser(
  "13: chat: axe-core finds nothing moderate or worse where passkeys are (A25)",
  [],
  async ({ browser, server }) => {
    const { page, person } = await open(browser, "eve", server.url);
    const found: string[] = [];
    const look = async (screen: string) => found.push(...await violations(page, screen));
    await page.locator("#passkey-go").waitFor();
    await look("sign-in");
    await person.signUp(PASSWORD);
    await addFirst(page, "Laptop", look);
    await look("passkeys");
    await part(page).getByRole("button", { name: "Remove the passkey Laptop" }).click();
    await look("removal");
    await forget(page);
    await toSecond(page, "eve");
    await look("second factor");
    assert.deepEqual(found, []);
  },
);

inBrowser(
  "13: chat: a passkey proves the set-up of an app, and then both are offered after the password",
  [],
  async ({ browser, server }) => {
    const { cdp, authenticatorId, page, person } = await open(browser, "bob", server.url);
    await person.signUp(PASSWORD);
    const [recovery = "", second = ""] = await addFirst(page, "Laptop");
    const factors = page.locator("#factors");
    await page.locator("#totp-begin").click();
    await factors.getByRole("button", { name: "Use a passkey" }).click();
    const secret = (await factors.locator(".secret").textContent())!.replaceAll(" ", "");
    await page.locator("#totp-code").fill(appCode(secret, Date.now(), -1));
    await page.getByRole("button", { name: "Turn on" }).click();
    await factors.locator(".codes li").first().waitFor();
    const codes = await factors.locator(".codes li").allTextContents();
    assert.equal(codes.some((code) => [recovery, second].includes(code)), false, "they are new");
    await factors.getByRole("button", { name: "I have them" }).click();

    await forget(page);
    await toSecond(page, "bob");
    await page.getByText("use a passkey, or a code of the authenticator app").waitFor();
    await cdp.send("WebAuthn.clearCredentials", { authenticatorId });
    await page.locator("#second-passkey").click();
    await page.locator("#second .error", { hasText: "there is no passkey here" }).waitFor();
    await page.locator("#second-code").fill(appCode(secret, Date.now()));
    await page.locator("#second").getByRole("button", { name: "Sign in", exact: true }).click();
    await inChat(page);

    await openSettings(page);
    await part(page).getByRole("button", { name: "Remove the passkey Laptop" }).click();
    await page.locator("#passkey-proof").fill("000000");
    const remove = part(page).getByRole("button", { name: "Remove", exact: true });
    await remove.click();
    await told(page, "This code is not right");
    await page.locator("#passkey-proof").fill(codes[0]!);
    await remove.click();
    await told(page, "The passkey is removed.");
    await factors.getByText("9 recovery codes are left.").waitFor();
    assert.deepEqual(person.faults, []);
  },
);

inBrowser(
  "13: chat: where the browser has no passkeys the page says so, and takes a recovery code",
  [],
  async ({ browser, server }) => {
    const { page, person } = await open(browser, "cid", server.url);
    await person.signUp(PASSWORD);
    const [recovery = ""] = await addFirst(page, "Laptop");

    // At an address, and in a browser without them.
    const address = await Person.open(browser, "cid", server.url, { viewport: DESKTOP });
    await page.context().addInitScript("delete globalThis.PublicKeyCredential");
    await forget(page);
    for (const each of [address.page, page]) {
      await each.locator("#sign-in-go").waitFor();
      assert.equal(await each.locator("#passkey-go").count(), 0);
      await toSecond(each, "cid");
      await each.getByText("There are no passkeys here").waitFor();
      assert.equal(await each.locator("#second-passkey").count(), 0);
    }
    await page.locator("#second-code").fill(recovery);
    await page.locator("#second").getByRole("button", { name: "Sign in", exact: true }).click();
    await inChat(page);
    await openSettings(page);
    await told(page, "There are no passkeys here");
    await part(page).getByText("Laptop", { exact: true }).waitFor();
    assert.equal(await page.locator("#passkey-add").count(), 0);
    assert.deepEqual([...person.faults, ...address.faults], []);
  },
);

inBrowser(
  "13: chat: a page whose origin the server does not name says that it takes no passkeys there",
  ["--bind", `127.0.0.1:${PORT}`, "--set", "server.publicUrl=https://chat.example.org"],
  async ({ browser }) => {
    const { page } = await open(browser, "dan", `http://localhost:${PORT}`);
    await page.locator("#passkey-go").click();
    await page.locator("#sign-in-error", { hasText: "takes no passkeys at this address" })
      .waitFor();
  },
);
