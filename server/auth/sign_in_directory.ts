/**
 * A password that is not that of an account here, put before the directory. It is asked about every
 * such password, also those of accounts that have one here, so that nobody can measure who has.
 */
import type { Attempt } from "./attempts.ts";
import type { Claimed } from "./claim.ts";
import type { Directory } from "./directory.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Identities } from "./identity.ts";
import type { Log } from "../node/ports.ts";
import type { Verified } from "./types.ts";

/** When a directory may be back, and when it has room again (ms). */
const AWAY_MS = 5000;
const BUSY_MS = 1000;

/** What is asked. */
interface Asked {
  readonly directory: Directory;
  readonly identities: Identities;
  readonly log: Log;
}

/** The attempt; `failed` ends an attempt with a password that is wrong there too. */
interface Proof {
  readonly claimed: Claimed;
  readonly password: string;
  readonly attempt: Attempt;
  readonly address: string;
  failed(): void;
}

/** See the head of this file. */
export function byDirectory(
  { directory, identities, log }: Asked,
  { address, attempt, claimed: { name, place }, failed, password }: Proof,
  done: (result: Result<Verified>) => void,
): void {
  directory.check(name, password, (check) => {
    if (check.kind === "ok") {
      return identities.find(check.outsider, (result) => {
        if (!result.ok) attempt.abandoned();
        else attempt.succeeded();
        done(result.ok ? ok({ ...result.value, place, by: "ldap" }) : result);
      });
    }
    if (check.kind === "wrong") {
      log.debug("directory refuses", { user: name, address, why: check.why });
      return failed();
    }
    attempt.abandoned();
    if (check.kind === "busy") {
      return done(fail("busy", "Too many sign-ins at the directory now", BUSY_MS));
    }
    log.warn("directory away", { why: check.why });
    done(fail("unavailable", "The directory that checks passwords cannot be asked now", AWAY_MS));
  });
}
