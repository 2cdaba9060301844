/**
 * Provisioning over the public API: registers every user with a password and makes contacts as
 * clients would. Slow (the server hashes a password for each), but works on any server that lets
 * users register, without access to its machine.
 */
import type { Pool } from "./pool.ts";
import type { Progress } from "./provision_admin.ts";
import type { Target } from "./target.ts";
import type { Random, Timers } from "../node/ports.ts";
import { contactAt, DEVICE, poolName } from "./ring.ts";
import type { HttpConnection, HttpRequest, Network } from "./network.ts";
import { poolRing } from "./pool.ts";
import { refusalOf } from "./channel.ts";
import { loadWaitMs } from "./schedule.ts";

/** Requests under way: as many as the server hashes passwords for at once, and a few that wait. */
const LANES = 6;
/** Attempts of one request, each after the wait that the server asks for. */
const ATTEMPTS_MAX = 200;

/** Where and how. */
export interface PublicProvisioning {
  readonly target: Target;
  readonly network: Network;
  readonly timers: Timers;
  readonly random: Random;
  readonly progress: Progress;
  /** The address a user connects from, null as the system chooses. */
  readonly from: (user: string) => string | null;
}

/** Registers the pool's users and makes their contacts; returns the pool with their tokens. */
export async function provisionByPublic(options: PublicProvisioning, pool: Pool): Promise<Pool> {
  const tokens: string[] = Array.from({ length: pool.users });
  await inLanes(pool.users, async (user) => {
    tokens[user] = await register(options, pool, user);
    options.progress("accounts", user + 1, pool.users);
  });
  const ring = poolRing(pool);
  for (const type of ["subscribed", "subscribe"] as const) {
    await inLanes(pool.users, async (user) => {
      const connection = connect(options, pool, user);
      for (let slot = 0; slot < ring.contacts; slot++) {
        const contact = poolName(pool.pool, contactAt(ring, user, slot));
        await insist(options, connection, {
          method: "POST",
          path: `/v1/contacts/${contact}/subscription`,
          headers: { authorization: `Bearer ${tokens[user]}` },
          body: JSON.stringify({ type }),
        });
      }
      connection.drop();
      const done = (type === "subscribe" ? pool.users : 0) + user + 1;
      options.progress("contacts", done >> 1, pool.users);
    });
  }
  return { ...pool, tokens };
}

function connect(options: PublicProvisioning, { pool }: Pool, user: number): HttpConnection {
  const { target, network, from } = options;
  return network.http(target, from(poolName(pool, user)));
}

async function register(
  options: PublicProvisioning,
  pool: Pool,
  user: number,
): Promise<string> {
  const connection = connect(options, pool, user);
  const name = poolName(pool.pool, user);
  const body = JSON.stringify({
    user: name,
    password: pool.password,
    device: DEVICE,
    label: "roost load",
  });
  const request = { method: "POST", headers: {}, body } as const;
  try {
    let answer = await insist(options, connection, { ...request, path: "/v1/register" });
    if (answer["code"] === "conflict") {
      // Registered by an earlier attempt, with the same password.
      answer = await insist(options, connection, { ...request, path: "/v1/auth/password" });
    }
    if (typeof answer["token"] === "string") return answer["token"];
    throw new Error(`Cannot register ${name}: ${answer["message"] ?? "no token was given"}`);
  } finally {
    connection.drop();
  }
}

/** Asks until there is an answer that is not "later". Rejects on refusals but `conflict`. */
async function insist(
  { timers, random }: PublicProvisioning,
  connection: HttpConnection,
  request: HttpRequest,
): Promise<Readonly<Record<string, unknown>>> {
  let why = "";
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const result = await new Promise<Parameters<Parameters<HttpConnection["ask"]>[1]>[0]>(
      (resolve) => connection.ask(request, resolve),
    );
    let askedMs: number | null = null;
    if (!result.ok) why = result.why;
    else {
      const { status, body } = result.response;
      const text = new TextDecoder().decode(body);
      const fields = text === "" ? {} : JSON.parse(text);
      if (status < 300) return fields;
      const refusal = refusalOf(fields);
      if (refusal.code === "conflict") return fields;
      const later = ["busy", "unavailable", "rate_limited"].includes(refusal.code);
      if (!later) throw new Error(`Cannot provision: ${refusal.code}: ${refusal.message}`);
      why = refusal.message;
      askedMs = refusal.retryAfterMs;
    }
    const waitMs = loadWaitMs(attempt + 1, random.number(), askedMs);
    await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
  }
  throw new Error(`Cannot provision: ${why}`);
}

async function inLanes(count: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
