/** What the protocol's transports count for metrics. */
import type { ErrorCode } from "../../shard/errors.ts";
import type { RateLimit, SignInKind } from "../http/counters.ts";

/** Where it is counted; each call costs an addition. */
export interface Counting {
  /** Counts an outcome: a command's, greeting's or route's name, `ok` or an error code. */
  observe(name: string, outcome: "ok" | ErrorCode): void;
  /** Counts a sign-in by how it ended for the client: once, however many steps it took. */
  signedIn(kind: SignInKind, outcome: "ok" | ErrorCode): void;
  /** Counts that a rate limit applied. Needs no `this`. */
  limited(limit: RateLimit): void;
}
