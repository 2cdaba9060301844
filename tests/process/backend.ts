/** A backend of somebody's application, for tests with real servers. */
import assert from "node:assert/strict";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { until } from "./until.ts";

/** What a request returns. */
export type Json = Readonly<Record<string, unknown>>;
/** What a batch returns. */
export type Results = { readonly results: readonly Json[] };

const PREFIX = "/gateway/v1/backend";

/** The token of a new service; any node of its cell has `dataDir`. */
export async function serviceToken(dataDir: string, scope = "users.manage"): Promise<string> {
  const added = await roost(["service", "add", "app", "--scope", scope, "--data", dataDir]);
  assert.equal(added.code, 0, added.err);
  return added.out.trim();
}

/** A backend of somebody's application. */
export class Backend {
  readonly #url: () => string;
  readonly #token: string;

  constructor(url: () => string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  call<T = Json>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
    const more = { ...(body === undefined ? {} : { body }), ...(key === undefined ? {} : { key }) };
    return rest<T>(this.#url(), method, `${PREFIX}/${path}`, { token: this.#token, ...more });
  }

  async token(user: string, device?: string): Promise<string> {
    const body = { user, ...(device === undefined ? {} : { device }) };
    return String((await this.call("POST", "tokens", body))["token"]);
  }

  /** Repeats a batch until all of it is done. */
  async whole(method: string, path: string, body: unknown): Promise<void> {
    await until(`all of ${path}`, async () => {
      const { results } = await this.call<Results>(method, path, body).catch(() => NONE);
      return results.every(({ ok }) => ok === true);
    });
  }
}

/** What stands for the results of a batch that failed. */
export const NONE: Results = { results: [{ ok: false }] };

async function subscriptions(
  url: string,
  token: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { snapshot } = await rest<{ snapshot: { roster: Json[] } }>(url, "GET", "/v1/snapshot", {
    token,
  });
  return Object.fromEntries(snapshot.roster.map((item) => [item["contact"], item["subscription"]]));
}

/** Contacts of a user who is to have so many, once they see each other. */
export function befriended(what: string, url: string, token: string, count: number): Promise<void> {
  return until(what, async () => {
    const states = Object.values(await subscriptions(url, token));
    return states.length === count && states.every((state) => state === "both");
  });
}

/** Users by number, and every pair of neighbours. */
export function crowd(count: number) {
  const users = Array.from({ length: count }, (_, i) => `u${i}`);
  const pairs = users.slice(1).map((user, i) => ({ users: [users[i], user] }));
  return { users, pairs };
}
