/**
 * The server's side of provisioning: creates synthetic accounts with tokens and mutual contacts in
 * bulk, or removes them. An admin route, for it needs no passwords; a client of the admin API
 * may do everything anyway. Every call is idempotent: what is refused for a while is simply asked
 * for again.
 */
import { z } from "zod";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Credentials, OpName, Ops } from "../../shard/ops.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import { fail, type Failure, type Result } from "../../shard/errors.ts";
import type { Router } from "../node/router.ts";
import { ABSENT_MAX, contactAt, DEVICE, makeRing, poolFault, poolName, type Ring } from "./ring.ts";
import { hashToken } from "../auth/token.ts";
import { sha256 } from "../auth/hash.ts";

/** Users in one call. */
export const PROVISION_USERS_MAX = 1000;
/** Operations under way at a time: enough for full commits, few enough for others' sake. */
const IN_FLIGHT_MAX = 256;

/**
 * What a call asks for, about the users `from … to − 1` of a pool. Accounts of those who never come
 * follow those who do: `users … users + absent − 1`.
 */
export const PROVISION_SCHEMA = z.strictObject({
  pool: z.string(),
  users: z.int(),
  contacts: z.int(),
  absent: z.int().min(0).max(ABSENT_MAX).default(0),
  from: z.int().min(0),
  to: z.int().min(0),
  /**
   * accounts: create them, and give each the token that follows from `secret`.
   * contacts: make them contacts of those after them in the ring and of the absent, mutually.
   * check: count those that lack contacts yet.
   * remove: delete them and free their names.
   */
  step: z.enum(["accounts", "contacts", "check", "remove"]),
  secret: z.string().min(32).max(128),
  /** One password for all of them; null for none. */
  password: z.string().min(1).max(1024).nullable(),
  /** When the tokens end (ms since 1970). */
  expiresAt: z.int().min(0),
});

/** A checked call. */
export type ProvisionInput = z.output<typeof PROVISION_SCHEMA>;

/** What a call has done. */
export interface Provisioned {
  /** Users (step contacts: pairs) that are as asked for. */
  readonly done: number;
  /** Those that are not yet: ask again, after the refusal's `retryAfterMs`. */
  readonly left: number;
  /** The first refusal. */
  readonly refusal: Failure | null;
}

/** What it needs of a node. */
export interface ProvisionDeps {
  readonly router: Pick<Router, "request">;
  /** Makes the keys of a password. */
  credentials(password: string, done: (result: Result<Credentials>) => void): void;
}

/** The token of a pool's user: it follows from the pool's secret, so that none need be kept. */
export function poolToken(secret: string, name: string): string {
  const utf8 = new TextEncoder();
  const random = encodeBase64Url(sha256(utf8.encode(`${secret}/${name}`)));
  return `rt1_${encodeBase64Url(utf8.encode(name))}_${random}`;
}

/** Does one step for a range of users. Never rejects. */
export async function provision(
  deps: ProvisionDeps,
  input: ProvisionInput,
): Promise<Result<Provisioned>> {
  const ring = makeRing(input.users, input.contacts);
  if (typeof ring === "string") return fail("bad_request", `Cannot provision: ${ring}`);
  const fault = poolFault(input.pool);
  if (fault !== null) return fail("bad_request", `Cannot provision: ${fault}`);
  const { from, to, step, absent } = input;
  const all = step === "accounts" || step === "remove" ? ring.users + absent : ring.users;
  if (to > all || from >= to || to - from > PROVISION_USERS_MAX) {
    const message = `from ${from} to ${to} must be 1 to ${PROVISION_USERS_MAX} of the users`;
    return fail("bad_request", `Cannot provision: ${message}`);
  }
  const work = new Provisioning(deps, input, ring);
  return { ok: true, value: await work.run() };
}

/** A unit of work: a user or a pair. null: done; else why not. */
type Task = () => Promise<Failure | null>;

class Provisioning {
  readonly #deps: ProvisionDeps;
  readonly #input: ProvisionInput;
  readonly #ring: Ring;

  constructor(deps: ProvisionDeps, input: ProvisionInput, ring: Ring) {
    this.#deps = deps;
    this.#input = input;
    this.#ring = ring;
  }

  async run(): Promise<Provisioned> {
    const { step, from, to, password } = this.#input;
    const users = Array.from({ length: to - from }, (_, i) => from + i);
    switch (step) {
      case "accounts": {
        const credentials = password === null ? null : await this.#credentials(password);
        if (credentials !== null && !credentials.ok) return none(users.length, credentials);
        const keys = credentials?.value ?? null;
        return await runAll(users.map((i) => () => this.#account(this.#name(i), keys)));
      }
      case "contacts":
        return await runAll(users.flatMap((i) => this.#pairs(i)));
      case "check":
        return await runAll(users.map((i) => () => this.#check(i)));
      case "remove":
        return await runAll(users.map((i) => () => this.#remove(this.#name(i))));
    }
  }

  #name(user: number): AccountName {
    return poolName(this.#input.pool, user) as AccountName;
  }

  #credentials(password: string): Promise<Result<Credentials>> {
    return new Promise((resolve) => this.#deps.credentials(password, resolve));
  }

  #ask<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
  ): Promise<Result<Ops[K]["out"]>> {
    return new Promise((resolve) => this.#deps.router.request(name, op, input, resolve));
  }

  async #account(name: AccountName, credentials: Credentials | null): Promise<Failure | null> {
    let created = await this.#ask(name, "account.create", { credentials });
    if (!created.ok && created.code === "conflict") {
      // It exists, which is well, or was removed and its name is still closed.
      const released = await this.#ask(name, "account.release", {});
      if (released.ok) created = await this.#ask(name, "account.create", { credentials });
    }
    if (!created.ok && created.code !== "conflict") return created;
    if (!created.ok && credentials !== null) {
      const device = DEVICE as DeviceId;
      const set = { credentials, keepDevice: device, proof: null };
      const changed = await this.#ask(name, "account.setCredentials", set);
      if (!changed.ok) return changed;
    }
    const { secret, expiresAt } = this.#input;
    const added = await this.#ask(name, "device.add", {
      device: DEVICE as DeviceId,
      label: "roost load",
      tokenHash: hashToken(poolToken(secret, name)),
      expiresAt,
      proof: null,
      exempt: true,
    });
    return added.ok ? null : added;
  }

  /**
   * The pairs of a user with those after it, so that every pair of the ring comes up once, and with
   * the absent.
   */
  #pairs(user: number): readonly Task[] {
    const half = this.#ring.contacts / 2;
    const a = this.#name(user);
    return Array.from({ length: half + this.#input.absent }, (_, slot) => {
      const other = slot < half
        ? contactAt(this.#ring, user, slot)
        : this.#ring.users + slot - half;
      return () => this.#befriend(a, this.#name(other));
    });
  }

  /** Both allow the other beforehand, then both ask: each request is granted on arrival. */
  async #befriend(a: AccountName, b: AccountName): Promise<Failure | null> {
    for (const type of ["subscribed", "subscribe"] as const) {
      const results = await Promise.all([
        this.#ask(a, "roster.subscription", { contact: b, type }),
        this.#ask(b, "roster.subscription", { contact: a, type }),
      ]);
      for (const result of results) if (!result.ok) return result;
    }
    return null;
  }

  async #check(user: number): Promise<Failure | null> {
    const read = await this.#ask(this.#name(user), "mailbox.snapshot", {});
    if (!read.ok) return read;
    const mutual = read.value.snapshot.roster.filter((item) => item.subscription === "both").length;
    const contacts = this.#ring.contacts + this.#input.absent;
    if (mutual >= contacts) return null;
    return fail("conflict", `${this.#name(user)} has ${mutual} of ${contacts} contacts`, 200);
  }

  async #remove(name: AccountName): Promise<Failure | null> {
    const removed = await this.#ask(name, "account.remove", {});
    const gone = removed.ok || removed.code === "not_found" || removed.code === "conflict";
    if (!gone) return removed;
    const released = await this.#ask(name, "account.release", {});
    if (released.ok || released.code === "not_found" || released.code === "conflict") return null;
    return released;
  }
}

function none(left: number, refusal: Failure): Provisioned {
  return { done: 0, left, refusal };
}

/** Runs tasks, `IN_FLIGHT_MAX` at a time. A busy node is left alone after the first refusal. */
async function runAll(tasks: readonly Task[]): Promise<Provisioned> {
  let next = 0;
  let done = 0;
  let refusal: Failure | null = null;
  const lane = async () => {
    while (next < tasks.length && !isOverload(refusal)) {
      const failure = await tasks[next++]!();
      if (failure === null) done++;
      else refusal ??= failure;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, lane));
  return { done, left: tasks.length - done, refusal };
}

function isOverload(refusal: Failure | null): boolean {
  return refusal !== null && (refusal.code === "busy" || refusal.code === "unavailable");
}
