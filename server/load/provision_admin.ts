/** Provisioning over the admin API of a server on this machine: the fast way. */
import type { AdminTransport } from "../ops/transport.ts";
import type { Pool } from "./pool.ts";
import { loadWaitMs } from "./schedule.ts";
import { PROVISION_USERS_MAX, type Provisioned, type ProvisionInput } from "./provision.ts";
import type { Random, Timers } from "../node/ports.ts";

/** Users in one request: it has to be answered well within the admin client's refusalAllowance. */
const BATCH = { accounts: 500, contacts: 50, check: 1000, remove: 200 } as const;
/** Pairs of contacts in one request. */
const PAIRS_MAX = 1000;
/** Answers without any progress after which it is given up. */
const ATTEMPTS_MAX = 60;

/** Tells how far a step is: users done of all. */
export type Progress = (step: ProvisionInput["step"], done: number, of: number) => void;

/** Where and how. */
export interface AdminProvisioning {
  readonly admin: AdminTransport;
  readonly timers: Timers;
  readonly random: Random;
  readonly progress: Progress;
}

/** Creates the pool's accounts, tokens and contacts. Rejects where it cannot be done. */
export async function provisionByAdmin(options: AdminProvisioning, pool: Pool): Promise<void> {
  await step(options, pool, "accounts");
  if (pool.contacts + pool.absent === 0) return;
  await step(options, pool, "contacts");
  await step(options, pool, "check");
}

/** Removes the pool's accounts and frees their names. Rejects where it cannot be done. */
export async function removeByAdmin(options: AdminProvisioning, pool: Pool): Promise<void> {
  await step(options, pool, "remove");
}

async function step(
  options: AdminProvisioning,
  pool: Pool,
  name: ProvisionInput["step"],
): Promise<void> {
  const all = name === "accounts" || name === "remove" ? pool.users + pool.absent : pool.users;
  const size = batchSize(pool, name);
  for (let from = 0; from < all; from += size) {
    options.progress(name, from, all);
    await batch(options, pool, name, from, Math.min(all, from + size));
  }
  options.progress(name, all, all);
}

/** Those with many contacts come in smaller batches. */
function batchSize({ contacts, absent }: Pool, name: ProvisionInput["step"]): number {
  if (name !== "contacts") return Math.min(BATCH[name], PROVISION_USERS_MAX);
  return Math.max(1, Math.min(BATCH.contacts, Math.floor(PAIRS_MAX / (contacts / 2 + absent))));
}

async function batch(
  { admin, timers, random }: AdminProvisioning,
  pool: Pool,
  step: ProvisionInput["step"],
  from: number,
  to: number,
): Promise<void> {
  const { users, contacts, absent, secret, password, expiresAt } = pool;
  const body: ProvisionInput = {
    pool: pool.pool,
    users,
    contacts,
    absent,
    from,
    to,
    step,
    secret,
    password,
    expiresAt,
  };
  let done = -1;
  let why = "";
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const answer = await admin({ method: "POST", path: "/admin/provision", body });
    if (answer.status !== 200) throw new Error(`Cannot provision: ${describe(answer)}`);
    const provisioned = answer.body as Provisioned;
    if (provisioned.left === 0) return;
    if (provisioned.done > done) attempt = 0;
    done = Math.max(done, provisioned.done);
    if (fatal(provisioned)) throw new Error(`Cannot provision: ${provisioned.refusal?.message}`);
    why = provisioned.refusal?.message ?? "";
    const askedMs = provisioned.refusal?.retryAfterMs;
    const waitMs = loadWaitMs(attempt + 1, random.number(), askedMs);
    await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
  }
  const whose = `users ${from} to ${to - 1}`;
  throw new Error(`Cannot provision: ${whose} make no progress at "${step}": ${why}`);
}

/** Refusals that pass; a full account does where it was only changed much since its checkpoint. */
const TRANSIENT = new Set([
  "busy",
  "unavailable",
  "rate_limited",
  "conflict",
  "not_found",
  "limit_reached",
]);

function fatal({ refusal }: Provisioned): boolean {
  return refusal !== null && !TRANSIENT.has(refusal.code);
}

function describe({ status, body }: Awaited<ReturnType<AdminTransport>>): string {
  const { message } = (body ?? {}) as { readonly message?: string };
  const hint = status === 404 ? " (is the server older than this program?)" : "";
  return `${message ?? `the server answered ${status}`}${hint}`;
}
