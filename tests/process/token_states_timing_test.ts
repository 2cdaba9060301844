/** How long refusals of tokens take: by the state of the account that a token names, and by transport. */
import assert from "node:assert/strict";
import { areaUnderCurve } from "./area_under_curve.ts";
import { Client, rest } from "./client.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import { register } from "./pulse.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Accounts of each kind that are not in memory. */
const EACH = 150;
/** Attempts at the account that is online, for each of those. */
const ONLINE_EACH = 3;
const DAY_MS = 86_400_000;
/** A token is good for 90 days. */
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

/** Tokens of accounts that nobody uses: of each account one that was revoked, or one that expires. */
async function makeTokens(dataDir: string): Promise<{ revoked: string[]; expired: string[] }> {
  const server = await ServerProcess.start({ dataDir, flags: FLAGS });
  for (const user of ["ann", "iva"]) await register(server.url, user);
  const revoked: string[] = [];
  const expired: string[] = [];
  for (let i = 0; i < EACH; i += 10) {
    await Promise.all(Array.from({ length: 10 }, async (_, j) => {
      const token = await register(server.url, `r${i + j}`);
      await rest(server.url, "DELETE", "/v1/devices/phone", { token });
      revoked.push(token);
      expired.push(await register(server.url, `e${i + j}`));
    }));
  }
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
    offline: (i) => wrongToken(`r${i}`),
    "no account": (i) => wrongToken(`x${i}`),
    "offline, revoked": (i) => revoked[i]!,
    "offline, expired": (i) => expired[i]!,
  };
  // A socket takes longer than a request, and both refuse in the same place.
  const ofSockets = ["invisible", "offline, revoked"];
  const seen: string[] = [];
  for (const [way, measure] of Object.entries({ HTTP: httpMs, WebSocket: attachMs })) {
    for (let i = 0; i < 30; i++) await measure(server, wrongToken(i % 2 === 0 ? "ann" : "warm"));
    for (const [kind, tokenOf] of Object.entries(kinds)) {
      if (measure === attachMs && !ofSockets.includes(kind)) continue;
      const online: number[] = [];
      const other: number[] = [];
      for (let i = 0; i < EACH; i++) {
        for (let n = 0; n <= ONLINE_EACH; n++) {
          if (n === i % (ONLINE_EACH + 1)) other.push(await measure(server, tokenOf(i)));
          else online.push(await measure(server, wrongToken("ann")));
        }
      }
      const area = areaUnderCurve(online, other);
      seen.push(`${way}: online or ${kind}: ${area.toFixed(2)}`);
      print(seen.at(-1)!);
      assert.ok(area > 0.4 && area < 0.6, `the best area is 0.5:\n${seen.join("\n")}`);
    }
  }
  for (const client of [ann, iva]) await client.close();
  await server.stop();
});
