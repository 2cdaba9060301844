/**
 * Golden data directories: what one is expected to hold, and what a server that runs on it says
 * that it does. See README.md.
 */
import { createHash } from "node:crypto";
import { delay } from "./delay.ts";
import type { Json, JsonObject } from "./placeholders.ts";
import { proveScram } from "./scram_proof.ts";
import { Client, rest } from "../process/client.ts";

/** The device that looks; it is in no list. */
const DEVICE = "golden-checker";
/** How long a server may take to deliver what it owes, ms. */
const OWED_MS = 20_000;

/** What stands beside a golden data directory. */
export interface Expected {
  /** When it was made, ms since 1970. */
  readonly madeAt: number;
  readonly domain: string;
  /** Passwords of the accounts that can sign in. */
  readonly passwords: Readonly<Record<string, string>>;
  /** Accounts with passwords that cannot sign in. */
  readonly shut: Readonly<Record<string, string>>;
  /** A token that is good, and one that was revoked. */
  readonly tokens: { readonly good: string; readonly revoked: string };
  readonly invites: { readonly unused: string; readonly used: string };
  /** A message that was sent long before the end: sender's request and its answer. */
  readonly sent: { readonly from: string; readonly request: JsonObject; readonly answer: Json };
  /** What was owed at the end: to whom, and the keys of the messages. */
  readonly owed: { readonly from: string; readonly to: string; readonly keys: readonly string[] };
  /** The salt that a name without an account seems to have. */
  readonly fakeSalt: { readonly name: string; readonly salt: string };
  /** What each account sees of itself. */
  readonly accounts: Readonly<Record<string, Json>>;
}

/** Signs in with a password; the token. */
export async function signIn(url: string, user: string, password: string): Promise<string> {
  const body = { user, password, device: DEVICE };
  const { token } = await rest<{ token: string }>(url, "POST", "/v1/auth/password", { body });
  return token;
}

/** Signs in by SCRAM; the token. Throws unless the server proves itself. */
export async function signInByScram(
  url: string,
  user: string,
  password: string,
  mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-1",
): Promise<string> {
  const first = `n,,n=${user},r=golden-client-nonce`;
  type Challenge = Readonly<Record<string, string>>;
  const challenge = await rest<Challenge>(url, "POST", "/v1/auth/scram", {
    body: { mechanism, message: first },
  });
  const proof = proveScram(mechanism, first, challenge["message"]!, password);
  const path = `/v1/auth/scram/${challenge["exchange"]}`;
  const body = { message: proof.message, device: DEVICE };
  const answer = await rest<Challenge>(url, "POST", path, { body });
  if (answer["scram"] !== `v=${proof.signature}`) throw new Error("the server proved nothing");
  return answer["token"]!;
}

/** The salt in a challenge for a name. */
export async function saltOf(url: string, name: string): Promise<string> {
  const message = `n,,n=${name},r=golden-client-nonce`;
  const body = { mechanism: "SCRAM-SHA-256", message };
  const answer = await rest<{ message: string }>(url, "POST", "/v1/auth/scram", { body });
  return /,s=([^,]+),/.exec(answer.message)![1]!;
}

/** Long bodies are shown by their hash. */
function shortened(event: JsonObject): JsonObject {
  const { body } = event;
  if (typeof body !== "string" || body.length < 100) return event;
  return { ...event, body: `sha256 ${createHash("sha256").update(body).digest("hex")}` };
}

/** Every event of a mailbox. */
async function mailbox(url: string, token: string, box: string): Promise<Json[]> {
  const wsUrl = `${url.replace(/^http/, "ws")}/v1/ws`;
  const client = await Client.connect(wsUrl, { auth: { token }, presence: null });
  const events: Json[] = [];
  for (let after = 0;;) {
    const asked = { after: `${box}:${after}`, limit: 20 };
    const page = await client.command<{ events: JsonObject[] }>("events", asked);
    if (page.events.length === 0) break;
    events.push(...page.events.map(shortened));
    after = Number(page.events.at(-1)!["seq"]);
  }
  await client.command("bye");
  return events;
}

/** What an account sees of itself: snapshot, all events, devices but the one that looks. */
export async function describe(url: string, token: string): Promise<Json> {
  const { cursor, snapshot } = await rest<{ cursor: string; snapshot: Json }>(
    url,
    "GET",
    "/v1/snapshot",
    { token },
  );
  const events = await mailbox(url, token, cursor.split(":")[0]!);
  const devices = await rest<readonly JsonObject[]>(url, "GET", "/v1/devices", { token });
  const others = devices.filter((device) => device["device"] !== DEVICE);
  return { cursor, snapshot, events, devices: others };
}

/** Waits until what was owed exists. */
export async function untilDelivered(url: string, expected: Expected): Promise<void> {
  const { from, to, keys } = expected.owed;
  const token = await signIn(url, to, expected.passwords[to]!);
  const untilMs = performance.now() + OWED_MS;
  const path = `/v1/conversations/${from}/messages`;
  for (;;) {
    const { events } = await rest<{ events: { id: string }[] }>(url, "GET", path, { token });
    const got = events.map((event) => event.id);
    if (got.join() === keys.join()) return;
    if (performance.now() > untilMs) {
      throw new Error(
        `${to} was owed ${keys.join()} by ${from} and got ${got.join() || "nothing"}`,
      );
    }
    await delay(50);
  }
}

/** What all accounts that can sign in see. */
export async function describeAll(url: string, expected: Pick<Expected, "passwords">) {
  const accounts: Record<string, Json> = {};
  for (const [user, password] of Object.entries(expected.passwords)) {
    accounts[user] = await describe(url, await signIn(url, user, password));
  }
  return accounts;
}
