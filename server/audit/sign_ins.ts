/** Records of sign-ins: a `SignIn` that records how each attempt ended, and does nothing else. */
import type { AuditInput } from "./entry.ts";
import type { FailureLimits, ScramExchange, SignIn } from "../auth/types.ts";
import { ofAccount } from "../auth/refusals.ts";
import type { Failure, Result } from "../../shard/errors.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { parseReset } from "../auth/reset_code.ts";

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
}

type Service = SignIn & FailureLimits;

/** See the head of this file. `domain`: that of all accounts. */
export function recordedSignIn(service: Service, records: SignInRecords, domain: string): Service {
  const nameOf = (user: string) => {
    const address = parseAddress(user, domain);
    return address.ok ? address.name : undefined;
  };
  /** Records how an attempt ends, and passes it on. */
  const recorded = <T>(
    attempt: Attempt,
    done: (result: Result<T>) => void,
    userOf: (value: T) => string | undefined,
  ) =>
  (result: Result<T>) => {
    if (result.ok) {
      const user = userOf(result.value) ?? attempt.user;
      records.signIn({ ...attempt, actor: `user:${user}`, user, outcome: "ok" });
    } else failed(attempt, result);
    done(result);
  };
  const failed = ({ user, ...attempt }: Attempt, failure: Failure) => {
    const known = ofAccount(failure) ? { user } : {};
    records.failed({ ...attempt, ...known, actor: "unknown", outcome: failure.code });
  };
  const verified = ({ user }: { readonly user: string }) => user;
  const exchange = (made: ScramExchange, address: string): ScramExchange => ({
    ...made,
    finish: (message, done) => {
      const attempt = { action: "signIn", method: "password", address, user: made.user };
      made.finish(message, recorded(attempt, done, verified));
    },
  });
  return {
    allowed: (address) => service.allowed(address),
    noteFailure(address, method = "token") {
      service.noteFailure(address);
      const attempt = { action: "signIn", method, address };
      records.failed({ ...attempt, actor: "unknown", outcome: "unauthorized" });
    },
    register(input, done) {
      const { address } = input;
      const attempt = { action: "register", method: "password", address };
      service.register(input, recorded(attempt, done, verified));
    },
    password(input, done) {
      const { address, user } = input;
      const attempt = { action: "signIn", method: "password", address, user: nameOf(user) };
      service.password(input, (result) => {
        const method = result.ok ? result.value.by ?? "password" : "password";
        recorded({ ...attempt, method }, done, verified)(result);
      });
    },
    scram(input, done) {
      const { address } = input;
      const attempt = { action: "signIn", method: "password", address };
      service.scram(input, (result) => {
        if (!result.ok) failed(attempt, result);
        done(result.ok ? { ...result, value: exchange(result.value, address) } : result);
      });
    },
    reopenScram(sealed, address) {
      const made = service.reopenScram(sealed, address);
      return made === null ? null : exchange(made, address);
    },
    issuer(input, done) {
      const attempt = { action: "signIn", method: "issuer", address: input.address };
      service.issuer(input, recorded(attempt, done, verified));
    },
    outside(outsider, address, done) {
      const attempt = { action: "signIn", method: "oidc", address };
      service.outside(outsider, address, recorded(attempt, done, verified));
    },
    mint: (input, done) => service.mint(input, done),
    resetPassword(input, done) {
      const user = parseReset(input.code)?.user;
      const attempt = { action: "changePassword", method: "resetLink", address: input.address };
      service.resetPassword(input, recorded({ ...attempt, user }, done, () => user));
    },
    changePassword(input, done) {
      const { address, user } = input;
      const attempt = { action: "changePassword", method: "password", address, user };
      service.changePassword(input, recorded(attempt, done, () => user));
    },
  };
}
