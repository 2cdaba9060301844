/** The backend API of real servers, with the documented backend and page as they are written. */
import assert from "node:assert/strict";
import {
  Backend,
  befriended,
  crowd,
  type Json,
  NONE,
  type Results,
  serviceToken,
} from "./backend.ts";
import { blocksOf } from "./document.ts";
import { Client, Refused, rest } from "./client.ts";
import { findChromium, startBrowser } from "../prove/browser.ts";
import { freePort } from "./pinned.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { TwoCells } from "./two_cells.ts";
import { until } from "./until.ts";

Deno.test("13: a token of the backend signs in over every transport, until it is taken away", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  try {
    const backend = new Backend(() => server.url, await serviceToken(dir.path));
    await backend.whole("POST", "users", { users: ["ann", "bob"] });
    await backend.whole("POST", "pairs", { pairs: [{ users: ["ann", "bob"] }] });
    const ann = await backend.token("ann", "web");
    await befriended("contacts", server.url, ann, 1);
    const socket = await Client.connect(server.wsUrl, { auth: { token: ann } });
    assert.equal(socket.welcome["device"], "web");
    const bob = await backend.token("bob");
    const poll = await rest<{ session: string }>(server.url, "GET", "/v1/events", { token: bob });
    assert.equal(typeof poll.session, "string");
    const key = crypto.randomUUID();
    const message = { from: "bob", to: "ann", body: "Hi Ann" };
    const sent = await backend.call("POST", "messages", message, key);
    assert.deepEqual(await backend.call("POST", "messages", message, key), sent);
    const other = backend.call("POST", "messages", { ...message, body: "Hi" }, key);
    await assert.rejects(
      other,
      (error) => error instanceof Error && /conflict/.test(error.message),
    );
    const gone = new AbortController();
    const response = await fetch(`${server.url}/v1/events`, {
      headers: { authorization: `Bearer ${await backend.token("ann", "sse")}`, accept: EVENTS },
      signal: gone.signal,
    });
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes('"unread":1')) break;
    }
    gone.abort();
    assert.match(text, /^event: welcome/);
    const out = await backend.call("DELETE", "users/ann/devices");
    assert.equal(out["devices"], 2);
    await socket.closed;
    const refused = Client.connect(server.wsUrl, { auth: { token: ann } });
    await assert.rejects(refused, (error) => error instanceof Refused || error instanceof Error);
    assert.equal((await backend.call("DELETE", "users/ann"))["removed"], true);
    const closed = backend.token("ann");
    await assert.rejects(closed, /conflict/);
    await until("the record", () => {
      const lines = ["sign in", "send", "sign out", "remove"];
      return lines.every((action) => new RegExp(`service action.*${action}`).test(server.log));
    });
    assert.ok(!server.log.includes(ann), "no token is logged");
  } finally {
    await server.stop();
  }
});

const EVENTS = "text/event-stream";

Deno.test("13: a batch that a kill cuts off is whole once it is repeated", async () => {
  using dir = tempDir();
  const { users, pairs } = crowd(60);
  let server = await ServerProcess.start({ dataDir: dir.path });
  try {
    const backend = new Backend(() => server.url, await serviceToken(dir.path));
    await backend.whole("POST", "users", { users });
    const cut = backend.call<Results>("POST", "pairs", { pairs }).catch(() => NONE);
    await new Promise((done) => setTimeout(done, 15));
    await server.kill();
    await cut;
    server = await ServerProcess.start({ dataDir: dir.path });
    await backend.whole("POST", "pairs", { pairs });
    for (const [i, user] of users.entries()) {
      const count = i === 0 || i === users.length - 1 ? 1 : 2;
      await befriended(user, server.url, await backend.token(user, "web"), count);
    }
  } finally {
    await server.stop();
  }
});

/** The process of a worker that was started last. */
function pidOf(server: ServerProcess, worker: number): number {
  const started = [...server.log.matchAll(/worker started worker=(\d+) pid=(\d+)/g)];
  return Number(started.filter((found) => Number(found[1]) === worker).at(-1)![2]);
}

Deno.test("13: a worker that is killed in a batch costs a repetition, and nothing that was acknowledged", async () => {
  using dir = tempDir();
  const { users, pairs } = crowd(60);
  const flags = ["--workers", "2"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const backend = new Backend(() => server.url, await serviceToken(dir.path));
    // A worker that the command did not reach may not know the service yet.
    await until(
      "the service",
      () => backend.call("DELETE", "users/u0").then(() => true, () => false),
    );
    await backend.whole("POST", "users", { users });
    const sent = new Map<string, Json>();
    const send = async (i: number) => {
      const body = { from: "u0", to: "u1", body: `${i}` };
      await until(`message ${i}`, async () => {
        const reply = await backend.call("POST", "messages", body, `k${i}`).catch(() => null);
        if (reply !== null) sent.set(`k${i}`, reply);
        return reply !== null;
      });
    };
    const batch = backend.call<Results>("POST", "pairs", { pairs }).catch(() => NONE);
    await send(0);
    Deno.kill(pidOf(server, 2), "SIGKILL");
    await batch;
    for (let i = 1; i < 10; i++) await send(i);
    await backend.whole("POST", "pairs", { pairs });
    for (const [i, user] of users.entries()) {
      const count = i === 0 || i === users.length - 1 ? 1 : 2;
      let token = "";
      await until(`a token of ${user}`, async () => {
        token = await backend.token(user, "web").catch(() => "");
        return token !== "";
      });
      await befriended(user, server.url, token, count);
    }
    for (const [key, first] of sent) {
      const body = { from: "u0", to: "u1", body: key.slice(1) };
      const again = await backend.call("POST", "messages", body, key);
      assert.deepEqual([again["seq"], again["num"]], [first["seq"], first["num"]]);
    }
  } finally {
    await server.stop();
  }
});

/** Messages of a user are sent once each while the user moves from one cell to the other. */
async function moveEve({ a, b }: TwoCells, backend: Backend): Promise<void> {
  const body = { user: "eve", password: "correct horse battery" };
  await rest(b.url, "POST", "/v1/register", { body });
  await backend.whole("POST", "pairs", { pairs: [{ users: ["eve", "ann"] }] });
  const moved = roost(["cells", "move-user", "eve", "a", "--data", b.dataDir]);
  const bodies = Array.from({ length: 30 }, (_, i) => `${i}`);
  for (const body of bodies) {
    const message = { from: "eve", to: "ann", body };
    const sent = () => backend.call("POST", "messages", message, `eve-${body}`);
    await until(`message ${body}`, () => sent().then(() => true, () => false));
  }
  const { code, err } = await moved;
  assert.equal(code, 0, err);
  const token = await backend.token("eve");
  const history = async () => {
    const path = "/v1/conversations/ann/messages";
    const { events } = await rest<{ events: Json[] }>(a.url, "GET", path, { token });
    return events.map(({ body }) => body);
  };
  await until("her messages", async () => (await history().catch(() => [])).length >= 30);
  assert.deepEqual(await history(), bodies);
}

Deno.test("13: users of two cells are managed from one of them", async () => {
  using dir = tempDir();
  const cells = await TwoCells.start(dir.path, ["--registration", "open"]);
  const { a, b } = cells;
  try {
    const body = { user: "bob", password: "correct horse battery" };
    await rest(b.url, "POST", "/v1/register", { body });
    const backend = new Backend(() => a.url, await serviceToken(a.dataDir));
    const made = await backend.call<Results>("POST", "users", { users: ["ann", "bob"] });
    assert.deepEqual(made.results.map(({ created }) => created), [true, false]);
    const [ann, bob] = [await backend.token("ann", "web"), await backend.token("bob", "web")];
    await backend.whole("PUT", "users/bob/contacts", { contacts: [{ user: "ann", label: "Ann" }] });
    await befriended("bob's", b.url, bob, 1);
    await befriended("ann's", a.url, ann, 1);
    const seen: unknown[] = [];
    const at = await Client.connect(a.wsUrl, { auth: { token: ann } }, (event) => {
      if (event["user"] === "bob") seen.push(event["show"]);
    });
    const away = { auth: { token: bob }, presence: { show: "away" } };
    const bobs = await Client.connect(b.wsUrl, away);
    await until("bob's presence", () => seen.includes("away"));
    const message = { from: "bob", to: "ann", body: "Hello from the other cell" };
    const sent = await backend.call("POST", "messages", message, "m1");
    assert.deepEqual(await backend.call("POST", "messages", message, "m1"), sent);
    assert.match(b.log, /service action.*bob/);
    assert.equal((await backend.call("DELETE", "users/bob/devices/web"))["devices"], 1);
    await bobs.closed;
    await moveEve(cells, backend);
    // While its home is away nothing is known of Bob.
    await b.kill();
    await until("the cell is away", async () => {
      const error = await backend.token("bob").then(() => null, (e: Error) => e);
      assert.match(String(error), /unavailable/);
      return true;
    });
    await at.close();
  } finally {
    await a.stop();
    await b.stop();
  }
});

const chromium = findChromium();

Deno.test({
  name: "13: the documented backend and page show presence in Chromium, from another origin",
  ignore: chromium === null,
  fn: async () => {
    using dir = tempDir();
    using work = tempDir();
    const port = freePort();
    const origin = `http://127.0.0.1:${port}`;
    const flags = ["--set", `server.allowedOrigins=${origin}`];
    const server = await ServerProcess.start({ dataDir: dir.path, flags });
    const code = blocksOf("server/v1/README.md", "### A backend").find(({ info }) => info === "js");
    const [page] = blocksOf("server/web/README.md", "## Presence in a page");
    assert.ok(code !== undefined && page?.info === "html");
    assert.ok(code.text.trimEnd().split("\n").length <= 30, "thirty lines");
    const script = page.text.split("<script").at(-1)!.split("</script>")[0]!;
    assert.ok(script.trim().split("\n").length <= 11, "ten lines in their element");
    Deno.writeTextFileSync(`${work.path}/backend.mjs`, code.text);
    const here = page.text.replaceAll("http://127.0.0.1:8420", server.url);
    Deno.writeTextFileSync(`${work.path}/page.html`, here);
    const env = {
      ROOST: server.url,
      ROOST_TOKEN: await serviceToken(dir.path),
      PORT: String(port),
      NO_COLOR: "1",
    };
    const args = ["run", "-A", "--no-config", "--quiet", "backend.mjs"];
    const command = new Deno.Command(Deno.execPath(), { args, cwd: work.path, env });
    const backend = command.spawn();
    const browser = await startBrowser(chromium!);
    try {
      const isUp = () => fetch(origin).then((r) => r.body?.cancel(), () => null);
      await until("the backend", async () => await isUp() !== null);
      const open = async (user: string) => {
        const page = await (await browser.newContext()).newPage();
        page.on("pageerror", (error) => assert.fail(String(error)));
        await page.goto(`${origin}/?user=${user}`);
        return page;
      };
      const ann = await open("ann");
      const line = ann.locator("#people");
      await line.filter({ hasText: "bob is offline" }).waitFor();
      const bob = await open("bob");
      await line.filter({ hasText: "bob is online" }).waitFor();
      await bob.locator("#people").filter({ hasText: "ann is online" }).waitFor();
      await bob.close();
      await line.filter({ hasText: "bob is offline" }).waitFor({ timeout: 60_000 });
      assert.equal((await fetch(`${origin}/token?user=constructor`)).status, 403);
    } finally {
      await browser.close();
      backend.kill();
      await backend.status;
      await server.stop();
    }
  },
});
