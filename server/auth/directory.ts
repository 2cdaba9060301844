/**
 * Passwords that a directory checks. The directory sees each of them once, by a bind; so many at a
 * time, and as many that wait. One that cannot be asked is no wrong password.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { identityOf, type Outsider } from "./identity.ts";
import { namesOf } from "./oidc_names.ts";

/** What a directory says of a name and a password; `why` is for the log. */
export type BindOutcome =
  | { readonly kind: "ok"; readonly name: string; readonly id: string }
  | { readonly kind: "wrong"; readonly why: string }
  | { readonly kind: "away"; readonly why: string };

/** Asks the directory, within a bounded time. Calls `done` once. */
export type BindPort = (
  user: AccountName,
  password: string,
  done: (outcome: BindOutcome) => void,
) => void;

/** What is decided about its users. */
export interface DirectoryOptions {
  /** Names the directory in identities: its base, for addresses change. */
  readonly realm: string;
  readonly concurrency: number;
  readonly createAccounts: boolean;
  readonly linkAccounts: boolean;
}

/** Whom the directory vouches for, or why for nobody. */
export type DirectoryCheck =
  | { readonly kind: "ok"; readonly outsider: Outsider }
  | { readonly kind: "wrong" | "away"; readonly why: string }
  | { readonly kind: "busy" };

/** See the head of this file. */
export class Directory {
  readonly #bind: BindPort;
  readonly #options: DirectoryOptions;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(bind: BindPort, options: DirectoryOptions) {
    this.#bind = bind;
    this.#options = options;
  }

  /** Checks a password; an empty one is never sent, for a bind without one is no proof (RFC 4513). */
  check(user: AccountName, password: string, done: (check: DirectoryCheck) => void): void {
    if (password === "") return done({ kind: "wrong", why: "the password is empty" });
    const { concurrency } = this.#options;
    const run = () => {
      this.#underWay++;
      this.#bind(user, password, (outcome) => {
        this.#underWay--;
        this.#waiting.shift()?.();
        done(this.#checkOf(outcome));
      });
    };
    if (this.#underWay < concurrency) run();
    else if (this.#waiting.length < concurrency) this.#waiting.push(run);
    else done({ kind: "busy" });
  }

  #checkOf(outcome: BindOutcome): DirectoryCheck {
    if (outcome.kind !== "ok") return outcome;
    const { realm, createAccounts, linkAccounts } = this.#options;
    // Directories compare names without regard to case: lower case is the same name.
    const names = namesOf({ name: outcome.name.toLowerCase() }, "name", "exact");
    const outsider = {
      identity: identityOf(`directory ${realm}`, outcome.id),
      names,
      creates: createAccounts,
      links: linkAccounts,
      by: "directory",
    };
    return { kind: "ok", outsider };
  }
}
