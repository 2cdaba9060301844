import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { ADMIN_OPERATIONS } from "../../server/ops/operations.ts";
import { ServerProcess, tempDir } from "./server.ts";

const NETWORK = ["--set", "admin.listen=127.0.0.1:0"];

function adminUrl(server: ServerProcess): string {
  const url = /The admin API listens at (\S+); its token is in (\S+)/.exec(server.output)?.[1];
  assert.ok(url !== undefined, server.output);
  return url;
}

async function get(url: string, token: string | null): Promise<[number, string]> {
  const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers });
  return [response.status, await response.text()];
}

/** Waits until the server has printed where its admin API is. */
async function printed(server: ServerProcess): Promise<string> {
  while (!server.output.includes("its token is in")) {
    await fetch(`${server.url}/healthz`).then((r) => r.body?.cancel());
  }
  return adminUrl(server);
}

Deno.test("11: the admin API's OpenAPI document has each operation of a running server", async () => {
  using dir = tempDir();
  // It does not start with a route that is not described.
  const server = await ServerProcess.start({ dataDir: dir.path, flags: NETWORK });
  const url = await printed(server);
  const token = Deno.readTextFileSync(`${dir.path}/admin.token`).trim();
  assert.equal((await get(`${url}/admin/openapi.json`, null))[0], 401);
  const [status, text] = await get(`${url}/admin/openapi.json`, token);
  assert.equal(status, 200);
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, object>> };
  const served = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const described = ADMIN_OPERATIONS.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(served.sort(), described.sort());
  const [refused, why] = await get(`${url}/admin/cells/check`, token);
  assert.deepEqual([refused, /no cells\.name/.test(why)], [409, true]);
  assert.equal(await server.stop(), 0);
});

Deno.test("13: requests without a length, or without a body, get the same replies as others", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: NETWORK });
  const url = await printed(server);
  const token = Deno.readTextFileSync(`${dir.path}/admin.token`).trim();
  const ask = async (method: string, path: string, body?: BodyInit) => {
    const headers = { authorization: `Bearer ${token}` };
    const init = { method, headers, ...body === undefined ? {} : { body } };
    const response = await fetch(`${url}/admin/${path}`, init);
    const reply = await response.json() as { readonly code?: string } | null;
    return [response.status, reply?.code ?? null];
  };
  const streamed = (text: string) => new Blob([text]).stream();
  const user = JSON.stringify({ user: "ann", password: null });
  assert.deepEqual(await ask("POST", "users", streamed(user)), [201, null]);
  assert.deepEqual(await ask("POST", "users", streamed(user)), [409, "conflict"]);
  assert.deepEqual(await ask("POST", "users", streamed("x".repeat(100_000))), [413, "too_large"]);
  assert.deepEqual(await ask("DELETE", "users/ann/devices/none"), [404, "not_found"]);
  assert.deepEqual(await ask("DELETE", "users/ann"), [200, null]);
  assert.deepEqual(await ask("DELETE", "invites/none"), [404, "not_found"]);
  assert.equal(await server.stop(), 0);
});

Deno.test("admin.listen serves the admin API and metrics to those with the token", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: NETWORK });
  const url = await printed(server);
  const data = ["--data", dir.path];
  const shown = await roost(["admin", "token", ...data]);
  const token = shown.out.trim();
  assert.match(token, /^ra1_[A-Za-z0-9_-]{43}$/);
  const file = `${dir.path}/admin.token`;
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  assert.equal(Deno.readTextFileSync(file), `${token}\n`);
  assert.match((await get(`${url}/metrics`, token))[1], /^roost_ready 1$/m);
  assert.equal((await get(`${url}/admin/status`, token))[0], 200);
  const made = await fetch(`${url}/admin/users`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ user: "ann", password: null }),
  });
  assert.equal(made.status, 201);
  await made.body?.cancel();
  for (const wrong of [null, `${token}x`, token.slice(0, -1), ""]) {
    for (const path of ["/metrics", "/admin/status", "/admin/users", "/nothing"]) {
      const [status, body] = await get(url + path, wrong);
      assert.ok(status === 401 || status === 429, `${path} ${status}`);
      assert.equal(body.includes("roost_ready") || body.includes("ann"), false);
    }
  }
  assert.equal((await get(`${url}/metrics`, "wrong"))[0], 429);
  // A client with the right one is not locked out with them.
  assert.equal((await get(`${url}/admin/status`, token))[0], 200);
  const renewed = (await roost(["admin", "token", "--new", ...data])).out.trim();
  assert.notEqual(renewed, token);
  assert.equal((await get(`${url}/admin/status`, renewed))[0], 200);
  assert.notEqual((await get(`${url}/admin/status`, token))[0], 200);
  assert.equal(server.log.includes(token) || server.log.includes(renewed), false);
  assert.equal(await server.stop(), 0);
});

Deno.test("the admin API is not where clients connect, and metrics only if configured", async () => {
  using dir = tempDir();
  for (const [value, status] of [["local", 200], ["off", 404], ["all", 200]] as const) {
    const flags = ["--set", `admin.publicMetrics=${value}`];
    const server = await ServerProcess.start({ dataDir: dir.path, flags });
    assert.equal((await get(`${server.url}/admin/status`, null))[0], 404);
    assert.equal((await get(`${server.url}/metrics`, null))[0], status);
    assert.equal(await server.stop(), 0);
  }
});

Deno.test("roost admin token makes no data directory", async () => {
  using dir = tempDir();
  const none = await roost(["admin", "token", "--data", `${dir.path}/none`]);
  assert.equal(none.code, 1);
  assert.match(none.err, /does not exist/);
});

Deno.test("/docs is served to clients, and beside the admin API without a token", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: NETWORK });
  try {
    for (const url of [server.url, await printed(server)]) {
      const list = await fetch(`${url}/docs`);
      assert.deepEqual([list.status, list.url], [200, `${url}/docs/`]);
      assert.match(await list.text(), /<a href="operating">Operating<\/a>/);
      const [status, page] = await get(`${url}/docs/operating`, null);
      assert.equal(status, 200);
      assert.match(page, /<h1 id="operating-roost">/);
      const style = await fetch(`${url}/docs/assets/docs.css`);
      assert.equal(style.headers.get("content-type"), "text/css; charset=utf-8");
      await style.body?.cancel();
    }
    assert.equal((await get(`${server.url}/docs/nothing`, null))[0], 404);
  } finally {
    await server.stop();
  }
});
