/** Operators of the admin API: their roles, and their tokens at all nodes (13). */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { ADMIN_OPERATIONS } from "../../server/ops/operations.ts";
import type { Asks } from "../../server/node/asks.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { guardAdmin } from "../../server/ops/guard.ts";
import { includes, leastRole, OPERATIONS_OF, type Role, ROLES } from "../../server/ops/roles.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { type OperatorDeps, Operators } from "../../server/ops/operators.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import type { Result } from "../../shard/errors.ts";
import { routeOf } from "../../server/ops/openapi.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const DAY_MS = 86_400_000;

Deno.test("13: every operation of the admin API has one least role, and no role another operation", () => {
  const ids = ADMIN_OPERATIONS.map(({ id }) => id).sort();
  const named = ROLES.flatMap((role) => OPERATIONS_OF[role]).sort();
  assert.deepEqual(named, ids);
  assert.equal(new Set(ids).size, ids.length);
  // What is not in the table is for admins alone.
  assert.equal(leastRole("somethingNew"), "admin");
});

Deno.test("13: viewers and operators change nothing of cluster, services and settings", () => {
  const writes = (role: Role) =>
    ADMIN_OPERATIONS.filter(({ id, method }) => method !== "GET" && leastRole(id) === role);
  assert.deepEqual(writes("viewer").map(({ id }) => id), ["planShards"]);
  const tags = new Set(writes("operator").map(({ tag }) => tag));
  assert.deepEqual([...tags], ["Accounts", "Invites"]);
  const reads = ADMIN_OPERATIONS.filter(({ id, method }) =>
    method === "GET" && leastRole(id) !== "viewer"
  );
  assert.deepEqual(reads.map(({ id }) => id), [
    "exportHead",
    "exportUser",
    "exportEvents",
    "checkAudit",
  ]);
});

/** A guard before an app with all operations; tokens are names of roles. */
function guarded() {
  const served: string[] = [];
  const refused: string[] = [];
  const app = new Hono();
  for (const operation of ADMIN_OPERATIONS) {
    app.on(operation.method, routeOf(operation).split(" ")[1]!, (c) => {
      const { actor, role } = c.env as { readonly actor: string; readonly role: Role };
      served.push(`${actor} ${role} ${operation.id}`);
      return c.json({});
    });
  }
  const isRole = (token: string): token is Role => (ROLES as readonly string[]).includes(token);
  const guard = guardAdmin(app, {
    open: new Map(),
    token: () => "the-token",
    operators: {
      authenticate: (token) => isRole(token) ? { name: `the-${token}`, role: token } : null,
    },
    clock: { monoMs: () => 0 },
    log: { warn: () => {} },
    refused: () => {},
    forbidden: (...what) => void refused.push(what.join(" ")),
  });
  const ask = (token: string, path: string, method = "GET") => {
    const headers = { authorization: `Bearer ${token}` };
    return guard(new Request(`http://h${path}`, { method, headers }), "10.0.0.1");
  };
  return { served, refused, ask };
}

Deno.test("13: each role gets what it may do, and forbidden for everything else", async () => {
  const { ask, refused, served } = guarded();
  for (const role of ROLES) {
    for (const { id, method, path } of ADMIN_OPERATIONS) {
      const response = await ask(role, path.replaceAll(/\{\w+\}/g, "x"), method);
      const may = includes(role, leastRole(id));
      assert.equal(response.status, may ? 200 : 403, `${role} ${id}`);
      const body = await response.json();
      if (may) assert.equal(served.pop(), `operator:the-${role} ${role} ${id}`);
      else {
        assert.equal(body.code, "forbidden");
        assert.equal(refused.pop(), `operator:the-${role} 10.0.0.1 ${id}`);
      }
      assert.equal(served.length, 0);
    }
  }
});

Deno.test("13: what is no operation, and other ways to write one, is for admins alone", async () => {
  const { ask } = guarded();
  const status = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).status;
  const written = [
    "nothing",
    "/token/reload",
    "token/reload/",
    "%74oken/reload",
    "x/../token/reload",
  ];
  for (const path of [...written.map((end) => `/admin/${end}`), "/ADMIN/token/reload"]) {
    assert.equal(await status("viewer", path, "POST"), 403, path);
  }
  assert.equal(await status("viewer", "/admin/users", "HEAD"), 200);
  assert.equal(await status("the-token", "/admin/token/reload", "POST"), 200);
  assert.equal(await status("nobody", "/admin/users"), 401);
});

/** Nodes of a cell with what each knows of operators. */
function cell(count: number) {
  const time = new VirtualTime();
  const store = new FencedStore(new MemoryDisk(time, new Prng("operators")).open(time.process()));
  const repliers: ((input: null, done: (result: Result<null>) => void) => void)[] = [];
  const asks = {
    on: (_: unknown, reply: (typeof repliers)[number]) => void repliers.push(reply),
    all(_: unknown, input: null, done: (all: unknown) => void) {
      let left = repliers.length;
      for (const reply of repliers) reply(input, () => --left > 0 || done({}));
    },
  } as unknown as OperatorDeps["asks"] & Asks;
  const run = <A extends readonly unknown[]>(call: (done: (...args: A) => void) => void): A => {
    let got: A | null = null;
    call((...args) => got = args);
    time.runUntilIdle();
    assert.ok(got !== null);
    return got;
  };
  const nodes = Array.from({ length: count }, (_, i) => {
    const { clock } = time.global;
    const random = simRandom(new Prng(`node ${i}`));
    const node = new Operators({ clock, random, registers: store, asks });
    assert.deepEqual(run((done) => node.load(done)), [null]);
    return node;
  });
  const value = <T>(call: (done: (result: Result<T>) => void) => void): T => {
    const [result] = run<[Result<T>]>(call);
    assert.ok(result.ok, JSON.stringify(result));
    return result.value;
  };
  const code = (call: (done: (result: Result<unknown>) => void) => void) => {
    const [result] = run<[Result<unknown>]>(call);
    return result.ok ? "ok" : result.code;
  };
  return { time, nodes, store, run, value, code };
}

Deno.test("13: the token of an operator is taken at all nodes until it is changed at any", () => {
  const { code, nodes, time, value } = cell(3);
  const [a, b] = nodes as [Operators, Operators];
  const known = (token: string) => nodes.map((node) => node.authenticate(token)?.role ?? null);
  const { token } = value<{ token: string }>((done) => a.add("eve", "viewer", null, done));
  assert.match(token, /^ro1_eve_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(known(token), ["viewer", "viewer", "viewer"]);
  assert.deepEqual(known(`${token.slice(0, -1)}!`), [null, null, null]);
  value((done) => b.change("eve", { role: "operator" }, done));
  assert.deepEqual(known(token), ["operator", "operator", "operator"]);
  value((done) => b.change("eve", { disabled: true }, done));
  assert.deepEqual(known(token), [null, null, null]);
  value((done) => a.change("eve", { disabled: false }, done));
  const next = value<{ token: string }>((done) =>
    b.rotate("eve", 10 * DAY_MS + time.global.clock.wallMs(), done)
  );
  assert.deepEqual(known(token), [null, null, null]);
  assert.deepEqual(known(next.token), ["operator", "operator", "operator"]);
  time.runFor(10 * DAY_MS);
  assert.deepEqual(known(next.token), [null, null, null]);
  assert.deepEqual(a.list().map(({ state }) => state), ["expired"]);
  value((done) => a.remove("eve", done));
  assert.deepEqual(nodes.map((node) => node.list().length), [0, 0, 0]);
  assert.equal(code((done) => b.remove("eve", done)), "not_found");
  assert.equal(code((done) => b.rotate("eve", null, done)), "not_found");
});

Deno.test("13: operators have names, are few, and only hashes of their tokens are stored", () => {
  const { code, nodes: [node], run, store, value } = cell(1);
  for (const name of ["", "A", "a b", "-a", "__proto__", "a".repeat(33)]) {
    assert.equal(code((done) => node!.add(name, "admin", null, done)), "bad_request", name);
  }
  const { token } = value<{ token: string }>((done) => node!.add("ann", "admin", null, done));
  assert.equal(code((done) => node!.add("ann", "admin", null, done)), "conflict");
  assert.equal(node!.authenticate("ro1_constructor_" + "A".repeat(43)), null);
  const [, register] = run<[unknown, { value: Uint8Array }]>((done) =>
    store.register("operators", done as never)
  );
  const text = new TextDecoder().decode(register.value);
  assert.ok(text.includes('"ann"') && !text.includes(token.slice(-43)));
  for (let i = 0; i < 99; i++) value((done) => node!.add(`o${i}`, "viewer", null, done));
  assert.equal(code((done) => node!.add("one-more", "viewer", null, done)), "limit_reached");
  assert.ok(register.value.length < 65_528 / 100);
});
