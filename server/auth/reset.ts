/** Setting a new password by a link of the operator. */
import { deriveCredentials, hashesOf } from "./credentials.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { FailureLimits, SignIn } from "./types.ts";
import { newPassword, type RegistrationDeps } from "./registration.ts";
import { parseReset, resetBy, type ResetCode } from "./reset_code.ts";
import type { PasswordQueue } from "./password_queue.ts";
import type { SignInOptions } from "./sign_in_options.ts";
import type { Credentials } from "../../shard/ops.ts";

const NOT_VALID = fail(
  "forbidden",
  "Cannot set the password: the link is not valid (any more). Ask for another one.",
);

type Deps = Pick<RegistrationDeps, "clock" | "kdf" | "log" | "random" | "router">;
type Done = (result: Result<null>) => void;

/**
 * Makes `SignIn.resetPassword`. The code is looked at before the password is hashed, and used up
 * before that is set: a code sets one password, also where it is sent twice at once.
 */
export function createReset(
  deps: Deps,
  options: SignInOptions,
  queue: PasswordQueue,
  limits: FailureLimits,
): SignIn["resetPassword"] {
  return ({ address, code, password }, done) => {
    const refused = limits.allowed(address);
    if (refused !== null) return done(refused);
    const read = parseReset(code);
    const bad = () => {
      limits.noteFailure(address);
      done(NOT_VALID);
    };
    if (read === null) return bad();
    const wanted = newPassword(password, options.passwordLengthMin);
    if (!wanted.ok) return done(wanted);
    deps.router.request(read.record, "invite.info", {}, (kept) => {
      if (!kept.ok) return kept.code === "not_found" ? bad() : done(kept);
      const { expiresAt, revoked } = kept.value;
      if (revoked || expiresAt <= deps.clock.wallMs()) return bad();
      const hashes = hashesOf(options.iterations);
      queue.push(
        { name: read.user, address, known: false, hashes },
        (release) =>
          deriveCredentials(deps, wanted.value, options.iterations, (credentials) => {
            release();
            const by = resetBy(code, wanted.value);
            deps.router.request(read.record, "invite.redeem", { name: by }, (redeemed) => {
              if (redeemed.ok) return set(deps, read, credentials, address, done);
              if (redeemed.code === "forbidden") return bad();
              done(redeemed);
            });
          }),
        done,
      );
    });
  };
}

/** For the account of the code only: a later one of its name is somebody else's. */
function set(
  { log, router }: Deps,
  { id, user }: ResetCode,
  credentials: Credentials,
  address: string,
  done: Done,
): void {
  router.request(user, "account.info", {}, (found) => {
    if (!found.ok) return done(found.code === "not_found" ? NOT_VALID : found);
    if (found.value.id !== id) return done(NOT_VALID);
    const input = { credentials, keepDevice: null, proof: null };
    router.request(user, "account.setCredentials", input, (changed) => {
      if (changed.ok) log.info("password_reset", { user, address });
      done(changed);
    });
  });
}
