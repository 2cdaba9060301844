/** Records of sign-ins: a `SignIn` that records how each attempt ended, and does nothing else. */
import type { AuditInput } from "./entry.ts";
import type { FailureLimits, ScramExchange, SignIn } from "../auth/types.ts";
import { ofAccount } from "../auth/refusals.ts";
import type { Failure, Result } from "../../shard/errors.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { parseReset } from "../auth/reset_code.ts";
import { userOfResponse } from "../auth/passkeys.ts";

/** Where they go; see `Audit`. */
export interface SignInRecords {
  signIn(input: AuditInput): void;
  failed(input: AuditInput): void;
}

/** Of an attempt, before it ends. */
interface Attempt {
  readonly action: string;
  readonly method: string;
  readonly address: string;
  /** Whose account it would be; recorded of a failure only where that account exists. */
  readonly user?: string | undefined;
  /** That account exists: a device of it asks. */
  readonly exists?: boolean;
}

type Service = SignIn & FailureLimits;

/** See the head of this file. */
class RecordedSignIn implements SignIn, FailureLimits {
  readonly #service: Service;
  readonly #records: SignInRecords;
  readonly #domain: string;

  constructor(service: Service, records: SignInRecords, domain: string) {
    this.#service = service;
    this.#records = records;
    this.#domain = domain;
  }

  allowed(address: string) {
    return this.#service.allowed(address);
  }

  noteFailure(address: string, method = "token"): void {
    this.#service.noteFailure(address);
    const attempt = { action: "signIn", method, address };
    this.#records.failed({ ...attempt, actor: "unknown", outcome: "unauthorized" });
  }

  readonly register: SignIn["register"] = (input, done) => {
    const attempt = { action: "register", method: "password", address: input.address };
    this.#service.register(input, this.#recorded(attempt, done, userOf));
  };

  readonly password: SignIn["password"] = (input, done) => {
    const user = this.#nameOf(input.user);
    const attempt = { action: "signIn", address: input.address, user };
    this.#service.password(input, (result) => {
      const method = result.ok ? result.value.by ?? "password" : "password";
      this.#recorded({ ...attempt, method }, done, userOf)(result);
    });
  };

  readonly scram: SignIn["scram"] = (input, done) => {
    const { address } = input;
    this.#service.scram(input, (result) => {
      if (!result.ok) this.#failed({ action: "signIn", method: "password", address }, result);
      done(result.ok ? { ...result, value: this.#exchange(result.value, address) } : result);
    });
  };

  reopenScram(sealed: string, address: string): ScramExchange | null {
    const made = this.#service.reopenScram(sealed, address);
    return made === null ? null : this.#exchange(made, address);
  }

  readonly issuer: SignIn["issuer"] = (input, done) => {
    const attempt = { action: "signIn", method: "issuer", address: input.address };
    this.#service.issuer(input, this.#recorded(attempt, done, userOf));
  };

  readonly outside: SignIn["outside"] = (outsider, address, done) => {
    const attempt = { action: "signIn", method: "oidc", address };
    this.#service.outside(outsider, address, this.#recorded(attempt, done, userOf));
  };

  readonly mint: SignIn["mint"] = (input, done) => this.#service.mint(input, done);

  readonly second: SignIn["second"] = (input, done) => {
    const attempt = { action: "signIn", method: "secondFactor", address: input.address };
    this.#service.second(input, this.#recorded(attempt, done, userOf));
  };

  get factors(): SignIn["factors"] {
    return this.#service.factors;
  }

  get passkeys(): SignIn["passkeys"] {
    const service = this.#service.passkeys;
    return {
      begin: service.begin.bind(service),
      finish: (input, done) => {
        const { address, response } = input;
        service.finish(input, (result) => {
          // Only the account itself finds that: it exists.
          const copied = !result.ok && reasonOf(result) === "counter";
          const user = copied ? userOfResponse(response) ?? undefined : undefined;
          const attempt = { action: "signIn", method: "passkey", address, user, exists: copied };
          this.#recorded(attempt, done, userOf)(result);
        });
      },
      list: service.list.bind(service),
      ask: service.ask.bind(service),
      beginAdd: service.beginAdd.bind(service),
      add: (input, done) => {
        const { address, user } = input;
        const attempt = { action: "addPasskey", method: "passkey", address, user, exists: true };
        service.add(input, this.#recorded(attempt, done, () => user));
      },
      rename: service.rename.bind(service),
      remove: (input, done) => {
        const { address, user } = input;
        const about = { action: "removePasskey", method: "passkey", address, user };
        service.remove(input, this.#recorded({ ...about, exists: true }, done, () => user));
      },
    };
  }

  readonly resetPassword: SignIn["resetPassword"] = (input, done) => {
    const user = parseReset(input.code)?.user;
    const { address } = input;
    const attempt = { action: "changePassword", method: "resetLink", address, user };
    this.#service.resetPassword(input, this.#recorded(attempt, done, () => user));
  };

  readonly changePassword: SignIn["changePassword"] = (input, done) => {
    const { address, user } = input;
    const about = { action: "changePassword", method: "password", address, user };
    const attempt = { ...about, exists: true };
    this.#service.changePassword(input, this.#recorded(attempt, done, () => user));
  };

  #nameOf(user: string): string | undefined {
    const address = parseAddress(user, this.#domain);
    return address.ok ? address.name : undefined;
  }

  #exchange(made: ScramExchange, address: string): ScramExchange {
    const attempt = { action: "signIn", method: "password", address, user: made.user };
    return {
      ...made,
      finish: (message, done) => made.finish(message, this.#recorded(attempt, done, userOf)),
    };
  }

  /** Records how an attempt ends, and passes it on. */
  #recorded<T>(
    attempt: Attempt,
    done: (result: Result<T>) => void,
    of: (value: T) => string | undefined,
  ): (result: Result<T>) => void {
    return (result) => {
      if (result.ok) {
        const { exists: _, ...about } = attempt;
        const user = of(result.value) ?? attempt.user;
        this.#records.signIn({ ...about, actor: `user:${user}`, user, outcome: "ok" });
      } else this.#failed(attempt, result);
      done(result);
    };
  }

  #failed({ exists = false, user, ...attempt }: Attempt, failure: Failure): void {
    const known = exists || ofAccount(failure) ? { user } : {};
    const reason = reasonOf(failure);
    const detail = reason === undefined ? {} : { detail: reason };
    const outcome = failure.code;
    this.#records.failed({ ...attempt, ...known, ...detail, actor: "unknown", outcome });
  }
}

/** The reason that a refusal of a passkey names. */
function reasonOf({ code, message }: Failure): string | undefined {
  return code === "unauthorized" || code === "forbidden"
    ? /^Cannot sign in \((\w+)\)/.exec(message)?.[1]
    : undefined;
}

function userOf({ user }: { readonly user: string }): string {
  return user;
}

/** Makes one that records in `records` what `service` does; `domain`: that of all accounts. */
export function recordedSignIn(
  service: Service,
  records: SignInRecords,
  domain: string,
): SignIn & FailureLimits {
  return new RecordedSignIn(service, records, domain);
}
