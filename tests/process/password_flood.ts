/** What others notice of a flood of sign-ins by password. */
import type { FloodOrder, FloodReport } from "./password_flood_worker.ts";
import { postFrom } from "./post_from.ts";
import { Latencies } from "./pulse.ts";

/** What others try meanwhile, each from an address that has nothing to do with the flood. */
export const TRIED = ["known sign-in", "unknown sign-in", "registration"] as const;

/** One of them. */
export type Tried = (typeof TRIED)[number];

/** What they noticed. */
export interface Noticed {
  /** From when each was due (ms), those without a response included. */
  readonly latencies: Readonly<Record<Tried, Latencies>>;
  /** Those that did not do what they were for. */
  readonly failed: Readonly<Record<Tried, number>>;
  /** What the flood got. */
  readonly flood: FloodReport;
  /** How long a hash took meanwhile that no server has made (ms, mean). */
  readonly ownHashMs: number;
}

/** How often each is tried (ms): together they need a small part of what the server can hash. */
const PERIOD_MS = 500;
/** How long the last ones have for their responses (ms). */
const LAST_MS = 1000;
/** Accounts of each kind that sign in, in turns: none signs in again within a stretch. */
const USERS = 30;

/** Accounts, with the password of each. */
const passwordOf = (user: string) => `password of ${user}`;

/** An address of the network `index` of those that begin with `prefix`, two bytes of an address. */
const addressIn = (prefix: string, index: number) => `${prefix}.${1 + index % 250}.1`;

/** Ordinary users who sign in and register at a steady rate. */
class Others {
  readonly #url: string;
  readonly #open = new Map<symbol, readonly [Tried, number]>();
  readonly latencies = {
    "known sign-in": new Latencies(),
    "unknown sign-in": new Latencies(),
    "registration": new Latencies(),
  };
  readonly failed = { "known sign-in": 0, "unknown sign-in": 0, "registration": 0 };
  readonly #stretch: string;
  #number = 0;

  /** `stretch`: two bytes of addresses of this stretch alone, its accounts have it in their names. */
  constructor(url: string, stretch: string) {
    this.#url = url;
    this.#stretch = stretch;
  }

  async begin(): Promise<void> {
    const made: boolean[] = [];
    for (let i = 0; i < USERS; i++) {
      made.push(await this.#register(`known${i}`, addressIn("127.100", i)));
      made.push(await this.#register(`traveller${i}`, addressIn("127.200", i)));
    }
    if (made.includes(false)) throw new Error("an account of the flood's bystanders was refused");
  }

  #name(user: string): string {
    return `${user}-${this.#stretch}`;
  }

  async #register(user: string, from: string): Promise<boolean> {
    const name = this.#name(user);
    const body = { user: name, password: passwordOf(name) };
    return (await postFrom(this.#url, from, "/v1/register", body)).status === 201;
  }

  async #signIn(user: string, from: string): Promise<boolean> {
    const name = this.#name(user);
    const body = { user: name, password: passwordOf(name), device: "desk" };
    return (await postFrom(this.#url, from, "/v1/auth/password", body)).status === 200;
  }

  /** Begins one of each, due at `dueMs`. */
  each(dueMs: number): void {
    const number = this.#number++;
    const user = number % USERS;
    const from = addressIn(this.#stretch, number);
    this.#count("known sign-in", dueMs, this.#signIn(`known${user}`, addressIn("127.100", user)));
    this.#count("unknown sign-in", dueMs, this.#signIn(`traveller${user}`, from));
    const other = addressIn(this.#stretch, number + 125);
    this.#count("registration", dueMs, this.#register(`new${number}`, other));
  }

  #count(what: Tried, dueMs: number, attempt: Promise<boolean>): void {
    const key = Symbol(what);
    this.#open.set(key, [what, dueMs]);
    void attempt.then((ok) => {
      this.#open.delete(key);
      this.latencies[what].add(performance.now() - dueMs);
      if (!ok) this.failed[what]++;
    });
  }

  /** Counts what has no response yet with the time that it has waited. */
  end(): void {
    const nowMs = performance.now();
    for (const [what, dueMs] of this.#open.values()) {
      this.latencies[what].add(nowMs - dueMs);
      this.failed[what]++;
    }
  }
}

/** How long one hash of a password takes in this process (ms), with the server's default cost. */
async function hashMs(): Promise<number> {
  const began = performance.now();
  const password = new TextEncoder().encode("correct horse battery");
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const salt = crypto.getRandomValues(new Uint8Array(16));
  await crypto.subtle.deriveBits(
    { name: "PBKDF2", hash: "SHA-256", salt, iterations: 1e5 },
    key,
    256,
  );
  return performance.now() - began;
}

/** Registers an account at each address; returns them in the order of the addresses. */
export async function accountsAt(url: string, from: readonly string[]) {
  const accounts: { readonly user: string; readonly password: string }[] = [];
  for (const [i, address] of from.entries()) {
    const body = { user: `mallory${i}`, password: passwordOf(`mallory${i}`) };
    await postFrom(url, address, "/v1/register", body);
    accounts.push(body);
  }
  return accounts;
}

/** Lets others try for `forMs` while the flood goes on. `order.count` 0: without one. */
export async function passwordFlood(
  order: FloodOrder,
  stretch: string,
  forMs: number,
): Promise<Noticed> {
  const others = new Others(order.url, stretch);
  await others.begin();
  const worker = new Worker(new URL("password_flood_worker.ts", import.meta.url), {
    type: "module",
  });
  const ended = new Promise<FloodReport>((resolve, reject) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  worker.postMessage(order);
  const own: Promise<number>[] = [];
  const beganMs = performance.now();
  for (let dueMs = beganMs; dueMs < beganMs + forMs; dueMs += PERIOD_MS) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    others.each(dueMs);
    own.push(hashMs());
  }
  await new Promise((resolve) => setTimeout(resolve, LAST_MS));
  others.end();
  worker.postMessage("stop");
  const flood = await ended;
  worker.terminate();
  const ownHashMs = (await Promise.all(own)).reduce((sum, ms) => sum + ms, 0) / own.length;
  return { latencies: others.latencies, failed: others.failed, flood, ownHashMs };
}
