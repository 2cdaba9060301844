import assert from "node:assert/strict";
import { rest } from "./client.ts";
import { Probe } from "./probe.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

interface SignedIn {
  readonly token: string;
}

async function register(server: ServerProcess, user: string): Promise<string> {
  const body = { user, password: `password of ${user}`, device: "phone" };
  const { token } = await rest<SignedIn & Record<string, unknown>>(
    server.url,
    "POST",
    "/v1/register",
    { body },
  );
  return token;
}

Deno.test("SIGTERM sends everybody away, finishes what was accepted, and exits with 0", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const ann = await register(server, "ann");
  const bob = await register(server, "bob");
  await rest(server.url, "PUT", "/v1/settings", { token: bob, body: { messagesFrom: "anyone" } });
  const phone = await Probe.connect(server.wsUrl, { auth: { token: ann } });
  const desk = await Probe.connect(server.wsUrl, {
    auth: { user: "ann", password: "password of ann" },
    device: "desk",
  });
  const headers = { authorization: `Bearer ${await register(server, "cid")}` };
  const opened = await (await fetch(`${server.url}/v1/events?wait=0`, { headers })).json();
  const poll = fetch(`${server.url}/v1/events?after=${opened.cursor}&wait=60`, {
    headers: { ...headers, "roost-session": opened.session },
  });
  const stream = await fetch(`${server.url}/v1/events`, {
    headers: {
      authorization: `Bearer ${await register(server, "dan")}`,
      accept: "text/event-stream",
    },
  });
  assert.equal((await phone.command("send", { to: "bob", key: "k0", body: "first" })).t, "ok");
  const sends = Array.from(
    { length: 40 },
    (_, i) => phone.send("send", { to: "bob", key: `k${i + 1}`, body: `message ${i + 1}` }),
  );
  await phone.frame("ok", (frame) => frame["id"] === sends[0]);
  assert.equal(await server.stop(), 0);

  for (const probe of [phone, desk]) {
    const { code } = await probe.ended;
    const goaway = probe.frames.at(-1)!;
    assert.deepEqual([goaway.t, goaway["reason"], code], ["goaway", "shutdown", 1001]);
    assert.ok(Number(goaway["retryAfterMs"]) > 0);
  }
  assert.match(await stream.text(), /event: goaway\ndata: .*"reason":"shutdown".*\n\n$/);
  const answer = await poll;
  const { code, retryAfterMs } = await answer.json();
  assert.deepEqual([answer.status, code], [503, "busy"]);
  assert.equal(answer.headers.get("retry-after"), String(Math.ceil(retryAfterMs / 1000)));

  const acked = phone.frames.filter((f) => f.t === "ok" && sends.includes(Number(f["id"])));
  const again = await ServerProcess.start({ dataDir: dir.path });
  const page = await rest<{ events: { body: string }[] }>(
    again.url,
    "GET",
    "/v1/conversations/ann/messages?limit=100",
    { token: bob },
  );
  const bodies = page.events.map((event) => event.body);
  const wanted = acked.map((f) => `message ${sends.indexOf(Number(f["id"])) + 1}`);
  assert.deepEqual(wanted.filter((body) => !bodies.includes(body)), []);
  assert.deepEqual(
    bodies,
    ["first", ...sends.map((_, i) => `message ${i + 1}`)].slice(0, bodies.length),
  );
  assert.equal(await again.stop(), 0);
});

Deno.test("a data directory in use is refused with exit code 1 and the process that has it", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const second = await roost(["start", "--data", dir.path, "--bind", "127.0.0.1:0"]);
  assert.deepEqual(second, {
    code: 1,
    out: "",
    err: `roost: Cannot use --data ${dir.path}: process ${server.pid} is using it. ` +
      "Stop that one first, or give another directory.\n",
  });
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  await server.kill();
  const third = await ServerProcess.start({ dataDir: dir.path });
  assert.equal(await third.stop(), 0);
});

Deno.test("a port in use is refused with exit code 1 and the address", async () => {
  using dir = tempDir();
  using other = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const { host } = new URL(server.url);
  const { code, err } = await roost(["start", "--data", other.path, "--bind", host]);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^roost: Cannot listen on ${RegExp.escape(host)}: .*in use`));
  await server.stop();
});
