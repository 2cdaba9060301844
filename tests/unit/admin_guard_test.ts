import assert from "node:assert/strict";
import { Hono } from "hono";
import { guardAdmin } from "../../server/admin/guard.ts";

const TOKEN = "ra1_" + "A".repeat(43);

function guarded() {
  const time = { monoMs: 0 };
  const state = { token: TOKEN, served: 0, warned: 0 };
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
  });
  const get = async (authorization: string | null, address = "10.0.0.1") => {
    const headers: HeadersInit = authorization === null ? {} : { authorization };
    const response = await fetch(new Request("http://h/admin/status", { headers }), address);
    await response.body?.cancel();
    return response;
  };
  return { time, state, get };
}

Deno.test("guardAdmin serves whoever has the token, and keeps answers out of caches", async () => {
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
