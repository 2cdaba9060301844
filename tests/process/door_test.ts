/** What the program lets in and what not, before anybody signs in; and what it starts with. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { upgradeRequest } from "../scenario/raw_socket.ts";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Status and body of the answer to these bytes. */
async function answerTo(url: string, bytes: string): Promise<[number, string]> {
  const text = await new Promise<string>((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (data) => {
      text += String(data);
      // An upgraded connection would stay.
      if (text.startsWith("HTTP/1.1 101")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
  return [Number(text.slice(9, 12)), text.slice(text.indexOf("\r\n\r\n") + 4)];
}

const get = (path: string, host: string) =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

Deno.test("the server lives, and answers to its own names and pages only", async () => {
  using dir = tempDir();
  const allowed = "https://app.example.org";
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--domain", "chat.example.org", "--set", `server.allowedOrigins=${allowed}`],
  });
  const { host } = new URL(server.url);
  assert.deepEqual(await answerTo(server.url, get("/healthz", host)), [200, "ok"]);
  assert.deepEqual(await answerTo(server.url, get("/readyz", "localhost")), [200, "ready"]);
  for (const name of ["chat.example.org", "app.example.org", "[::1]:1"]) {
    assert.equal((await answerTo(server.url, get("/healthz", name)))[0], 200, name);
  }
  for (const path of ["/healthz", "/metrics", "/v1/info", "/", "/nothing"]) {
    const [status, body] = await answerTo(server.url, get(path, "evil.example"));
    assert.deepEqual([status, JSON.parse(body).code], [403, "forbidden"], path);
  }
  const rebound = upgradeRequest().replace("Host: 127.0.0.1", "Host: evil.example");
  assert.equal((await answerTo(server.url, rebound))[0], 403);
  const page = (origin: string) =>
    answerTo(server.url, upgradeRequest("/v1/ws", `Origin: ${origin}\r\n`));
  const [status, body] = await page("https://evil.example");
  assert.deepEqual([status, JSON.parse(body).code], [403, "forbidden"]);
  assert.equal((await page("null"))[0], 403);
  assert.equal((await page(allowed))[0], 101);
  // Its Host has no port either.
  assert.equal((await page("http://127.0.0.1"))[0], 101);
  const info = await fetch(`${server.url}/v1/info`, { headers: { origin: allowed } });
  assert.equal(info.headers.get("access-control-allow-origin"), allowed);
  await info.body?.cancel();
  assert.equal(await server.stop(), 0);
});

Deno.test("a data directory keeps its domain: another one is not served from it", async () => {
  using dir = tempDir();
  const start = (domain: string) =>
    ServerProcess.start({ dataDir: dir.path, flags: ["--domain", domain] });
  const server = await start("old.example.org");
  const body = { user: "ann", password: "correct horse" };
  await rest(server.url, "POST", "/v1/register", { body });
  assert.equal(await server.stop(), 0);
  await assert.rejects(
    start("new.example.org"),
    /Cannot serve server\.domain new\.example\.org from --data \S+: its accounts are of old\./,
  );
  // Commands need not name the domain.
  const added = await roost(["user", "add", "bob", "--no-password", "--data", dir.path]);
  assert.deepEqual([added.code, added.out], [0, "bob@old.example.org is created.\n"]);
  const again = await start("old.example.org");
  await rest(again.url, "POST", "/v1/auth/password", { body });
  assert.equal(await again.stop(), 0);
});

Deno.test("commands that name no data directory, and settings that cannot start, are refused", async () => {
  using dir = tempDir();
  const typo = `${dir.path}/typo`;
  const list = await roost(["user", "list", "--data", typo]);
  assert.equal(list.code, 1);
  assert.match(list.err, /^roost: Cannot use --data \S+\/typo: it does not exist\./);
  assert.deepEqual([...Deno.readDirSync(dir.path)], []);
  const tls = ["--tls-cert", "none.pem", "--tls-key", "none.pem"];
  const check = await roost(["config", "check", "--data", dir.path, ...tls]);
  assert.equal(check.code, 2);
  assert.match(check.err, /^roost: Cannot read server\.tlsCert \S+\/none\.pem: /);
  const bind = await roost(["config", "check", "--bind", "300.1.1.1:99"]);
  assert.equal(bind.code, 2);
  assert.match(bind.err, /^roost: server\.bind is "300\.1\.1\.1:99" in --bind: it must be /);
});
