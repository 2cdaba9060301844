import assert from "node:assert/strict";
import { hasSlapd, READER, type RunningSlapd, startSlapd, USERS } from "./slapd.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** A test that says why it is skipped where there is no directory to be had. */
function test(name: string, run: () => Promise<void>): void {
  const ignore = !hasSlapd();
  const why = ignore ? " (skipped: there is no slapd on this machine)" : "";
  Deno.test({ name: name + why, ignore, fn: run });
}

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly user?: string;
  readonly retryAfterMs?: number;
}

async function post(server: ServerProcess, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...await response.json() };
}

const signIn = (server: ServerProcess, user: string, password: string) =>
  post(server, "auth/password", { user, password });

/** The settings for a search by the reader. */
function searching(dir: string, slapd: RunningSlapd): Record<string, string> {
  Deno.writeTextFileSync(`${dir}/reader`, `${READER.password}\n`);
  return {
    url: slapd.tlsUrl,
    caFile: slapd.caFile,
    baseDn: slapd.base,
    bindDn: READER.dn,
    bindPasswordFile: `${dir}/reader`,
  };
}

async function withServer(
  settings: (dir: string, slapd: RunningSlapd) => Record<string, string>,
  run: (server: ServerProcess, slapd: RunningSlapd) => Promise<void>,
  flags: readonly string[] = [],
): Promise<void> {
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/slapd`);
  await using slapd = await startSlapd(`${dir.path}/slapd`);
  const set = Object.entries(settings(dir.path, slapd))
    .flatMap(([name, value]) => ["--set", `ldap.${name}=${value}`]);
  const server = await ServerProcess.start({
    dataDir: `${dir.path}/data`,
    flags: [...set, ...flags],
  });
  try {
    await run(server, slapd);
  } finally {
    await server.stop();
  }
}

test("13: LDAP: users sign in by a search over ldaps, and the account stays theirs", () =>
  withServer(searching, async (server, slapd) => {
    assert.equal((await (await fetch(`${server.url}/v1/info`)).json()).directory, true);
    assert.equal((await signIn(server, "ann", USERS.ann)).user, "ann");
    assert.equal((await signIn(server, "Ann", USERS.ann)).user, "ann");
    const wrong = await signIn(server, "ann", "wrong");
    const unknown = await signIn(server, "carol", "wrong");
    assert.deepEqual(wrong, unknown);
    assert.deepEqual([wrong.status, wrong.code], [401, "unauthorized"]);
    for (const user of ["*", "a*", "ann)(uid=bob", "o(dd)*"]) {
      assert.equal((await signIn(server, user, USERS.ann)).code, "unauthorized", user);
    }
    // Renamed in the directory: the same account. Who gets the name then gets another's no more.
    await slapd.modify(
      `dn: uid=ann,ou=people,${slapd.base}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n`,
    );
    assert.equal((await signIn(server, "anna", USERS.ann)).user, "ann");
    await slapd.modify(
      `dn: uid=bob,ou=people,${slapd.base}\nchangetype: modrdn\nnewrdn: uid=ann\ndeleteoldrdn: 1\n`,
    );
    assert.equal((await signIn(server, "ann", USERS.bob)).code, "conflict");
  }));

test("13: LDAP: users sign in by a template over StartTLS, without a search", () =>
  withServer((_dir, slapd) => ({
    url: slapd.url,
    caFile: slapd.caFile,
    userDn: `uid={user},ou=people,${slapd.base}`,
  }), async (server) => {
    assert.equal((await signIn(server, "bob", USERS.bob)).user, "bob");
    for (const user of ["bob,ou=people", "bob+sn=x", "carol"]) {
      assert.equal((await signIn(server, user, USERS.bob)).code, "unauthorized", user);
    }
  }));

test("13: LDAP: an empty password never binds, and a strange certificate gets no password", () =>
  withServer((dir, slapd) => {
    const { caFile: _, ...others } = searching(dir, slapd);
    return others;
  }, async (server) => {
    assert.equal((await signIn(server, "ann", "")).status, 400);
    const away = await signIn(server, "ann", USERS.ann);
    assert.deepEqual([away.status, away.code], [503, "unavailable"]);
    assert.match(server.log, /directory away/);
    assert.doesNotMatch(server.log, /ann's password|reader's password/);
  }));

test("13: LDAP: a directory that is away is no wrong password, and accounts of here sign in", () =>
  withServer(
    (dir, slapd) => ({ ...searching(dir, slapd), timeoutMs: "10000" }),
    async (server, slapd) => {
      const local = { user: "local", password: "correct horse" };
      assert.equal((await post(server, "register", local)).status, 201);
      assert.equal((await signIn(server, "ann", USERS.ann)).user, "ann");
      slapd.pause(true);
      const hung = await signIn(server, "ann", USERS.ann);
      assert.deepEqual([hung.status, hung.code, hung.retryAfterMs! > 0], [
        503,
        "unavailable",
        true,
      ]);
      slapd.pause(false);
      await slapd.stop();
      for (const user of ["ann", "nobody", "local"]) {
        assert.equal((await signIn(server, user, "wrong")).code, "unavailable", user);
      }
      assert.equal((await signIn(server, local.user, local.password)).user, "local");
      await slapd.start();
      assert.equal((await signIn(server, "ann", USERS.ann)).user, "ann");
      assert.equal((await signIn(server, "local", "wrong")).code, "unauthorized");
    },
  ));

test("13: LDAP: guesses are throttled, and no local account is taken over by its name", () =>
  withServer(searching, async (server) => {
    const local = { user: "bob", password: "correct horse" };
    assert.equal((await post(server, "register", local)).status, 201);
    assert.equal((await signIn(server, "bob", USERS.bob)).code, "conflict");
    assert.equal((await signIn(server, "bob", local.password)).user, "bob");
    for (let i = 0; i < 3; i++) {
      assert.equal((await signIn(server, "ann", `guess ${i}`)).code, "unauthorized");
    }
    assert.equal((await signIn(server, "ann", USERS.ann)).code, "rate_limited");
  }, ["--set", "auth.accountFailuresBurst=3"]));
