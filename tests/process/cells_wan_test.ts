/** Messages between cells that are real servers, over a network that is slow and gets cut. */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { freePort, WanProxy } from "./wan_proxy.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

const TRIP_MS = 80;
/** What a busy machine may add to a trip (ms); a quiet one adds some 10. */
const SLACK_MS = 400;
const SILENT_MS = 2000;

interface Message {
  readonly body: string;
  readonly atMs: number;
}

/** A cell with its WAN in front of it. */
interface Far {
  readonly server: ServerProcess;
  readonly proxy: WanProxy;
}

async function startFar(dir: string, name: string, join: string | null): Promise<Far> {
  const port = freePort();
  const proxy = await WanProxy.open(port, TRIP_MS);
  const flags = [
    ...["--cells-name", name, "--cells-listen", `127.0.0.1:${port}`],
    ...["--set", `cells.advertise=${proxy.address}`, "--set", `cells.silentMs=${SILENT_MS}`],
    ...["--cells-secret-file", `${dir}/secret`],
    ...(join === null ? [] : ["--cells-join", join]),
  ];
  return { proxy, server: await ServerProcess.start({ dataDir: `${dir}/${name}`, flags }) };
}

/** Registers a user, once the members have decided on the name, and connects. */
async function connect(server: ServerProcess, user: string, got: Message[]): Promise<Client> {
  const body = { user, password: "correct horse battery" };
  let token = "";
  await until(`an account for ${user}`, async () => {
    const made = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body })
      .catch(() => null);
    token = made?.token ?? "";
    return made !== null;
  });
  await rest(server.url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  return await Client.connect(server.wsUrl, { auth: { token } }, (event) => {
    if (event.k === "message" && event["out"] !== true) {
      got.push({ body: String(event["body"]), atMs: performance.now() });
    }
  });
}

/** Makes the two contacts of each other: strangers' cells are asked before each message. */
async function befriend(alice: Client, bob: Client): Promise<void> {
  await alice.command("subscription", { contact: "bob", type: "subscribe" });
  await bob.command("subscription", { contact: "alice", type: "subscribe" });
  for (const [one, contact] of [[alice, "bob"], [bob, "alice"]] as const) {
    await one.command("subscription", { contact, type: "subscribed" });
  }
}

async function linkState({ server }: Far): Promise<string> {
  const { out } = await roost(["cells", "--data", server.dataDir]);
  return /^[ab] +(linked|unlinked)/m.exec(out)?.[1] ?? "";
}

Deno.test("12: messages cross a WAN in one trip, and a silent cut loses, doubles and reorders nothing", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(`${dir.path}/secret`, "a secret of cells that only this test knows\n");
  const a = await startFar(dir.path, "a", null);
  const b = await startFar(dir.path, "b", a.proxy.address);
  try {
    const [atAlice, atBob]: [Message[], Message[]] = [[], []];
    // The second cell joins before the first one has names.
    await until("two members", async () => {
      const { out } = await roost(["cells", "--json", "--data", a.server.dataDir]);
      return JSON.parse(out).members.version === 2;
    });
    const alice = await connect(a.server, "alice", atAlice);
    const bob = await connect(b.server, "bob", atBob);
    let sent = 0;
    const send = (from: Client, to: string) => {
      const body = `${to}-${sent++}`;
      return from.command("send", { to, key: body, body });
    };
    await befriend(alice, bob);
    await send(alice, "bob");
    await send(bob, "alice");
    await until("the first messages", () => atBob.length === 1 && atAlice.length === 1);
    const trips: number[] = [];
    for (let i = 0; i < 10; i++) {
      const sentMs = performance.now();
      await send(alice, "bob");
      await until("a message", () => atBob.length === i + 2);
      trips.push(atBob[i + 1]!.atMs - sentMs);
    }
    trips.sort((x, y) => x - y);
    const median = trips[5]!;
    assert.ok(median >= TRIP_MS && median < TRIP_MS + SLACK_MS, `${median} ms`);
    for (const { proxy } of [a, b]) proxy.cut();
    for (let i = 0; i < 20; i++) {
      await send(alice, "bob");
      await send(bob, "alice");
    }
    await until("the end of the link", async () => await linkState(a) === "unlinked");
    assert.deepEqual([atAlice.length, atBob.length], [1, 11]);
    for (const { proxy } of [a, b]) {
      proxy.heal();
      proxy.break();
    }
    await until("what was sent in the cut", () => atAlice.length >= 21 && atBob.length >= 31);
    const order = (got: readonly Message[]) => got.map(({ body }) => Number(body.split("-")[1]));
    for (const got of [order(atAlice), order(atBob)]) {
      assert.deepEqual(got, [...new Set(got)].sort((x, y) => x - y));
    }
    await Promise.all([alice.close(), bob.close()]);
  } finally {
    await Promise.all([a.server.stop(), b.server.stop()]);
    for (const { proxy } of [a, b]) proxy.close();
  }
});
