import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { Hono } from "hono";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { addProvisionRoute } from "../../server/load/provision_route.ts";
import { appTransport } from "../../server/cli/client.ts";
import { contactAt, poolName } from "../../server/load/ring.ts";
import { fail, ok } from "../../shard/errors.ts";
import { hashToken, parseToken } from "../../server/auth/token.ts";
import { newPool, type Pool, tokensOf } from "../../server/load/pool.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { poolToken, provision, type ProvisionInput } from "../../server/load/provision.ts";
import { provisionByAdmin, removeByAdmin } from "../../server/load/provision_admin.ts";

const SECRET = "s".repeat(43);
const INPUT: ProvisionInput = {
  pool: "roost.test",
  users: 8,
  contacts: 4,
  absent: 0,
  from: 0,
  to: 8,
  step: "accounts",
  secret: SECRET,
  password: null,
  expiresAt: Date.UTC(2025, 1, 1),
};

class Fixture extends NodeFixture {
  readonly deps = {
    router: { request: this.node.request.bind(this.node) } as Pick<NodeFixture["node"], "request">,
    credentials: () => assert.fail("no password was asked for"),
  };

  /** Lets time run until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const settled = promise.finally(() => over = true);
    settled.catch(() => {});
    while (!over) {
      this.time.runFor(5);
      for (let i = 0; i < 20 && !over; i++) await new Promise((done) => setImmediate(done));
    }
    return await settled;
  }

  async run(step: ProvisionInput["step"], more: Partial<ProvisionInput> = {}) {
    const result = await this.until(provision(this.deps, { ...INPUT, ...more, step }));
    assert.ok(result.ok, JSON.stringify(result));
    return result.value;
  }
}

Deno.test("poolToken makes tokens as the server does, each user another", () => {
  const token = poolToken(SECRET, "roost.test.000001");
  assert.equal(parseToken(token), "roost.test.000001");
  assert.notEqual(token, poolToken(SECRET, "roost.test.000002"));
  assert.notEqual(token, poolToken("t".repeat(43), "roost.test.000001"));
});

Deno.test("provision makes accounts that sign in, and contacts that are mutual", async () => {
  const fixture = new Fixture();
  assert.deepEqual(await fixture.run("accounts"), { done: 8, left: 0, refusal: null });
  assert.equal((await fixture.run("check")).left, 8);
  assert.equal((await fixture.run("contacts")).done, 16);
  fixture.settle();
  assert.deepEqual(await fixture.run("check"), { done: 8, left: 0, refusal: null });
  for (let user = 0; user < 8; user++) {
    const name = poolName(INPUT.pool, user);
    const tokenHash = hashToken(poolToken(SECRET, name));
    assert.equal(fixture.must(name, "auth.token", { tokenHash }).device, "load");
    const { roster, requests } = fixture.must(name, "mailbox.snapshot", {}).snapshot;
    const wanted = [0, 1, 2, 3].map((slot) => poolName(INPUT.pool, contactAt(INPUT, user, slot)));
    assert.deepEqual(roster.map(({ contact }) => contact).sort(), wanted.sort());
    assert.ok(roster.every(({ subscription }) => subscription === "both"));
    assert.deepEqual(requests, []);
  }
});

Deno.test("provision may be repeated, and takes up what was left or removed", async () => {
  const fixture = new Fixture();
  await fixture.run("accounts", { to: 4 });
  await fixture.run("accounts");
  await fixture.run("contacts");
  await fixture.run("contacts");
  fixture.settle();
  assert.equal((await fixture.run("check")).left, 0);
  assert.equal((await fixture.run("remove")).left, 0);
  fixture.settle();
  const name = poolName(INPUT.pool, 3);
  assert.equal(fixture.ask(name, "mailbox.snapshot", {}).ok, false);
  assert.equal((await fixture.run("remove")).left, 0);
  assert.equal((await fixture.run("accounts")).left, 0);
  assert.deepEqual(fixture.must(name, "mailbox.snapshot", {}).snapshot.roster, []);
});

Deno.test("provision gives everybody the absent as contacts, who are accounts behind the ring's", async () => {
  const fixture = new Fixture();
  const absent = { absent: 3 };
  assert.equal((await fixture.run("accounts", { ...absent, to: 11 })).done, 11);
  assert.equal((await fixture.run("contacts", absent)).done, 8 * (2 + 3));
  fixture.settle();
  assert.equal((await fixture.run("check", absent)).left, 0);
  assert.equal((await fixture.run("check", { absent: 4 })).left, 8);
  const all = (user: number) =>
    fixture.must(poolName(INPUT.pool, user), "mailbox.snapshot", {}).snapshot.roster;
  const wanted = [8, 9, 10].map((user) => poolName(INPUT.pool, user));
  for (let user = 0; user < 8; user++) {
    const contacts = all(user).map(({ contact }) => String(contact));
    assert.equal(contacts.length, 7);
    assert.ok(wanted.every((name) => contacts.includes(name)));
  }
  assert.equal(all(9).length, 8);
  const beyond = await provision(fixture.deps, { ...INPUT, ...absent, step: "contacts", to: 9 });
  assert.ok(!beyond.ok && beyond.code === "bad_request");
});

Deno.test("provision leaves accounts that are not the pool's alone", async () => {
  const fixture = new Fixture();
  fixture.account("alice");
  await fixture.run("accounts");
  await fixture.run("remove");
  assert.ok(fixture.ask("alice", "mailbox.snapshot", {}).ok);
  const phone = { device: "phone" as DeviceId };
  assert.equal(fixture.ask("alice", "device.revoke", phone).ok, false);
});

Deno.test("provision refuses shapes and ranges that are none", async () => {
  const { deps } = new Fixture();
  for (const bad of [{ contacts: 3 }, { pool: "No" }, { from: 8 }, { to: 9 }, { users: 1 }]) {
    const result = await provision(deps, { ...INPUT, ...bad });
    assert.ok(!result.ok && result.code === "bad_request", JSON.stringify(bad));
  }
});

Deno.test("provision stops at the first sign of overload, and says what is left", async () => {
  let asked = 0;
  const router = {
    request: (_name: AccountName, _op: string, _input: unknown, done: (r: never) => void) => {
      asked++;
      done(fail("busy", "later", 700) as never);
    },
  };
  const deps = { router: router as never, credentials: () => {} };
  const result = await provision(deps, { ...INPUT, users: 1000, contacts: 40, to: 1000 });
  assert.ok(result.ok);
  const { done, left, refusal } = result.value;
  assert.deepEqual([done, left, refusal?.retryAfterMs], [0, 1000, 700]);
  assert.ok(asked <= 256, `${asked}`);
});

/** An admin API that refuses every other call for a moment. */
function flaky(fixture: Fixture) {
  const app = new Hono();
  addProvisionRoute(app, {
    router: fixture.deps.router,
    credentials: (_password, done) =>
      done(ok({
        sha256: {
          salt: new Uint8Array(16),
          iterations: 100_000,
          storedKey: new Uint8Array(32),
          serverKey: new Uint8Array(32),
        },
        sha1: null,
      })),
  });
  const transport = appTransport(app);
  let calls = 0;
  return {
    admin: (request: Parameters<typeof transport>[0]) => {
      if (++calls % 2 === 0) return transport(request);
      const refusal = fail("busy", "later", 10);
      return Promise.resolve({ status: 200, body: { done: 0, left: 8, refusal } });
    },
    timers: fixture.time.global.timers,
    random: RANDOM,
    progress: () => {},
  };
}

const RANDOM = { bytes: (count: number) => new Uint8Array(count).fill(7), number: () => 0 };

function poolOf(password: boolean): Pool {
  const wish = {
    url: "http://127.0.0.1:1",
    pool: "roost.test",
    users: 8,
    contacts: 4,
    absent: 2,
  } as const;
  return newPool({ ...wish, via: "admin", password }, RANDOM, Date.UTC(2025, 0, 1));
}

Deno.test("provisionByAdmin and removeByAdmin go on until all is done", async () => {
  const fixture = new Fixture();
  const options = flaky(fixture);
  const pool = poolOf(true);
  await fixture.until(provisionByAdmin(options, pool));
  const name = poolName(pool.pool, 5);
  const tokenHash = hashToken(tokensOf(pool)(5));
  assert.ok(fixture.ask(name, "auth.token", { tokenHash }).ok);
  assert.notEqual(fixture.must(name, "account.credentials", {}), null);
  assert.equal(fixture.must(name, "mailbox.snapshot", {}).snapshot.roster.length, 6);
  const absent = hashToken(tokensOf(pool)(9));
  assert.ok(fixture.ask(poolName(pool.pool, 9), "auth.token", { tokenHash: absent }).ok);
  await fixture.until(removeByAdmin(options, pool));
  assert.equal(fixture.ask(name, "auth.token", { tokenHash }).ok, false);
  assert.equal(fixture.ask(poolName(pool.pool, 9), "mailbox.snapshot", {}).ok, false);
});

Deno.test("provisionByAdmin gives up on a refusal that does not pass, and says which", async () => {
  const fixture = new Fixture();
  const { timers } = fixture.time.global;
  const refusal = fail("limit_reached", "the roster is full", 10);
  const admin = () => Promise.resolve({ status: 200, body: { done: 0, left: 8, refusal } });
  const done = provisionByAdmin(
    { admin, timers, random: RANDOM, progress: () => {} },
    poolOf(false),
  );
  await assert.rejects(fixture.until(done), /no progress at "accounts": the roster is full/);
});

Deno.test("provisionByAdmin rejects with what the server says, or that it does not know how", async () => {
  const { timers } = new Fixture().time.global;
  const refused = { status: 400, body: { code: "bad_request", message: "no such pool" } };
  const cases = [[refused, /no such pool/], [{ status: 404, body: {} }, /older/]] as const;
  for (const [answer, wanted] of cases) {
    const admin = () => Promise.resolve(answer);
    const done = provisionByAdmin(
      { admin, timers, random: RANDOM, progress: () => {} },
      poolOf(false),
    );
    await assert.rejects(done, wanted);
  }
});
