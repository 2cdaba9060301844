/** Links by which users set a new password, as operators make them. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { mintReset, parseReset } from "../auth/reset_code.ts";
import type { Ports } from "../node/ports.ts";
import type { Router } from "../node/router.ts";

/** A new code; it is shown once and kept only as its hash. */
export interface ResetLink {
  readonly code: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Opens the chat's form with it; absent where the server's public address is not known. */
  readonly link?: string | undefined;
}

/** Makes a link for an account; `validMs`: how long it is valid. */
export function resetMaker(
  { clock, random }: Pick<Ports, "clock" | "random">,
  router: Pick<Router, "request">,
  validMs: number,
  publicUrl: string | null,
): (user: AccountName, done: (result: Result<ResetLink>) => void) => void {
  return (user, done) =>
    router.request(user, "account.info", {}, (found) => {
      if (!found.ok) return done(found);
      const { id, state } = found.value;
      if (state !== "active" && state !== "disabled") {
        return done(fail("not_found", "There is no such account"));
      }
      const code = mintReset(user, id, random);
      const expiresAt = clock.wallMs() + validMs;
      const { record } = parseReset(code)!;
      router.request(record, "invite.create", { expiresAt }, (made) => {
        if (!made.ok) return done(made);
        const link = publicUrl === null ? {} : { link: `${publicUrl}/#reset=${code}` };
        done(ok({ code, expiresAt, ...link }));
      });
    });
}
