import assert from "node:assert/strict";
import { Browser, CLIENT, type RunningIssuer, startIssuer } from "./oidc_issuer.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { freePort } from "./pinned.ts";

const CALLBACK = "/v1/auth/oidc/callback";

/** A refusal as the client sees it, or who is signed in. */
interface Ended {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
  readonly user?: string;
  readonly token?: string;
}

/** The settings for one issuer. */
function flagsFor(dir: string, issuer: RunningIssuer, change: object = {}): readonly string[] {
  const secret = `${dir}/client-secret`;
  Deno.writeTextFileSync(secret, `${CLIENT.clientSecret}\n`);
  const table = {
    id: "corp",
    name: "Corp",
    issuer: issuer.url,
    clientId: CLIENT.clientId,
    clientSecretFile: secret,
    createAccounts: true,
    ...change,
  };
  return ["--set", `oidc.issuers=${JSON.stringify([table])}`];
}

async function begin(base: string, browser: Browser, change: object = {}): Promise<Response> {
  return await browser.fetch(`${base}/v1/auth/oidc`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: new URL(base).origin },
    body: JSON.stringify({ issuer: "corp", at: base, ...change }),
  });
}

async function finish(base: string, browser: Browser, response: string): Promise<Ended> {
  const answer = await browser.fetch(`${base}/v1/auth/oidc/finish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ response, label: "Test" }),
  });
  return { status: answer.status, ...await answer.json() };
}

/** To the issuer and back to the page; what is behind `#oidc?` there. */
async function roundTrip(base: string, browser: Browser, login: string): Promise<string> {
  const begun = await begin(base, browser);
  assert.equal(begun.status, 200);
  const { url } = await begun.json();
  const callback = await browser.signInAt(url, login, base + CALLBACK);
  const back = await browser.fetch(callback);
  await back.body?.cancel();
  assert.equal(back.status, 303);
  const page = new URL(back.headers.get("location")!, callback);
  assert.equal(page.origin + page.pathname, `${base}/`);
  assert.equal(page.search, "", "no server sees the code again");
  return page.hash.replace(/^#oidc\?/, "");
}

async function signIn(base: string, login: string, browser = new Browser()): Promise<Ended> {
  return await finish(base, browser, await roundTrip(base, browser, login));
}

/** Runs `test` with an issuer and a server that knows it. */
async function withServer(
  test: (base: string, issuer: RunningIssuer, server: ServerProcess) => Promise<void>,
  how: {
    readonly change?: object;
    readonly flags?: readonly string[];
    readonly inIdToken?: false;
  } = {},
): Promise<void> {
  using dir = tempDir();
  const port = freePort();
  const base = `http://127.0.0.1:${port}`;
  await using issuer = await startIssuer([base + CALLBACK], how);
  const server = await ServerProcess.start({
    dataDir: `${dir.path}/data`,
    flags: [
      "--bind",
      `127.0.0.1:${port}`,
      ...flagsFor(dir.path, issuer, how.change),
      ...how.flags ?? [],
    ],
  });
  try {
    await test(base, issuer, server);
  } finally {
    await server.stop();
  }
}

Deno.test("13: OpenID Connect: an account is made, found again, and follows its user's new name", async () => {
  await withServer(async (base, issuer) => {
    const info = await (await fetch(`${base}/v1/info`)).json();
    assert.deepEqual(info.issuers, [{ id: "corp", name: "Corp" }]);
    const first = await signIn(base, "ann");
    assert.deepEqual([first.status, first.user], [200, "ann"]);
    const me = await fetch(`${base}/v1/devices`, {
      headers: { authorization: `Bearer ${first.token}` },
    });
    assert.equal((await me.json())[0].label, "Test");
    assert.equal((await signIn(base, "ann")).user, "ann");
    issuer.names.set("ann", "ann-smith");
    assert.equal((await signIn(base, "ann")).user, "ann", "the account stays the user's");
    // Who gets a name that was another's at the issuer gets no account of that one.
    issuer.names.set("mallory", "ann");
    const taken = await signIn(base, "mallory");
    assert.deepEqual([taken.status, taken.code, taken.token], [409, "conflict", undefined]);
  });
});

Deno.test("13: OpenID Connect: codes, states and cookies serve once, and one browser", async () => {
  await withServer(async (base, _issuer, server) => {
    const browser = new Browser();
    const response = await roundTrip(base, browser, "ann");
    const cookies = new Map(browser.jar(base));
    assert.ok([...cookies.keys()].some((name) => name.startsWith("roost_oidc_")));
    // Another browser has the address, but not the cookie.
    const stolen = await finish(base, new Browser(), response);
    assert.deepEqual([stolen.status, stolen.code], [401, "unauthorized"]);
    assert.match(stolen.message!, /\(state\)/);
    const changed = response.replace(/state=[^&]{12}/, "$&X");
    assert.match((await finish(base, browser, changed)).message!, /\(state\)/);
    assert.equal((await finish(base, browser, response)).status, 200);
    assert.equal(browser.jar(base).size, 0, "the cookie is gone");
    // Who has kept cookie and code gets nothing more: the issuer does not take the code again.
    for (const [name, value] of cookies) browser.jar(base).set(name, value);
    assert.match((await finish(base, browser, response)).message!, /\((code|state)\)/);
    const [state, iss] = [paramOf(response, "state"), paramOf(response, "iss")];
    const denied = new URLSearchParams({ error: "access_denied", state, iss });
    assert.match((await finish(base, browser, String(denied))).message!, /\(denied\)/);
    const strange = new URLSearchParams(response);
    strange.set("iss", "https://other.example");
    assert.match((await finish(base, browser, String(strange))).message!, /\(issuer\)/);
    assert.doesNotMatch(server.log, new RegExp(paramOf(response, "code")));
  });
});

function paramOf(query: string, name: string): string {
  return new URLSearchParams(query).get(name)!;
}

Deno.test("13: OpenID Connect: local accounts are linked only where the operator allows it", async () => {
  for (const linkAccounts of [false, true]) {
    await withServer(async (base) => {
      const made = await fetch(`${base}/v1/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: "ann", password: "correct horse" }),
      });
      await made.body?.cancel();
      const { status, code, user } = await signIn(base, "ann");
      if (linkAccounts) assert.deepEqual([status, user], [200, "ann"]);
      else assert.deepEqual([status, code], [409, "conflict"]);
    }, { change: { linkAccounts } });
  }
});

Deno.test("13: OpenID Connect: names are adapted, and user info is asked where the token has none", async () => {
  await withServer(async (base, issuer) => {
    issuer.names.set("u1", "Ann.Smith@corp.example");
    issuer.names.set("u2", "ann.smith@other.example");
    assert.equal((await signIn(base, "u1")).user, "ann.smith");
    assert.equal((await signIn(base, "u2")).user, "ann.smith-2");
    assert.equal((await signIn(base, "u2")).user, "ann.smith-2");
  }, { change: { names: "adapt" }, inIdToken: false });
});

Deno.test("13: OpenID Connect: only pages of the server begin, and an issuer that is away is said", async () => {
  await withServer(async (base, issuer) => {
    const strange = await fetch(`${base}/v1/auth/oidc`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: "https://evil.example" },
      body: JSON.stringify({ issuer: "corp", at: base }),
    });
    assert.deepEqual([strange.status, (await strange.json()).code], [403, "forbidden"]);
    const none = await begin(base, new Browser(), { issuer: "none" });
    assert.deepEqual([none.status, (await none.json()).code], [404, "not_found"]);
    const away = await begin(base, new Browser(), { page: "//evil.example/" });
    assert.deepEqual([away.status, (await away.json()).code], [400, "bad_request"]);
    issuer.away = true;
    const gone = await begin(base, new Browser());
    const { code, retryAfterMs } = await gone.json();
    assert.deepEqual([gone.status, code, retryAfterMs > 0], [503, "unavailable", true]);
  });
});
