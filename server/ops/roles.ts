/** What operators may do: each operation of the admin API has its least role. */

/**
 * The roles, each of which may do what those before it may: read what the admin API shows; manage users
 * and invites; everything.
 */
export const ROLES = ["viewer", "operator", "admin"] as const;
/** One of `ROLES`. */
export type Role = (typeof ROLES)[number];

/**
 * The ids of the operations, by their least role. An operator can make a link for a new password, and so
 * act as any user; exports have messages and, where wanted, the keys of passwords.
 */
export const OPERATIONS_OF: Readonly<Record<Role, readonly string[]>> = {
  viewer: [
    "listUsers",
    "getUser",
    "listDevices",
    "listInvites",
    "cluster",
    "dashboardCell",
    "dashboardLive",
    "cells",
    "cellsHistory",
    "checkCells",
    "showStandby",
    "movedUser",
    "evacuation",
    "shardOwners",
    "shards",
    "shardWork",
    "planShards",
    "listServices",
    "listWebhooks",
    "deadLetters",
    "listExperiments",
    "auditEntries",
    "status",
    "config",
    "listener",
    "metrics",
    "metricsHere",
    "ownMetrics",
    "logLevel",
    "latestTraces",
    "trace",
    "document",
    "whoAmI",
    "listOperators",
  ],
  operator: [
    "createUser",
    "removeUser",
    "setPassword",
    "resetLink",
    "disableUser",
    "enableUser",
    "releaseUser",
    "signOutUser",
    "revokeDevice",
    "clearFactors",
    "createInvite",
    "revokeInvite",
  ],
  admin: [
    "checkAudit",
    "drainNode",
    "leaveCluster",
    "rebalance",
    "joinCells",
    "promoteStandby",
    "handBackStandby",
    "leaveCells",
    "moveUser",
    "cancelMoveUser",
    "evacuate",
    "changeEvacuation",
    "moveShard",
    "stepShards",
    "setShards",
    "splitShard",
    "mergeShards",
    "reloadShard",
    "addService",
    "removeService",
    "replayWebhook",
    "setExperiment",
    "exportHead",
    "exportUser",
    "exportEvents",
    "lookImport",
    "beginImport",
    "appendImport",
    "finishImport",
    "reloadToken",
    "setLogLevel",
    "startCpuProfile",
    "stopCpuProfile",
    "heapSnapshot",
    "provision",
    "addOperator",
    "changeOperator",
    "removeOperator",
    "rotateOperator",
  ],
};

const LEAST: ReadonlyMap<string, Role> = new Map(
  ROLES.flatMap((role) => OPERATIONS_OF[role].map((id) => [id, role] as const)),
);

/** The least role for an operation; for one that is not in the table, `admin`. */
export function leastRole(id: string): Role {
  return LEAST.get(id) ?? "admin";
}

/** Whether a role may do what another one may. */
export function includes(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}
