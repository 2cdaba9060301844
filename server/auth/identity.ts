/**
 * Accounts of people whom an issuer or a directory vouches for. Who they are is the pair of the
 * issuer and the subject, never a name: names change hands. An account keeps the identities that
 * sign in to it; which account an identity has is noted beside it, so that it is found after the
 * name at the issuer has changed. That note alone proves nothing.
 */
import { encodeBase64Url } from "byte-encodings/base64url";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { cellText, CellValue, type Registers } from "../node/cell_value.ts";
import type { Log } from "../node/ports.ts";
import { parseName } from "../../shard/name/name.ts";
import type { Router } from "../node/router.ts";
import { sha256 } from "./hash.ts";
import type { Verified } from "./types.ts";

/** Somebody whom an issuer or a directory vouches for. */
export interface Outsider {
  /** See `identityOf`. */
  readonly identity: string;
  /** Names for the account, the best one first; empty where it has none that an account can have. */
  readonly names: readonly AccountName[];
  /** Whether an account is made where there is none. */
  readonly creates: boolean;
  /** Whether an account that exists and that no other identity has is taken over by its name. */
  readonly links: boolean;
  /** For the log: who vouches. */
  readonly by: string;
}

const IDENTITY_CHARS = 32;
const utf8 = new TextEncoder();

/** What stands for a subject of an issuer: 192 bits of a hash, base64url. */
export function identityOf(issuer: string, subject: string): string {
  const digest = sha256(utf8.encode(JSON.stringify([issuer, subject])));
  return encodeBase64Url(digest).slice(0, IDENTITY_CHARS);
}

type Done = (result: Result<Verified>) => void;
type Found = Result<Ops["account.identify"]["out"]>;

const TAKEN = fail(
  "conflict",
  "Cannot sign in: another account has this name, and it is not linked with yours",
);
const NO_NAME = fail("unauthorized", "Cannot sign in (name): no account can have this user's name");
const NO_ACCOUNT = fail("forbidden", "Cannot sign in: there is no account for this user here");

/** See the head of this file. `store` keeps the notes; null: there are none. */
export class Identities {
  readonly #router: Pick<Router, "request">;
  readonly #store: Registers | null;
  readonly #log: Pick<Log, "info" | "warn">;

  constructor(
    { router, store, log }: {
      readonly router: Pick<Router, "request">;
      readonly store: Registers | null;
      readonly log: Pick<Log, "info" | "warn">;
    },
  ) {
    this.#router = router;
    this.#store = store;
    this.#log = log;
  }

  /**
   * The account of an outsider, made or linked where that is allowed. `moved`: it is, or its name
   * is, at home in another cell. `conflict`: all of its names are others'. `forbidden`: it has none.
   */
  find(outsider: Outsider, done: Done): void {
    const [first = null] = outsider.names;
    if (first === null) return this.#noted(outsider, null, (result) => done(result ?? NO_NAME));
    this.#identify(first, outsider, (found) => {
      const id = linkedId(found);
      if (id !== null) return done(verified(first, id));
      this.#noted(outsider, first, (result) => {
        if (result !== null) return done(result);
        if (!found.ok) return done(found);
        this.#take(outsider, 0, found, done);
      });
    });
  }

  #identify(name: AccountName, { identity }: Outsider, done: (found: Found) => void): void {
    this.#router.request(name, "account.identify", { identity }, done);
  }

  /** The account that was noted for the identity; null where that is none of its. */
  #noted(
    outsider: Outsider,
    first: AccountName | null,
    done: (result: Result<Verified> | null) => void,
  ): void {
    if (this.#store === null) return done(null);
    this.#note(outsider).load((error, text) => {
      if (error !== null) return done(fail("unavailable", "The store cannot be read now", 1000));
      const name = text === null ? null : parseName(text);
      if (name === null || name === first) return done(null);
      this.#identify(name, outsider, (found) => {
        const id = linkedId(found);
        if (id !== null) return done(verified(name, id));
        // It may be there, so that no other account is made.
        done(found.ok ? null : found);
      });
    });
  }

  /** Uses the name at `at`, about which `found` is known, or one after it. */
  #take(outsider: Outsider, at: number, found: Found, done: Done): void {
    const name = outsider.names[at]!;
    const known = linkedId(found);
    if (known !== null) return this.#ended(outsider, name, verified(name, known), done);
    const next = () => this.#next(outsider, at + 1, done);
    if (!found.ok) {
      // The first name decides which cell is asked; others that are not here are merely taken.
      return found.code === "moved" ? next() : done(found);
    }
    if (found.value === null) {
      return outsider.creates ? this.#create(outsider, at, done) : this.#refuse(outsider, done);
    }
    const { id, active, outside } = found.value;
    if (!outsider.links || at > 0 || !active || outside) return next();
    const input = { identity: outsider.identity, id, alone: true };
    this.#router.request(name, "account.link", input, (linked) => {
      if (!linked.ok) return linked.code === "conflict" ? next() : done(linked);
      this.#log.info("account_linked", { user: name, by: outsider.by });
      this.#ended(outsider, name, verified(name, id), done);
    });
  }

  #next(outsider: Outsider, at: number, done: Done): void {
    const name = outsider.names[at];
    if (name === undefined) {
      const [user] = outsider.names;
      this.#log.info("sign_in_refused", { method: outsider.by, user, why: "the name is taken" });
      return done(outsider.creates ? TAKEN : NO_ACCOUNT);
    }
    this.#identify(name, outsider, (found) => this.#take(outsider, at, found, done));
  }

  #refuse(outsider: Outsider, done: Done): void {
    const [user] = outsider.names;
    this.#log.info("sign_in_refused", { method: outsider.by, user, why: "no such account" });
    done(NO_ACCOUNT);
  }

  #create(outsider: Outsider, at: number, done: Done): void {
    const name = outsider.names[at]!;
    const input = { credentials: null, identity: outsider.identity };
    this.#router.request(name, "account.create", input, (made) => {
      if (made.ok) {
        this.#log.info("account_registered", { user: name, by: outsider.by });
        return this.#ended(outsider, name, verified(name, made.value.id), done);
      }
      if (made.code !== "conflict") return done(made);
      // Made by another connection meanwhile, or at home elsewhere.
      this.#identify(name, outsider, (found) => {
        if (found.ok && found.value === null) return done(made);
        if (at === 0 && !found.ok) return done(found);
        this.#take(outsider, at, found, done);
      });
    });
  }

  /** Notes whose the identity is. Where that fails it is found by its names only. */
  #ended(outsider: Outsider, name: AccountName, result: Result<Verified>, done: Done): void {
    if (this.#store === null) return done(result);
    const changed = (text: string | null) => text === name ? null : name;
    this.#note(outsider).update(changed, (error) => {
      if (error !== null) this.#log.warn("identity not noted", { user: name, why: error.message });
      done(result);
    });
  }

  #note({ identity }: Outsider): CellValue<string | null> {
    return new CellValue(this.#store!, cellText(`identity/${identity}`));
  }
}

/** The account that was found, where the identity signs in to it. */
function linkedId(found: Found): AccountId | null {
  return found.ok && found.value?.linked === true ? found.value.id : null;
}

function verified(user: AccountName, id: AccountId): Result<Verified> {
  return ok({ user, id, proof: null, place: null });
}
