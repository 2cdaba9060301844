import assert from "node:assert/strict";
import { request } from "node:http";
import { Probe } from "./probe.ts";
import { Refused, rest } from "./client.ts";
import { ServerProcess, tempDir } from "./server.ts";

type Registered = Record<string, unknown> & { readonly token: string };

async function register(
  server: ServerProcess,
  body: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    await rest<Registered>(server.url, "POST", "/v1/register", { body });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    return error.code;
  }
}

Deno.test("a server that others can reach prints one invite at its first start only", async () => {
  using dir = tempDir();
  // It listens on loopback, but a proxy lets others in.
  const flags = ["--set", "server.trustedProxies=192.0.2.1"];
  const first = await ServerProcess.start({ dataDir: dir.path, flags });
  const ann = { user: "ann", password: "correct horse" };
  assert.equal(await register(first, ann), "forbidden");
  const invite = /The first one, for one account: (ri1_[\w-]{22})\n/.exec(first.output)?.[1];
  assert.ok(invite !== undefined, first.output);
  assert.ok(!first.log.includes(invite), "the invite is in the log");
  assert.equal(await register(first, { ...ann, invite }), "ok");
  assert.equal(await register(first, { ...ann, user: "bob", invite }), "forbidden");
  await first.stop();
  const second = await ServerProcess.start({ dataDir: dir.path, flags });
  assert.doesNotMatch(second.output, /ri1_/);
  assert.equal((await rest(second.url, "GET", "/v1/info"))["registration"], "invite");
  await second.stop();
  const closed = await ServerProcess.start({
    dataDir: dir.path,
    flags: [...flags, "--registration", "closed"],
  });
  assert.equal(await register(closed, { ...ann, user: "bob" }), "forbidden");
  await closed.stop();
});

Deno.test("on loopback, whatever its address, registration is open and no invite is printed", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--bind", "127.0.0.2:0"],
  });
  assert.match(server.output, /^Roost \S+ serves localhost at http:\/\/127\.0\.0\.2:\d+\n$/);
  assert.equal(await register(server, { user: "ann", password: "correct horse" }), "ok");
  await server.stop();
});

/** Tries a wrong password from an address of this machine that says it forwards for another. */
function fail(
  url: string,
  user: string,
  localAddress: string,
  forwardedFor: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "x-forwarded-for": forwardedFor };
    const options = { method: "POST", localAddress, headers };
    const sent = request(`${url}/v1/auth/password`, options, (response) => {
      response.resume();
      response.on("end", resolve);
    });
    sent.on("error", reject);
    sent.end(JSON.stringify({ user, password: "wrong horse" }));
  });
}

Deno.test("X-Forwarded-For is believed from trusted proxies only, over HTTP and WebSocket", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: [
      ...["--set", "server.trustedProxies=127.0.0.1", "--registration", "open"],
      ...["--log-level", "debug", "--set", "log.format=json"],
    ],
  });
  await fail(server.url, "proxied", "127.0.0.1", "203.0.113.9, 198.51.100.7");
  await fail(server.url, "liar", "127.0.0.2", "198.51.100.7");
  const ann = { user: "ann", password: "correct horse" };
  const { token } = await rest<Registered>(server.url, "POST", "/v1/register", { body: ann });
  const headers = { "x-forwarded-for": "198.51.100.8" };
  const probe = await Probe.connect(server.wsUrl, { auth: { token } }, { headers });
  await probe.close();
  const metrics = await fetch(`${server.url}/metrics`, { headers });
  assert.equal(metrics.status, 404);
  await metrics.body?.cancel();
  await server.stop();
  const lines = server.log.trim().split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const addressOf = (event: string, user: string) =>
    lines.find((line) => line.event === event && line.user === user)?.address;
  assert.equal(addressOf("sign_in_refused", "proxied"), "198.51.100.7");
  assert.equal(addressOf("sign_in_refused", "liar"), "127.0.0.2");
  assert.equal(addressOf("json.attached", "ann"), "198.51.100.8");
});
