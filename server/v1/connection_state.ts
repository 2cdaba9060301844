/** What a WebSocket connection of the protocol is doing. */
import type { Cancel } from "../node/ports.ts";
import type { CommandContext } from "./command.ts";
import type { Greeting } from "./greeting.ts";
import type { RelayedConnection } from "./relay.ts";
import type { Withdraw } from "../node/router.ts";

/** See the head of this file. */
export type ConnectionState =
  | { readonly kind: "greeting"; readonly greeting: Greeting }
  | { readonly kind: "opening"; withdraw: Withdraw }
  /** Its account's home cannot be reached. */
  | { readonly kind: "waiting"; readonly leave: Cancel }
  | { readonly kind: "attached"; readonly ctx: CommandContext }
  /** The account's home in another cell has the connection. */
  | { readonly kind: "relayed"; readonly to: RelayedConnection }
  | { readonly kind: "closed" };
