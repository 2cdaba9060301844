/**
 * Sign-in with what people have, in Chromium: by a real OpenID Connect issuer, below a path and at two
 * workers, by a real directory, by a link for a new password, with an authenticator app, and with a
 * passkey of Chromium's virtual authenticator. Where there is no Chromium it says
 * so, and proves nothing; where there is no slapd it leaves that part out, and says so.
 */
import assert from "node:assert/strict";
import { appCode } from "../unit/totp_code.ts";
import type { Browser, Page } from "playwright-core";
import { addAuthenticator, DESKTOP, findChromium, Person, startBrowser } from "./browser.ts";
import { CLIENT, type RunningIssuer, startIssuer } from "../process/oidc_issuer.ts";
import { faultsOfPage, takeShots } from "./page_checks.ts";
import { hasSlapd, READER, startSlapd, USERS } from "../process/slapd.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { freePort } from "../process/pinned.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startPrefixProxy } from "../process/prefix_proxy.ts";

const PREFIX = "/a/roost";
const PASSWORD = "correct horse battery";

interface Fixture {
  readonly browser: Browser;
  readonly base: string;
  readonly issuer: RunningIssuer;
  readonly data: string;
  readonly shots: string;
  readonly people: Person[];
  readonly say: (line: string) => void;
}

async function arrive({ base, browser, people }: Fixture, name: string, hash = "") {
  const person = await Person.open(browser, name, `${base}/${hash}`, { viewport: DESKTOP });
  people.push(person);
  return person;
}

const inChat = (page: Page) => page.getByRole("button", { name: "Add a contact" }).waitFor();
const told = (page: Page, text: string | RegExp) =>
  page.locator("#sign-in-error", { hasText: text }).waitFor();

/** From the form to the issuer; stays there. */
async function toIssuer({ page }: Person): Promise<void> {
  await page.getByRole("button", { name: "Sign in with Corp" }).click();
  await page.locator('input[name="login"]').waitFor();
}

/** Through the issuer's pages. */
async function throughIssuer({ page }: Person, login: string): Promise<void> {
  await page.locator('input[name="login"]').fill(login);
  await page.locator('input[name="password"]').fill("any");
  await page.getByRole("button").first().click();
  await page.getByRole("button", { name: "Continue" }).click();
}

async function byIssuer(fixture: Fixture): Promise<void> {
  const { base, issuer, say, shots } = fixture;
  const ann = await arrive(fixture, "ann");
  await ann.page.getByRole("button", { name: "Sign in with Corp" }).waitFor();
  assert.deepEqual(await faultsOfPage(ann.page), []);
  await takeShots([["sign-in", ann]], shots);
  await toIssuer(ann);
  await throughIssuer(ann, "ann");
  await inChat(ann.page);
  assert.equal(ann.page.url(), `${base}/`, "no code stays in the address");
  await ann.page.reload();
  await inChat(ann.page);
  say("signed in at the issuer, below a path, and stayed signed in over a reload");

  const denied = await arrive(fixture, "denied");
  await toIssuer(denied);
  await denied.page.getByRole("link", { name: /Cancel/ }).click();
  await told(denied.page, "Corp did not sign you in.");
  issuer.names.set("mallory", "ann");
  await toIssuer(denied);
  await throughIssuer(denied, "mallory");
  await told(denied.page, "Somebody has your name here already.");
  const stolen = await arrive(fixture, "stolen", "#oidc?code=abc&state=made-up-state-1");
  await told(stolen.page, "begun in another browser");
  say("denied, another's name, and a link of another browser: each is said in words");
}

async function byLink(fixture: Fixture): Promise<void> {
  const { base, data, say, shots } = fixture;
  const bob = await arrive(fixture, "bob");
  await bob.signUp(PASSWORD);
  const { code, err, out } = await roost(["user", "reset-link", "bob", "--data", data]);
  assert.equal(code, 0, err);
  assert.ok(out.startsWith(`${base}/#reset=rp1_`), out);
  const other = await Person.open(fixture.browser, "other", out.trim(), { viewport: DESKTOP });
  fixture.people.push(other);
  await other.page.locator("#reset-password").fill("short");
  await other.page.getByRole("button", { name: "Set the password" }).click();
  await other.page.locator("#reset .error", { hasText: "at least 8" }).waitFor();
  assert.deepEqual(await faultsOfPage(other.page), []);
  await takeShots([["reset", other]], shots);
  await other.page.locator("#reset-password").fill(`${PASSWORD} staple`);
  await other.page.getByRole("button", { name: "Set the password" }).click();
  await told(other.page, "Your password is set.");
  await told(bob.page, "You were signed out.");
  await other.page.locator("#password").fill(`${PASSWORD} staple`);
  await other.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await inChat(other.page);
  await bob.page.goto("about:blank");
  await bob.page.goto(out.trim());
  await bob.page.locator("#reset-password").fill(`${PASSWORD} again`);
  await bob.page.getByRole("button", { name: "Set the password" }).click();
  await bob.page.locator("#reset .error", { hasText: "This link was used" }).waitFor();
  say("a link set one password, once, and signed the other device out");
}

/** Opens the settings, and leads through the password; returns the secret for the app. */
async function secretFor({ page }: Person): Promise<string> {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator("#totp-begin").click();
  await page.locator("#factors-password").fill("wrong horse");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator("#factors .error", { hasText: "The current password is another" }).waitFor();
  await page.locator("#factors-password").fill(PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  return (await page.locator("#factors .secret").textContent())!.replaceAll(" ", "");
}

/** Sets an authenticator app up; its secret and a recovery code. */
async function setUpApp({ shots }: Fixture, cid: Person) {
  const { page } = cid;
  const secret = await secretFor(cid);
  assert.deepEqual(await faultsOfPage(page), []);
  await takeShots([["totp", cid]], shots);
  const code = page.locator("#totp-code");
  const go = page.getByRole("button", { name: "Turn on" });
  await code.fill("000000");
  await go.click();
  await page.locator("#factors .error", { hasText: "This code is not right" }).waitFor();
  // Of the step before: the present one is left for the sign-in.
  await code.fill(appCode(secret, Date.now(), -1));
  await go.click();
  await page.locator("#factors .codes li").first().waitFor();
  const [recovery = ""] = await page.locator("#factors .codes li").allTextContents();
  await takeShots([["recovery", cid]], shots);
  await page.getByRole("button", { name: "I have them" }).click();
  await page.locator("#factors", { hasText: "10 recovery codes are left." }).waitFor();
  assert.deepEqual(await faultsOfPage(page), []);
  return { secret, recovery };
}

/** Through the form for name and password, to that for the code. */
async function toCode({ page }: Person) {
  await page.getByRole("textbox", { name: "Name" }).fill("cid");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  const code = page.locator("#second-code");
  await code.waitFor();
  const go = page.locator("#second").getByRole("button", { name: "Sign in" });
  return { code, go };
}

/** An authenticator app: set up, asked for, and helped out by a recovery code. */
async function bySecondFactor(fixture: Fixture): Promise<void> {
  const { say, shots } = fixture;
  const cid = await arrive(fixture, "cid");
  await cid.signUp(PASSWORD);
  const { secret, recovery } = await setUpApp(fixture, cid);
  const other = await arrive(fixture, "cid-2");
  const { code, go } = await toCode(other);
  assert.deepEqual(await faultsOfPage(other.page), []);
  await takeShots([["second", other]], shots);
  await code.fill("000000");
  await go.click();
  await other.page.locator("#second .error", { hasText: "This code is not right" }).waitFor();
  await code.fill(appCode(secret, Date.now()));
  await go.click();
  await inChat(other.page);
  await other.page.reload();
  await inChat(other.page);
  say("an authenticator app was set up, and asked for at the next sign-in");

  const third = await arrive(fixture, "cid-3");
  const { page } = third;
  const again = await toCode(third);
  await again.code.fill(recovery.toUpperCase());
  await again.go.click();
  await inChat(page);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator("#factors", { hasText: "9 recovery codes are left." }).waitFor();
  const remove = page.getByRole("button", { name: "Remove the app" });
  await remove.click();
  await page.locator("#factors-code").fill(recovery);
  await remove.click();
  await page.locator("#factors .error", { hasText: "was used already" }).waitFor();
  say("a recovery code signed in, once");
}

/** As a browser that has forgotten who was signed in. */
async function forget({ page }: Person): Promise<void> {
  await page.evaluate("localStorage.clear(); sessionStorage.clear()");
  await page.reload();
  await page.locator("#passkey-go").waitFor();
}

/** Adds a passkey by the password, in the settings. */
async function addPasskey({ shots }: Fixture, dan: Person): Promise<void> {
  const { page } = dan;
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator("#passkey-add").click();
  const go = page.locator("#passkeys").getByRole("button", { name: "Go on" });
  await page.locator("#passkey-proof").fill("wrong horse");
  await go.click();
  await page.locator("#passkeys .error", { hasText: "The current password is another" }).waitFor();
  await takeShots([["passkey-add", dan]], shots);
  await page.locator("#passkey-proof").fill(PASSWORD);
  await go.click();
  await page.locator("#passkeys .codes li").first().waitFor();
  await takeShots([["passkey-codes", dan]], shots);
  await page.getByRole("button", { name: "I have them" }).click();
  await page.locator("#passkeys", { hasText: "The passkey is added." }).waitFor();
  await page.locator("#passkeys").scrollIntoViewIfNeeded();
  await takeShots([["passkeys", dan]], shots);
}

/** A passkey: added, signing in alone and after the password, and removed. */
async function byPasskey(fixture: Fixture): Promise<void> {
  const { say, shots } = fixture;
  // Browsers have none at an address.
  const local = { ...fixture, base: fixture.base.replace("127.0.0.1", "localhost") };
  const dan = await arrive(local, "dan");
  const { page } = dan;
  await addAuthenticator(page);
  await page.locator("#passkey-go").click();
  await told(page, "there is no passkey here");
  await dan.signUp(PASSWORD);
  await addPasskey(fixture, dan);
  await forget(dan);
  await takeShots([["passkey-sign-in", dan]], shots);
  await page.locator("#passkey-go").click();
  await inChat(page);
  say("a passkey was added, and signed in alone, below a path and at two workers");

  await forget(dan);
  await page.getByRole("textbox", { name: "Name" }).fill("dan");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator("#second").waitFor();
  await takeShots([["passkey-second", dan]], shots);
  await page.locator("#second-passkey").click();
  await inChat(page);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Remove the passkey" }).click();
  await takeShots([["passkey-remove", dan]], shots);
  await page.locator("#passkeys").getByRole("button", { name: "Use a passkey" }).click();
  await page.locator("#passkeys", { hasText: "The passkey is removed." }).waitFor();
  await forget(dan);
  await page.locator("#passkey-go").click();
  await told(page, "does not know that passkey");
  say("the password needed the passkey too, and the passkey proved its own removal");
}

/** By a directory, at a server of its own. */
async function byDirectory(browser: Browser, say: Fixture["say"]): Promise<string> {
  if (!hasSlapd()) return "NOT RUN: there is no slapd here";
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/slapd`);
  await using slapd = await startSlapd(`${dir.path}/slapd`);
  Deno.writeTextFileSync(`${dir.path}/reader`, READER.password);
  const settings = {
    url: slapd.tlsUrl,
    caFile: slapd.caFile,
    baseDn: slapd.base,
    bindDn: READER.dn,
    bindPasswordFile: `${dir.path}/reader`,
  };
  const flags = Object.entries(settings).flatMap((
    [key, value],
  ) => ["--set", `ldap.${key}=${value}`]);
  const server = await ServerProcess.start({ dataDir: `${dir.path}/data`, flags });
  try {
    const ann = await Person.open(browser, "ann", server.url, { viewport: DESKTOP });
    await ann.page.getByRole("textbox", { name: "Name" }).fill("ann");
    await ann.page.locator("#password").fill("wrong");
    await ann.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await told(ann.page, "The name or the password is wrong.");
    await ann.signIn(USERS.ann);
    assert.deepEqual(ann.faults, []);
    say("signed in with the password of the directory");
    return "signed in";
  } finally {
    await server.stop();
  }
}

async function prove(executable: string, options: ProofOptions): Promise<Verdict> {
  const { say } = options;
  using dir = tempDir();
  const port = freePort();
  await using proxy = await startPrefixProxy({ prefix: PREFIX, strips: true, port: () => port });
  const base = proxy.origin + PREFIX;
  await using issuer = await startIssuer([`${base}/v1/auth/oidc/callback`]);
  Deno.writeTextFileSync(`${dir.path}/secret`, CLIENT.clientSecret);
  const table = {
    id: "corp",
    name: "Corp",
    issuer: issuer.url,
    clientId: CLIENT.clientId,
    clientSecretFile: `${dir.path}/secret`,
    createAccounts: true,
  };
  const data = `${dir.path}/data`;
  const server = await ServerProcess.start({
    dataDir: data,
    flags: [
      ...["--bind", `127.0.0.1:${port}`, "--workers", "2"],
      ...["--set", `oidc.issuers=${JSON.stringify([table])}`],
      ...["--set", "server.trustedProxies=127.0.0.0/8", "--set", "registration.mode=open"],
      ...["--set", `server.publicUrl=${base}`],
    ],
  });
  const browser = await startBrowser(executable);
  const shots = options.shots ?? Deno.makeTempDirSync({ prefix: "roost-signin-" });
  const fixture: Fixture = { browser, base, issuer, data, shots, people: [], say };
  try {
    await byIssuer(fixture);
    await byLink(fixture);
    await bySecondFactor(fixture);
    await byPasskey(fixture);
    const directory = await byDirectory(browser, say);
    assert.deepEqual(fixture.people.flatMap(({ faults }) => faults), []);
    return { pass: true, figures: { directory, screenshots: shots } };
  } catch (error) {
    say(`FAULT ${error instanceof Error ? error.stack : error}`);
    for (const [i, { faults, page }] of fixture.people.entries()) {
      for (const fault of faults) say(`FAULT ${fault}`);
      await page.screenshot({ path: `${shots}/failed-${i}.png` }).catch(() => {});
    }
    return { pass: false, figures: { screenshots: shots } };
  } finally {
    await browser.close();
    await server.stop();
  }
}

/** Sign-in with what people have. */
export const signinProof: Proof = {
  name: "signin",
  claim:
    "people sign in at an OpenID Connect issuer, with a directory's password, by a link for a " +
    "new one, with an authenticator app, and with a passkey, in Chromium; what is refused is said in words",
  seconds: 60,
  async run(options): Promise<Verdict> {
    const executable = findChromium();
    if (executable !== null) return await prove(executable, options);
    options.say("NOT RUN: there is no Chromium here (ROOST_CHROMIUM can name it)");
    return { pass: false, figures: { "not run": "no Chromium" } };
  },
};
