/** Wires the audit log of a node. */
import { Audit } from "./audit/audit.ts";
import { auditOptions } from "./settings.ts";
import type { Config } from "./config/config.ts";
import type { GuardOptions } from "./ops/guard.ts";
import type { LiveLog } from "./system/logger.ts";
import type { NodeId } from "../shard/name/ids.ts";
import type { Clock, Store, Timers } from "./node/ports.ts";
import type { SessionRecords } from "./edge/edge_deps.ts";

/** Makes it; `log`: takes its lines too. */
export function openAudit(
  config: Config,
  { clock, log, store, timers }: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly log: LiveLog;
    readonly store: Store;
  },
  node: NodeId,
): Audit {
  const line = (event: string, fields: Readonly<Record<string, unknown>>) =>
    log.audit(event, fields);
  return new Audit({ store, clock, timers, log, node, line }, auditOptions(config));
}

/** How wrong tokens of the admin API are recorded, and requests that a role does not allow. */
export function guardRecords(audit: Audit): Pick<GuardOptions, "refused" | "forbidden"> {
  const of = { action: "adminSignIn", method: "token" } as const;
  return {
    refused: (address) =>
      audit.failed({ ...of, actor: "unknown", outcome: "unauthorized", address }),
    forbidden: (actor, address, operation) =>
      audit.failed({ actor, address, action: operation, outcome: "forbidden" }),
  };
}

/** How an edge records sessions, where that is wanted. */
export function sessionRecords(audit: Audit): { readonly records?: SessionRecords } {
  if (!audit.sessions) return {};
  return {
    records: {
      opened: ({ address, auth, device, user }) =>
        audit.signIn({
          actor: `user:${user}`,
          action: "openSession",
          outcome: "ok",
          address,
          user,
          device,
          method: auth.kind,
        }),
      ended: ({ device, user }, detail) =>
        audit.signIn({
          actor: `user:${user}`,
          action: "endSession",
          outcome: "ok",
          user,
          device,
          detail,
        }),
    },
  };
}
