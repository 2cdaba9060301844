/** How long refusals of tokens take: by the state of the account that a token names, and by transport. */
import assert from "node:assert/strict";
import { areaUnderCurve } from "./area_under_curve.ts";
import { Client, rest } from "../process/client.ts";
import { DEVICE, poolName } from "../../server/load/ring.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import { join } from "node:path";
import { poolToken } from "../../server/load/provision.ts";
import { register } from "../process/pulse.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { socketTransport } from "../../server/ops/socket.ts";

/** Accounts of each kind that are not in memory. */
const EACH = 150;
/** Attempts at the account that is online, for each of those. */
const ONLINE_EACH = 3;
/** Places between those of a round that follow each other: prime to its length, 8 or 5. */
const STRIDE = 3;
const DAY_MS = 86_400_000;
/** How long the tokens are valid, and when they are refused. */
const VALID_MS = 90 * DAY_MS;
const LATER_MS = 100 * DAY_MS;
/** Nobody who is asked for stays in memory until asked for again. */
const SETTINGS = [
  "storage.cacheIdleMs=1000",
  "limits.requestsPerAddressPerSecond=1000",
  "limits.requestsPerAddressBurst=100000",
  "limits.connectionsPerAddressMax=1000",
  "auth.addressFailuresBurst=100000",
  "registration.perAddressPerHour=100000",
  "registration.perAddressBurst=100000",
];
const FLAGS = ["--registration", "open", ...SETTINGS.flatMap((s) => ["--set", s])];

const textEncoder = new TextEncoder();

/** A token as this server makes them, that none has. */
function wrongToken(user: string): string {
  const name = encodeBase64Url(textEncoder.encode(user));
  return `rt1_${name}_${encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))}`;
}

async function httpMs(server: ServerProcess, token: string): Promise<number> {
  const began = performance.now();
  const response = await fetch(`${server.url}/v1/devices`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  const tookMs = performance.now() - began;
  assert.equal(response.status, 401, text);
  return tookMs;
}

/** From the hello of a device that attaches to the refusal. */
function attachMs(server: ServerProcess, token: string): Promise<number> {
  const socket = new WebSocket(server.wsUrl);
  let began = 0;
  return new Promise((resolve, reject) => {
    socket.onopen = () => {
      began = performance.now();
      socket.send(JSON.stringify({ t: "hello", v: 1, auth: { token }, device: "phone" }));
    };
    socket.onmessage = ({ data }) => {
      const tookMs = performance.now() - began;
      // The reason for the end follows.
      socket.onmessage = null;
      socket.onclose = () => resolve(tookMs);
      if (JSON.parse(data).code !== "unauthorized") reject(new Error(data));
    };
    socket.onclose = () => reject(new Error("the connection ended without a refusal"));
  });
}

function print(line: string): void {
  Deno.stdout.writeSync(textEncoder.encode(`${line}\n`));
}

/** Makes accounts without passwords, whose keys would take most of the test's time. */
async function makeAccounts(dataDir: string, pool: string): Promise<string[]> {
  const secret = "s".repeat(32);
  const users = { pool, users: EACH, contacts: 2, from: 0, to: EACH, password: null };
  const expiresAt = Date.now() + VALID_MS;
  const { status, body } = await socketTransport(join(dataDir, "admin.sock"), "tests")({
    method: "POST",
    path: "/admin/provision",
    body: { ...users, step: "accounts", secret, expiresAt },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal((body as { done: number }).done, EACH);
  return Array.from({ length: EACH }, (_, i) => poolToken(secret, poolName(pool, i)));
}

/** Tokens of accounts that nobody uses, one each: some were revoked, the others expire. */
async function makeTokens(dataDir: string): Promise<{ revoked: string[]; expired: string[] }> {
  const server = await ServerProcess.start({ dataDir, flags: FLAGS });
  for (const user of ["ann", "iva"]) await register(server.url, user);
  const revoked = await makeAccounts(dataDir, "revoked");
  const expired = await makeAccounts(dataDir, "expired");
  await makeAccounts(dataDir, "offline");
  for (const token of revoked) await rest(server.url, "DELETE", `/v1/devices/${DEVICE}`, { token });
  await server.stop();
  return { revoked, expired };
}

Deno.test("10.8: the time of a token's refusal does not tell whether its user is online", async () => {
  using dir = tempDir();
  const { revoked, expired } = await makeTokens(dir.path);
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: FLAGS,
    clockShiftMs: LATER_MS,
  });
  const signIn = (user: string, more = {}) =>
    Client.connect(server.wsUrl, { auth: { user, password: `password of ${user}` }, ...more });
  const ann = await signIn("ann");
  const iva = await signIn("iva", { presence: { invisible: true } });
  const kinds: Readonly<Record<string, (i: number) => string>> = {
    invisible: () => wrongToken("iva"),
    offline: (i) => wrongToken(poolName("offline", i)),
    "no account": (i) => wrongToken(poolName("nobody", i)),
    "offline, revoked": (i) => revoked[i]!,
    "offline, expired": (i) => expired[i]!,
  };
  // A socket takes longer than a request, and both refuse in the same place.
  const ofSockets = ["invisible", "offline, revoked"];
  const seen: string[] = [];
  for (const [way, measure] of Object.entries({ HTTP: httpMs, WebSocket: attachMs })) {
    for (let i = 0; i < 30; i++) await measure(server, wrongToken(i % 2 === 0 ? "ann" : "warm"));
    const measured = Object.keys(kinds).filter((k) => measure === httpMs || ofSockets.includes(k));
    const took = new Map(["online", ...measured].map((kind): [string, number[]] => [kind, []]));
    const round = [...Array<string>(ONLINE_EACH).fill("online"), ...measured];
    for (let i = 0; i < EACH; i++) {
      // Each kind is in each place of a round equally often.
      for (let n = 0; n < round.length; n++) {
        const kind = round[(n * STRIDE + i) % round.length]!;
        const token = kind === "online" ? wrongToken("ann") : kinds[kind]!(i);
        took.get(kind)!.push(await measure(server, token));
      }
    }
    for (const kind of measured) {
      const area = areaUnderCurve(took.get("online")!, took.get(kind)!);
      seen.push(`${way}: online or ${kind}: ${area.toFixed(2)}`);
      print(seen.at(-1)!);
      assert.ok(area > 0.4 && area < 0.6, `the best area is 0.5:\n${seen.join("\n")}`);
    }
  }
  for (const client of [ann, iva]) await client.close();
  await server.stop();
});
