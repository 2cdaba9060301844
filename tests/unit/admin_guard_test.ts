import assert from "node:assert/strict";
import { Hono } from "hono";
import { guardAdmin, guardBrowsers } from "../../server/ops/guard.ts";
import type { Role } from "../../server/ops/roles.ts";

const TOKEN = "ra1_" + "A".repeat(43);

function guarded() {
  const time = { monoMs: 0 };
  const state = {
    token: TOKEN,
    served: 0,
    warned: 0,
    recorded: 0,
    forbidden: [] as string[],
    operators: new Map<string, { readonly name: string; readonly role: Role }>(),
  };
  const app = new Hono();
  app.get("/admin/status", (c) => {
    state.served++;
    return c.json({ version: "1" });
  });
  const fetch = guardAdmin(app, {
    open: new Map([["/admin", () => new Response("the page")]]),
    token: () => state.token,
    clock: { monoMs: () => time.monoMs },
    log: { warn: () => void state.warned++ },
    refused: () => void state.recorded++,
    forbidden: (actor, _, operation) => void state.forbidden.push(`${actor} ${operation}`),
    operators: { authenticate: (token) => state.operators.get(token) ?? null },
  });
  const get = async (authorization: string | null, address = "10.0.0.1") => {
    const headers: HeadersInit = authorization === null ? {} : { authorization };
    const response = await fetch(new Request("http://h/admin/status", { headers }), address);
    await response.body?.cancel();
    return response;
  };
  return { time, state, get, fetch, app };
}

Deno.test("guardAdmin serves clients that have the token, and keeps answers out of caches", async () => {
  const { state, get } = guarded();
  for (const scheme of ["Bearer", "bearer"]) {
    const response = await get(`${scheme} ${TOKEN}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("cache-control"), "no-store");
  }
  assert.equal(state.served, 2);
});

Deno.test("guardAdmin refuses everything else before the app sees it", async () => {
  const { state, get, time } = guarded();
  const wrong = [null, "", TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN}A`, "Bearer", `Bearer x`];
  for (const authorization of wrong) {
    time.monoMs += 60_000;
    assert.equal((await get(authorization)).status, 401, String(authorization));
  }
  assert.equal(state.served, 0);
});

Deno.test("guardAdmin slows down who guesses, but neither others nor the right token", async () => {
  const { state, get, time } = guarded();
  for (let i = 0; i < 10; i++) assert.equal((await get("Bearer x")).status, 401);
  const slowed = await get("Bearer x");
  assert.equal(slowed.status, 429);
  assert.equal(slowed.headers.get("retry-after"), "6");
  // What is refused unseen is not logged either.
  assert.equal(state.warned, 10);
  assert.equal(state.recorded, 10);
  assert.equal((await get("Bearer x", "10.0.0.2")).status, 401);
  assert.equal((await get(`Bearer ${TOKEN}`)).status, 200);
  time.monoMs += 6000;
  assert.equal((await get("Bearer x")).status, 401);
});

Deno.test("guardAdmin takes a new token at once, and the old one no more", async () => {
  const { state, get } = guarded();
  state.token = "ra1_" + "B".repeat(43);
  assert.equal((await get(`Bearer ${TOKEN}`)).status, 401);
  assert.equal((await get(`Bearer ${state.token}`)).status, 200);
});

Deno.test("guardAdmin shows what is open to everybody, by its exact path, to be read only", async () => {
  const { fetch, time } = guarded();
  const ask = async (path: string, method = "GET") => {
    time.monoMs += 60_000;
    const response = await fetch(new Request(`http://h${path}`, { method }), "10.0.0.1");
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ask("/admin"), 200);
  assert.equal(await ask("/admin?after=1"), 200);
  assert.equal(await ask("/admin", "HEAD"), 200);
  for (const path of ["/admin/", "/admin/status", "/admin/../admin/status", "//admin", "/Admin"]) {
    assert.equal(await ask(path), 401, path);
  }
  for (const method of ["POST", "PUT", "DELETE"]) assert.equal(await ask("/admin", method), 401);
});

Deno.test("guardBrowsers lets programs in as they are, and asks browsers for the token", async () => {
  const { app, fetch, time } = guarded();
  const socket = guardBrowsers(app, fetch);
  const ask = async (headers: Record<string, string>) => {
    time.monoMs += 60_000;
    const response = await socket.fetch(new Request("http://h/admin/status", { headers }));
    await response.body?.cancel();
    return response.status;
  };
  for (const host of ["admin", "localhost"]) assert.equal(await ask({ host }), 200);
  const browsers = [
    { host: "127.0.0.1:8421" },
    { host: "evil.example" },
    { host: "localhost:8421", origin: "http://evil.example" },
    { host: "localhost:8421", "sec-fetch-site": "cross-site" },
    { host: "admin", "sec-fetch-site": "same-origin" },
  ];
  for (const headers of browsers) {
    assert.equal(await ask(headers), 401, JSON.stringify(headers));
    assert.equal(await ask({ ...headers, authorization: `Bearer ${TOKEN}` }), 200);
  }
});
