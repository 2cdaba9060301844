/** The dashboard's page and what it asks, on a real server's admin listeners. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { freePort } from "./pinned.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Asks past the tidying of paths that `fetch` does; by a socket where `port` is a path. */
function raw(
  port: number | string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<{ status: number; body: string; headers: Readonly<Record<string, unknown>> }> {
  const where = typeof port === "string" ? { socketPath: port } : { host: "127.0.0.1", port };
  return new Promise((resolve, reject) => {
    const message = request({
      ...where,
      path,
      method,
      headers: { connection: "close", ...headers },
    });
    message.on("error", reject);
    message.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text) => body += text);
      response.on(
        "end",
        () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
      );
    });
    message.end();
  });
}

async function start(dir: string, ...more: readonly string[]) {
  const port = freePort();
  const flags = ["--set", `admin.listen=127.0.0.1:${port}`, ...more];
  const server = await ServerProcess.start({ dataDir: dir, flags });
  const token = (await roost(["admin", "token", "--data", dir])).out.trim();
  return { server, port, bearer: { authorization: `Bearer ${token}` } };
}

Deno.test("the dashboard's page needs no token, and nothing but its files goes without", async () => {
  using dir = tempDir();
  const { server, port, bearer } = await start(dir.path);
  const page = await raw(port, "/admin");
  assert.equal(page.status, 200);
  assert.match(String(page.headers["content-security-policy"]), /^default-src 'none';/);
  assert.match(page.body, /<title>Roost dashboard/);
  assert.equal((await raw(port, "/admin/assets/main.js")).status, 200);
  assert.equal((await raw(port, "/")).headers["location"], "admin");
  const head = await raw(port, "/admin", {}, "HEAD");
  assert.deepEqual([head.status, head.body], [200, ""]);
  const closed = [
    "/admin/live",
    "/admin/status",
    "/metrics",
    "/admin/assets/",
    "/admin/assets/../status",
    "/admin/assets/%2e%2e/status",
    "/admin/assets/..%2f..%2f..%2fdeno.json",
    "/admin/assets/deno.json",
    "/admin/chat/main.js",
  ];
  for (const path of closed) {
    const { status, body } = await raw(port, path);
    assert.ok(status === 401 || status === 429, `${path} ${status}`);
    assert.doesNotMatch(body, /roost_ready|version|compilerOptions/, path);
    const known = await raw(port, path, bearer);
    assert.equal(
      known.status === 200,
      /^\/(admin\/(live|status)|metrics)$/.test(new URL(path, server.url).pathname),
      `${path} ${known.status}`,
    );
  }
  assert.equal((await raw(port, "/admin", {}, "POST")).status, 401);
  assert.match(server.output, new RegExp(`The dashboard is at http://127.0.0.1:${port}/admin`));
  assert.equal(await server.stop(), 0);
});

Deno.test("a browser that reaches the admin socket has to know the token, too", async () => {
  using dir = tempDir();
  const { server, bearer } = await start(dir.path);
  const socket = `${dir.path}/admin.sock`;
  const forwarded = { host: "127.0.0.1:8421" };
  assert.equal((await raw(socket, "/admin/status", { host: "admin" })).status, 200);
  assert.equal((await raw(socket, "/admin", forwarded)).status, 200);
  assert.equal((await raw(socket, "/admin/status", forwarded)).status, 401);
  const page = { host: "localhost:8421", origin: "http://other.example" };
  assert.equal((await raw(socket, "/admin/invites", page, "POST")).status, 401);
  assert.equal((await raw(socket, "/admin/live", { ...forwarded, ...bearer })).status, 200);
  // The server listens on a port that the system chose, which no flag of this command says.
  const told = await roost(["admin", "dashboard", "--data", dir.path]);
  const port = /^http:\/\/127\.0\.0\.1:(\d+)\/admin\n/.exec(told.out)?.[1];
  assert.ok(port !== undefined && port !== "8421", told.out);
  assert.match(told.out, new RegExp(`ssh -L 127.0.0.1:${port}:127.0.0.1:${port} HOST`));
  const shown = await roost(["config", "show", "admin.listen", "--json", "--data", dir.path]);
  assert.deepEqual(Object.keys(JSON.parse(shown.out).settings), [
    "admin.listen",
    "admin.allowRemote",
  ]);
  assert.equal(JSON.parse(shown.out).settings["admin.listen"].value, `127.0.0.1:${port}`);
  assert.match(shown.err, /Of the server that runs on/);
  const next = await roost(["config", "show", "admin.listen", "--next", "--data", dir.path]);
  assert.match(next.out, /^listen = "" {2}# default$/m);
  assert.equal(await server.stop(), 0);
  const stopped = await roost(["admin", "dashboard", "--data", dir.path]);
  assert.match(stopped.out, new RegExp(`ssh -L 127.0.0.1:8421:${socket} HOST`));
  assert.match(stopped.err, /No server runs/);
});

Deno.test("/admin/live has the last seconds, the state and the shards of a server", async () => {
  using dir = tempDir();
  const { server, port, bearer } = await start(dir.path, "--set", "storage.shards=4");
  const ask = async (after: number) =>
    JSON.parse((await raw(port, `/admin/live?after=${after}`, bearer)).body);
  let live = await ask(0);
  // On a busy machine it says that it is busy at first.
  while (live.last < 2 || live.health.state === "busy") live = await ask(0);
  assert.equal(live.health.state, "healthy");
  assert.equal(live.at.length, live.last);
  assert.ok(live.series.rssBytes[0] > 1e7);
  assert.ok(live.series.lagP99[1] > 0);
  assert.equal(live.shards.rows.length, 4);
  assert.deepEqual((await ask(live.last + 1000)).first, 1);
  const set = await roost(["shards", "set", "6", "--data", dir.path]);
  assert.equal(set.code, 0, set.err);
  const { shards } = await ask(live.last);
  assert.equal(shards.rows.length, 6);
  assert.equal(shards.version, 1 + shards.changes.length);
  assert.ok(shards.changes.every((c: { pauseMs: number }) => c.pauseMs >= 0));
  assert.equal(await server.stop(), 0);
});

Deno.test("invites are listed, revoked and used; users are signed out; after a restart, too", async () => {
  using dir = tempDir();
  const data = ["--data", dir.path];
  const first = await start(dir.path, "--set", "registration.mode=invite");
  const make = async () => (await roost(["invite", "create", ...data])).out.trim();
  const [used, revoked] = [await make(), await make()];
  const body = { user: "ann", password: "correct horse" };
  const register = (url: string, user: string, invite: string) =>
    rest<{ token: string }>(url, "POST", "/v1/register", { body: { ...body, user, invite } });
  const { token } = await register(first.server.url, "ann", used);
  const list = async () => (await roost(["invite", "list", ...data])).out.trim().split("\n");
  // The first start makes one of its own.
  const open = (await list()).filter((line) => / open /.test(line)).map((l) => l.split(" ")[0]!);
  assert.equal(open.length, 2);
  // An id may begin with a hyphen.
  const revoke = (id: string) => roost(["invite", "revoke", ...data, "--", id]);
  for (const id of open) assert.equal((await revoke(id)).code, 0);
  await assert.rejects(register(first.server.url, "bob", revoked), /not valid/);
  const devices = await roost(["user", "devices", "ann", ...data]);
  assert.equal(devices.out.trim().split("\n").length, 2);
  assert.equal((await roost(["user", "signout", "ann", ...data])).code, 0);
  await assert.rejects(rest(first.server.url, "GET", "/v1/snapshot", { token }), /unauthorized/);
  assert.equal(await first.server.stop(), 0);
  // While no server runs the commands open the directory themselves.
  const lines = await list();
  assert.deepEqual(lines.filter((line) => / revoked /.test(line)).length, 2);
  const [line] = lines.filter((line) => / used .*ann$/.test(line));
  const again = await revoke(line!.split(" ")[0]!);
  assert.deepEqual([again.code, /was used/.test(again.err)], [1, true]);
  assert.equal((await roost(["invite", "revoke", "nonsense", ...data])).code, 1);
});
