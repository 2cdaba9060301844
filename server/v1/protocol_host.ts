/** What the protocol needs of the node that serves it: the same for every transport. */
import type { Counting } from "./counting.ts";
import type { FailureLimits, SignIn } from "../auth/types.ts";
import type { Failure, Result } from "../../shard/errors.ts";
import type { Oidc } from "../auth/oidc.ts";
import type { OpenedSession, OpenSession } from "../edge/types.ts";
import type { Protocol } from "./protocol.ts";
import type { PublicServers } from "./servers.ts";
import type { Relays } from "./relay.ts";
import type { Router } from "../node/router.ts";
import type { Runtime } from "../node/ports.ts";
import type { SignInQueue } from "../http/sign_in_queue.ts";
import type { WaitsForHome } from "./lost_homes.ts";

/** See the head of this file. Each part takes what it uses of it. */
export interface ProtocolHost extends Runtime, Counting {
  readonly protocol: Protocol;
  readonly router: Router;
  readonly signIn: SignIn & FailureLimits;
  /** Issuers that browsers are sent to; null or absent where none is configured. */
  readonly oidc?: Oidc | null;
  /** The configured domain, in lower case. */
  readonly domain: string;
  /** Where else clients can connect. */
  readonly servers: PublicServers;
  /** Passes clients on to other cells; absent where they are sent there instead. */
  readonly relay?: Relays;
  /** Where clients wait whose home cannot be reached; absent in a lone cell. */
  readonly lostHomes?: WaitsForHome;
  /** Where sign-ins wait for their turn. */
  readonly signInQueue: Pick<SignInQueue, "enter">;
  /** Whether the node takes new work of this kind now; a refusal where it does not. */
  admit(kind: "signIn" | "write"): Failure | null;
  /** Opens a session on this node's edge. Calls `done` once, possibly before it returns. */
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  /** A send was acked, so many ms after its frame came. */
  acked(tookMs: number): void;
}
