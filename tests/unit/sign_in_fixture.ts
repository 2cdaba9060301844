/** A sign-in service over accounts in a Map, with time, randomness and hashing under control. */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { type AccountId, type AccountName, newId } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Credentials, OpName, Ops, ScramMechanism } from "../../shard/ops.ts";
import { parseName } from "../../shard/name/name.ts";
import type { Clock, Kdf, Log, Random, Timers } from "../../server/node/ports.ts";
import type { Router } from "../../server/node/router.ts";
import type { Factors } from "../../shard/account/factors.ts";
import { changedBy, provedBy } from "../../shard/handlers/factor_ops.ts";
import { hashNameOf } from "../../server/auth/scram.ts";
import {
  createScramClient,
  type ScramCrypto,
  type ScramReply,
} from "../../server/auth/scram_client.ts";
import { type HashName, hashOf, hmacOf } from "../../server/auth/hash.ts";
import type { JwtVerifier } from "../../server/auth/jwt.ts";
import { deriveCredentials } from "../../server/auth/credentials.ts";
import type { ScramExchange, SignIn, Verified } from "../../server/auth/types.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { type SignInOptions } from "../../server/auth/sign_in_options.ts";
import { SIGN_IN_OPTIONS } from "../sim/limits.ts";

/** A name that is known to be one. */
export function nameOf(text: string): AccountName {
  const name = parseName(text);
  if (name === null) throw new Error(`not a name: ${text}`);
  return name;
}

/** Bytes that differ at every call but not between runs. `number()` is `fraction`. */
export function countingRandom(fraction = 0): Random {
  let calls = 0;
  return {
    bytes: (count) => {
      const seed = new TextEncoder().encode(`random ${calls++}`);
      const digest = hashOf("SHA-256", seed);
      return Uint8Array.from({ length: count }, (_, i) => digest[i % 32]! ^ (i >> 5));
    },
    number: () => fraction,
  };
}

/** PBKDF2 at once. */
export const syncKdf: Kdf = {
  pbkdf2: (hash, password, salt, iterations, done) => {
    const [length, name] = hash === "SHA-256" ? [32, "sha256"] as const : [20, "sha1"] as const;
    done(new Uint8Array(pbkdf2Sync(password, salt, iterations, length, name)));
  },
};

/** What a SCRAM client needs, at once. */
export function syncScramCrypto(hash: HashName): ScramCrypto {
  return {
    hash: (data, done) => done(hashOf(hash, data)),
    hmac: (key, data, done) => done(hmacOf(hash, key, data)),
    pbkdf2: (password, salt, iterations, done) =>
      syncKdf.pbkdf2(hash, password, salt, iterations, done),
  };
}

/** PBKDF2 that waits until `step` is called: for tests of what waits. */
export function steppedKdf(): { readonly kdf: Kdf; readonly step: () => boolean } {
  const waiting: (() => void)[] = [];
  return {
    kdf: { pbkdf2: (...args) => void waiting.push(() => syncKdf.pbkdf2(...args)) },
    step: () => {
      const next = waiting.shift();
      next?.();
      return next !== undefined;
    },
  };
}

/** An account of the fake router. */
export interface FakeAccount {
  id: AccountId;
  credentials: Credentials | null;
  state: "active" | "disabled" | "deleted";
  devices: string[];
  places: number[];
  identities: string[];
  factors: Factors | null;
  deviceAt: number | null;
}

/** What the shards would hold. */
export class FakeShards {
  readonly accounts = new Map<string, FakeAccount>();
  /** Reserved names of invites and who used them; "" for nobody yet. */
  readonly invites = new Map<string, string>();
  /** Every request, as `op name`. */
  readonly asked: string[] = [];
  /** What came with every request. */
  readonly inputs: unknown[] = [];
  /** Answers instead of the operation, where set and not undefined. */
  intercept: (op: OpName, name: string) => Result<never> | undefined = () => undefined;
  /** Of the accounts' clock. */
  nowMs: () => number = () => 0;
  /** Called after every answer. */
  answered: () => void = () => {};
  #made = 0;

  readonly router: Router = {
    request: (name, op, input, done) => {
      this.asked.push(`${op} ${name}`);
      this.inputs.push(input);
      const instead = this.intercept(op, name);
      done(instead ?? this.#perform(name, op, input));
      this.answered();
    },
    interest: () => {},
    uninterest: () => {},
  };

  /** Adds an account directly. */
  add(name: string, account: Partial<FakeAccount> = {}): FakeAccount {
    const made = {
      id: newId<AccountId>(new Uint8Array(12).fill(++this.#made)),
      credentials: null,
      state: "active" as const,
      devices: [],
      places: [],
      identities: [],
      factors: null,
      deviceAt: null,
      ...account,
    };
    this.accounts.set(name, made);
    return made;
  }

  #perform<K extends OpName>(name: string, op: K, input: Ops[K]["in"]): Result<Ops[K]["out"]> {
    const answer = this.#handlers[op];
    if (answer === undefined) throw new Error(`FakeShards: ${op} is not expected here`);
    return answer(name, input);
  }

  readonly #handlers: {
    readonly [K in OpName]?: (name: string, input: Ops[K]["in"]) => Result<Ops[K]["out"]>;
  } = {
    "account.create": (name, { credentials, identity }) => {
      if (this.accounts.has(name)) return fail("conflict", "taken");
      const identities = identity === undefined ? [] : [identity];
      return ok({ id: this.add(name, { credentials, identities }).id });
    },
    "account.identify": (name, { identity }) => {
      const a = this.accounts.get(name);
      if (a === undefined) return ok(null);
      return ok({
        id: a.id,
        active: a.state === "active",
        linked: a.state !== "deleted" && a.identities.includes(identity),
        outside: a.identities.length > 0,
      });
    },
    "account.link": (name, { identity, id, alone }) => {
      const a = this.accounts.get(name);
      if (a?.id !== id || (alone && a.identities.length > 0)) return fail("conflict", "not that");
      a.identities.push(identity);
      return ok(null);
    },
    "account.credentials": (name, { place }) => {
      const a = this.accounts.get(name);
      if (a?.state !== "active" || a.credentials === null) return ok(null);
      const known = place !== undefined && a.places.includes(place);
      return ok({ id: a.id, credentials: a.credentials, ...(known ? { known } : {}) });
    },
    "account.setCredentials": (name, { credentials, keepDevice }) => {
      const a = this.accounts.get(name)!;
      a.credentials = credentials;
      a.devices = a.devices.filter((d) => d === keepDevice);
      return ok(null);
    },
    "account.resolve": (name) => {
      const a = this.accounts.get(name);
      return ok(a === undefined || a.state === "deleted" ? null : { id: a.id });
    },
    "account.info": (name) => {
      const a = this.accounts.get(name);
      if (a === undefined) return fail("not_found", "no such account");
      const counts = { createdAt: 0, devices: 0, sessions: 0, contacts: 0, events: 0 };
      return ok({ name: name as AccountName, id: a.id, state: a.state, ...counts });
    },
    "account.factors": (name, { place }) => {
      const a = this.accounts.get(name);
      if (a?.state !== "active") return ok(null);
      const known = place !== undefined && a.places.includes(place);
      const { credentials, deviceAt, factors, id } = a;
      return ok({ id, credentials, deviceAt, factors, known });
    },
    "account.setFactors": (name, { change, id, proof }) => {
      const a = this.accounts.get(name);
      if (a?.id !== id) return fail("not_found", "no such account");
      const changed = changedBy(a.factors, change, proof, this.nowMs());
      if (!changed.ok) return changed;
      a.factors = changed.value;
      return ok(null);
    },
    "device.add": (name, { device, exempt, factor = null, place }) => {
      const a = this.accounts.get(name);
      if (a === undefined || a.state !== "active") return fail("unauthorized", "no such account");
      const proved = exempt === true ? ok(a.factors) : provedBy(a.factors, factor, this.nowMs());
      if (!proved.ok) return proved;
      a.factors = proved.value;
      a.devices.push(device);
      if (place !== undefined) a.places.push(place);
      return ok({ id: a.id });
    },
    "invite.redeem": (invite, { name }) => {
      const usedBy = this.invites.get(invite);
      if (usedBy === undefined) return fail("not_found", "no such invite");
      if (usedBy !== "" && usedBy !== name) return fail("conflict", "used");
      this.invites.set(invite, name);
      return ok(null);
    },
  };
}

/** A service with everything around it. */
export function openSignIn(
  change: Partial<SignInOptions> = {},
  ports: { readonly kdf?: Kdf; readonly issuers?: JwtVerifier; readonly random?: Random } = {},
) {
  const shards = new FakeShards();
  const time = { nowMs: 1_000_000 };
  const clock: Clock = {
    wallMs: () => 1_700_000_000_000 + time.nowMs,
    monoMs: () => time.nowMs,
  };
  shards.nowMs = clock.wallMs;
  const lines: string[] = [];
  const limits: string[] = [];
  const write = (event: string, fields?: Readonly<Record<string, unknown>>) =>
    void lines.push(`${event} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { debug: write, info: write, warn: write, error: write, debugOn: true };
  const options: SignInOptions = {
    ...SIGN_IN_OPTIONS,
    domain: "example.com",
    registration: "open",
    iterations: { sha256: 4, sha1: 2 },
    fakeSaltSecret: new TextEncoder().encode("a secret of the server, 32 bytes"),
    ...change,
  };
  const random = ports.random ?? countingRandom();
  /** No time passes in these tests: delays are over once a shard has answered. */
  let delayed: (() => void)[] = [];
  const timers: Timers = {
    after: (_delayMs, run) => {
      delayed.push(run);
      return () => {};
    },
    soon: (run) => run(),
  };
  shards.answered = () => {
    const due = delayed;
    delayed = [];
    for (const run of due) run();
  };
  const deps = {
    router: shards.router,
    clock,
    timers,
    random,
    kdf: ports.kdf ?? syncKdf,
    log,
    issuers: ports.issuers ?? null,
    limited: (limit: string) => void limits.push(limit),
  };
  return { signIn: createSignIn(deps, options), shards, time, lines, limits, deps, options };
}

/** The answer of a call that answers at once, and only once. */
export function answerOf<T>(call: (done: (result: Result<T>) => void) => void): Result<T> {
  const answers = answersOf(call);
  if (answers.length !== 1) throw new Error(`expected one answer at once, got ${answers.length}`);
  return answers[0]!;
}

/** The answers of a call, filled as they come. */
export function answersOf<T>(call: (done: (result: Result<T>) => void) => void): Result<T>[] {
  const answers: Result<T>[] = [];
  call((result) => void answers.push(result));
  return answers;
}

/** `ok` or the code of the failure. */
export function codeOf(result: Result<unknown> | undefined): string {
  return result === undefined ? "none" : result.ok ? "ok" : result.code;
}

/** The keys of a password. */
export function credentialsFor(password: string, sha1: number | null = 2): Credentials {
  let made: Credentials | undefined;
  const ports = { kdf: syncKdf, random: countingRandom() };
  deriveCredentials(ports, password, { sha256: 4, sha1 }, (c) => made = c);
  return made!;
}

/** `openSignIn` with bob, disabled dora, carol without a password, old without a SHA-1 key. */
export function openWithAccounts(...args: Parameters<typeof openSignIn>) {
  const opened = openSignIn(...args);
  const { shards } = opened;
  const bob = shards.add("bob", { credentials: credentialsFor("pencil") });
  shards.add("dora", { credentials: credentialsFor("pencil"), state: "disabled" });
  shards.add("carol");
  shards.add("old", { credentials: credentialsFor("pencil", null) });
  return { ...opened, bob };
}

/** The address that tests come from. */
export const ADDRESS = "192.0.2.1";

/** A sign-in by password. */
export const password = (signIn: SignIn, user: string, word: string, address = ADDRESS) =>
  answerOf<Verified>((done) => signIn.password({ user, password: word, address }, done));

/** The beginning of an exchange. */
export const begin = (
  signIn: SignIn,
  message: string,
  mechanism: ScramMechanism = "SCRAM-SHA-256",
  address = ADDRESS,
) => answerOf<ScramExchange>((done) => signIn.scram({ mechanism, message, address }, done));

/** The client-final message that a client with this password answers an exchange with. */
export function replyTo(
  exchange: ScramExchange,
  user: string,
  word: string,
  mechanism: ScramMechanism = "SCRAM-SHA-256",
): ScramReply {
  const client = createScramClient(
    { user, password: word, nonce: "client", iterationsMin: 1 },
    syncScramCrypto(hashNameOf(mechanism)),
  );
  let reply: ScramReply | null = null;
  client.reply(exchange.message, (r) => reply = r);
  return reply!;
}

/** A whole exchange; the client checks the server's proof, too. */
export function scram(signIn: SignIn, user: string, word: string, mechanism?: ScramMechanism) {
  const exchange = begin(signIn, `n,,n=${user},r=client`, mechanism);
  if (!exchange.ok) return exchange;
  const reply = replyTo(exchange.value, user, word, mechanism);
  return answerOf<Verified & { readonly serverFinal: string }>((done) =>
    exchange.value.finish(reply.message, (result) => {
      if (result.ok) assert.ok(reply.proves(result.value.serverFinal));
      done(result);
    })
  );
}
