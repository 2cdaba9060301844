import assert from "node:assert/strict";
import { type AdminDeps, createAdminApp } from "../../server/ops/api.ts";
import { adminClient, AdminError, appTransport } from "../../server/cli/client.ts";
import { ERROR_CODES, type ErrorCode, fail } from "../../shard/errors.ts";
import { fakeAccounts } from "./admin_fake.ts";

function setUp(change: Partial<AdminDeps> = {}) {
  const fake = fakeAccounts();
  const app = createAdminApp({ ...fake.deps, ...change });
  return { ...fake, app, client: adminClient(appTransport(app)) };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AdminError, String(error));
    return error.code;
  }
  throw new Error("it was not refused");
}

Deno.test("the admin API creates accounts with and without a password, under normalised names", async () => {
  const { client, passwords } = setUp();
  assert.equal((await client.addUser("Alice", "correct horse")).name, "alice");
  assert.equal((await client.addUser("bob@Example.org", null)).name, "bob");
  assert.deepEqual([...passwords], [["alice", "correct horse"], ["bob", null]]);
});

Deno.test("the admin API refuses what cannot be an account, and changes nothing", async () => {
  const { client, accounts } = setUp();
  await client.addUser("alice", null);
  assert.equal(await codeOf(client.addUser("ALICE", "correct horse")), "conflict");
  assert.equal(await codeOf(client.addUser("carol", "short")), "bad_request");
  assert.equal(await codeOf(client.addUser("a b", null)), "bad_request");
  assert.equal(await codeOf(client.addUser("carol@elsewhere.org", null)), "bad_request");
  assert.equal(await codeOf(client.addUser("roost.dark.000001", null)), "bad_request");
  assert.deepEqual([...accounts.keys()], ["alice"]);
});

Deno.test("the admin API changes passwords, states and names of accounts", async () => {
  const { client, accounts, passwords } = setUp();
  await client.addUser("alice", "correct horse");
  await client.setPassword("alice", "battery staple");
  assert.equal(passwords.get("alice"), "battery staple");
  await client.setDisabled("alice", true);
  assert.equal(accounts.get("alice")!.state, "disabled");
  await client.setDisabled("alice", false);
  assert.equal(accounts.get("alice")!.state, "active");
  await client.removeUser("alice");
  assert.equal(accounts.get("alice")!.state, "deleted");
  await client.releaseUser("alice");
  assert.ok(!accounts.has("alice"));
});

Deno.test("the admin API answers not_found for every operation on nobody", async () => {
  const { client } = setUp();
  assert.equal(await codeOf(client.setPassword("bob", "correct horse")), "not_found");
  assert.equal(await codeOf(client.setDisabled("bob", true)), "not_found");
  assert.equal(await codeOf(client.removeUser("bob")), "not_found");
  assert.equal(await codeOf(client.releaseUser("bob")), "not_found");
});

Deno.test("the admin API names accounts of any alphabet in its paths", async () => {
  const { client, accounts } = setUp();
  await client.addUser("Ζωή", "correct horse");
  await client.addUser("a%2fb", "correct horse");
  await client.setDisabled("ζωή", true);
  await client.setDisabled("a%2fb", true);
  assert.deepEqual([...accounts.values()].map((a) => a.state), ["disabled", "disabled"]);
});

Deno.test("the admin API lists accounts page by page", async () => {
  const { client, app } = setUp();
  for (const name of ["carol", "alice", "bob"]) await client.addUser(name, null);
  const first = await (await app.request("/admin/users?limit=2")).json();
  assert.deepEqual(first.accounts.map((a: { name: string }) => a.name), ["alice", "bob"]);
  const second = await client.listUsers(first.next);
  assert.deepEqual(second.accounts.map((a) => a.name), ["carol"]);
  assert.equal(second.next, null);
  assert.equal((await app.request("/admin/users?limit=0")).status, 400);
});

Deno.test("the admin API makes invites and tells what it is", async () => {
  const { client } = setUp();
  assert.deepEqual(await client.createInvite(), {
    code: "invite-code",
    expiresAt: Date.UTC(2026, 6, 1),
  });
  assert.deepEqual(await client.status(), { version: "1.2.3", domain: "example.org" });
});

Deno.test("the admin API gives the link of an invite where the public address is known (A24)", async () => {
  for (const publicUrl of ["https://chat.example.org", "https://example.org/roost/"]) {
    const { client } = setUp({ publicUrl });
    const { link } = await client.createInvite();
    assert.equal(link, `${publicUrl.replace(/\/$/, "")}/?invite=invite-code`);
  }
});

Deno.test("the admin API never repeats a body that it cannot read", async () => {
  const { app } = setUp();
  const body = '{"user":"alice","password":"s3cret-value"';
  for (const text of [body, body + ',"extra":1}', '{"user":1,"password":"s3cret-value"}']) {
    const response = await app.request("/admin/users", { method: "POST", body: text });
    assert.equal(response.status, 400);
    assert.doesNotMatch(await response.text(), /s3cret/);
  }
  const huge = JSON.stringify({ user: "alice", password: "x".repeat(70_000) });
  const response = await app.request("/admin/users", { method: "POST", body: huge });
  assert.equal(response.status, 413);
});

Deno.test("the admin API gives every code of the closed list its status", async () => {
  const statuses: Record<string, number> = {};
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const { invites } = fakeAccounts().deps;
    const create: AdminDeps["invites"]["create"] = (done) => done(fail(code, "no", 1500));
    const { app } = setUp({ invites: { ...invites, create } });
    const response = await app.request("/admin/invites", { method: "POST" });
    assert.deepEqual(await response.json(), { code, message: "no", retryAfterMs: 1500 });
    statuses[code] = response.status;
  }
  assert.deepEqual(statuses, {
    bad_request: 400,
    unsupported: 400,
    unauthorized: 401,
    second_factor_required: 403,
    forbidden: 403,
    not_found: 404,
    conflict: 409,
    too_large: 413,
    limit_reached: 422,
    rate_limited: 429,
    busy: 503,
    unavailable: 503,
    reset: 410,
    moved: 421,
  });
});

Deno.test("adminClient rejects answers that are not the admin API's", async () => {
  const client = adminClient(() => Promise.resolve({ status: 502, body: "Bad Gateway" }));
  assert.equal(await codeOf(client.status()), "unavailable");
});

Deno.test("the admin API lists and revokes invites, and signs devices out", async () => {
  const { client } = setUp();
  await client.addUser("alice", null);
  assert.deepEqual((await client.invites()).map(({ id, state }) => [id, state]), [["I1", "open"]]);
  await client.revokeInvite("I1");
  assert.equal((await client.invites())[0]!.state, "revoked");
  assert.equal(await codeOf(client.revokeInvite("I2")), "not_found");
  assert.deepEqual((await client.devices("alice")).map(({ device }) => device), ["phone"]);
  assert.equal(await client.signOut("alice"), 1);
  assert.equal(await codeOf(client.signOut("bob")), "not_found");
});

Deno.test("the admin API finds accounts by a part of their names", async () => {
  const { client, app } = setUp();
  for (const name of ["carol", "alice", "bob"]) await client.addUser(name, null);
  const page = await (await app.request("/admin/users?match=%20AL")).json();
  assert.deepEqual(page.accounts.map((a: { name: string }) => a.name), ["alice"]);
  assert.equal((await app.request(`/admin/users?match=${"x".repeat(257)}`)).status, 400);
});
