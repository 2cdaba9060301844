/**
 * A pool of synthetic users, as it is kept in a file between runs. The file holds what signs them
 * in: it is written for its owner only.
 */
import { z } from "zod";
import type { Random } from "../node/ports.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import { ABSENT_MAX, makeRing, poolFault, poolName, type Ring } from "./ring.ts";
import { poolToken } from "./provision.ts";

/** How long tokens of a new pool are valid (ms). */
const TOKEN_MS = 90 * 86_400_000;
/** A pool with less time left is made anew (ms): a dark launch goes on for weeks. */
const LEFT_MS_MIN = 30 * 86_400_000;
const SECRET_BYTES = 32;

const POOL_SCHEMA = z.object({
  v: z.literal(1),
  /** The server's URL. */
  url: z.string(),
  pool: z.string(),
  users: z.int(),
  contacts: z.int(),
  /** Contacts of each besides, who never come: accounts that all users share. */
  absent: z.int().min(0).max(ABSENT_MAX).default(0),
  /** admin: tokens follow from the secret. public: each was registered and got its own. */
  via: z.enum(["admin", "public"]),
  secret: z.string(),
  password: z.string().nullable(),
  tokens: z.array(z.string()).nullable(),
  /** When the tokens end (ms since 1970). */
  expiresAt: z.int(),
  /** Whether all users and contacts exist; false: provisioning has not been finished. */
  complete: z.boolean(),
});

/** A pool. */
export type Pool = Readonly<z.output<typeof POOL_SCHEMA>>;

/** What is wanted of a pool. */
export interface PoolWish {
  readonly url: string;
  readonly pool: string;
  readonly users: number;
  readonly contacts: number;
  readonly absent: number;
  readonly via: "admin" | "public";
  /** Whether the users need a password. */
  readonly password: boolean;
}

/** A new pool that fits the wish, not provisioned yet. */
export function newPool(wish: PoolWish, random: Random, nowMs: number): Pool {
  const secret = () => encodeBase64Url(random.bytes(SECRET_BYTES));
  return {
    v: 1,
    ...wish,
    secret: secret(),
    password: wish.password || wish.via === "public" ? secret() : null,
    tokens: null,
    expiresAt: nowMs + TOKEN_MS,
    complete: false,
  };
}

/** Reads a pool's file, or says what is wrong with it. */
export function parsePool(text: string): Pool | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  const parsed = POOL_SCHEMA.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `${issue?.path.join(".") || "its content"}: ${issue?.message}`;
  }
  const pool = parsed.data;
  const ring = makeRing(pool.users, pool.contacts);
  if (typeof ring === "string") return ring;
  return poolFault(pool.pool) ?? pool;
}

/** Why a pool cannot serve a wish, or null: then its first users can, if it has more. */
export function poolMismatch(pool: Pool, wish: PoolWish, nowMs: number): string | null {
  if (pool.url !== wish.url) return `it is for ${pool.url}`;
  if (pool.pool !== wish.pool) return `it holds the pool ${pool.pool}`;
  if (pool.users !== wish.users || pool.contacts !== wish.contacts) {
    return `it has ${pool.users} users with ${pool.contacts} contacts each`;
  }
  if (pool.absent !== wish.absent) return `it has ${pool.absent} contacts who never come`;
  if (pool.via !== wish.via) return `its users were made over the ${pool.via} API`;
  if (wish.password && pool.password === null) return "its users have no password";
  if (pool.expiresAt <= nowMs + LEFT_MS_MIN) return "its tokens are about to expire";
  return null;
}

/** The ring of a pool, which `parsePool` and `newPool` have checked. */
export function poolRing({ users, contacts }: Pick<Pool, "users" | "contacts">): Ring {
  const ring = makeRing(users, contacts);
  if (typeof ring === "string") throw new Error(`Cannot use the pool: ${ring}`);
  return ring;
}

/** Makes the function that gives a user's token. */
export function tokensOf({ pool, secret, tokens }: Pool): (user: number) => string {
  return (user) => tokens?.[user] ?? poolToken(secret, poolName(pool, user));
}
