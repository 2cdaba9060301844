/** Passkeys with Chromium's virtual authenticator, through the client library in a page. */
import assert from "node:assert/strict";
import type { CDPSession, Page } from "playwright-core";
import { addAuthenticator } from "../prove/browser.ts";
import { inBrowser } from "./in_browser.ts";
import { roost } from "../process/cli.ts";
import { until } from "../process/until.ts";

const PASSWORD = "correct horse battery";

/** A page at the server's own name, with an authenticator that verifies its user. */
async function openPage(page: Page, url: string) {
  const base = url.replace("127.0.0.1", "localhost");
  await page.goto(`${base}/`);
  return { base, ...await addAuthenticator(page) };
}

/** Runs `body` in the page, with a new client as `client`; the value, or `{code, message}`. */
function run<T>(page: Page, base: string, body: string): Promise<T> {
  return page.evaluate(`(async () => {
    const { createClient } = await import("${base}/client.js");
    const client = createClient({ url: "${base}", storage: undefined });
    try {
      return await (async () => { ${body} })();
    } catch ({ code, message, second }) {
      return { code, message, second };
    } finally {
      client.close();
    }
  })()`);
}

/** Has the authenticator say that it has signed `signCount` times. */
async function recount(cdp: CDPSession, authenticatorId: string, signCount: number) {
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId });
  const credential = { ...credentials[0]!, signCount };
  const { credentialId } = credential;
  await cdp.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
  await cdp.send("WebAuthn.addCredential", { authenticatorId, credential });
}

const ENTER = "const { user, status } = await client.signInWithPasskey(); return { user, status };";

inBrowser(
  "13: a passkey of Chromium is added, signs in alone and as second factor, and is removed",
  [],
  async ({ browser, server }) => {
    const page = await browser.newPage();
    const { authenticatorId, base, cdp } = await openPage(page, server.url);
    const added = await run<{ recoveryCodes: string[]; passkey: string }>(
      page,
      base,
      `await client.register({ user: "ann", password: "${PASSWORD}" });
       return await client.passkeys.add({ name: "Laptop" });`,
    );
    assert.equal(added.recoveryCodes?.length, 10, JSON.stringify(added));
    assert.deepEqual(await run(page, base, ENTER), { user: "ann", status: "online" });
    const refused = await run<{ code: string; second: { exchange: string; methods: string[] } }>(
      page,
      base,
      `return await client.signIn({ user: "ann", password: "${PASSWORD}" });`,
    );
    assert.equal(refused.code, "second_factor_required");
    assert.deepEqual(refused.second.methods, ["passkey", "recovery"]);
    const ended = await run<{ name: string; usedAt: number; conflict: string; left: number }>(
      page,
      base,
      `await client.signInWithPasskey({ second: "${refused.second.exchange}" });
       const again = await client.passkeys.add({ name: "Again", proof: await client.passkeys.prove() })
         .catch(({ code }) => code);
       await client.passkeys.rename("${added.passkey}", "Blue");
       const [{ name, usedAt }] = await client.passkeys.list();
       await client.passkeys.remove("${added.passkey}", { proof: await client.passkeys.prove() });
       return { name, usedAt, conflict: again, left: (await client.passkeys.list()).length };`,
    );
    const { conflict, left, name } = ended;
    assert.deepEqual([name, conflict, left], ["Blue", "conflict", 0], JSON.stringify(ended));
    assert.match((await run<{ message: string }>(page, base, ENTER)).message, /\(passkey\)/);
    await cdp.send("WebAuthn.clearCredentials", { authenticatorId });
    assert.doesNotMatch(server.log, new RegExp(`${PASSWORD}|${added.recoveryCodes[0]}`));
  },
);

inBrowser(
  "13: a passkey whose counter went back is refused and audited, and pages without a name get a reason",
  [],
  async ({ browser, dir, server }) => {
    const page = await browser.newPage();
    const { authenticatorId, base, cdp } = await openPage(page, server.url);
    await run(
      page,
      base,
      `await client.register({ user: "ann", password: "${PASSWORD}" });
       return await client.passkeys.add({ name: "Laptop" });`,
    );
    await recount(cdp, authenticatorId, 20);
    assert.deepEqual(await run(page, base, ENTER), { user: "ann", status: "online" });
    await recount(cdp, authenticatorId, 3);
    const copied = await run<{ code: string; message: string }>(page, base, ENTER);
    assert.equal(copied.code, "unauthorized");
    assert.match(copied.message, /\(counter\)/);
    await until("the audit log has it", async () => {
      const { out } = await roost(["audit", "export", "--data", dir]);
      return /"user":"ann".*"detail":"counter"/.test(out);
    });
    await page.goto(`${server.url}/`);
    const nameless = await run<{ code: string; message: string }>(page, server.url, ENTER);
    assert.equal(nameless.code, "unsupported");
    assert.match(nameless.message, /http:\/\/localhost:\d+/);
    const cleared = await roost(["user", "clear-factors", "ann", "--data", dir]);
    assert.match(cleared.out, /ann has no second factor any more/);
    await page.goto(`${base}/`);
    assert.match((await run<{ message: string }>(page, base, ENTER)).message, /\(passkey\)/);
  },
);
