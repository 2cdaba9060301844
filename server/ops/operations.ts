/** The operations of the admin API, as its OpenAPI document describes them. */
import { z } from "zod";
import type { ErrorCode } from "../../shard/errors.ts";
import { AUDIT_QUERY } from "./audit_api.ts";
import { CREATE, LIST, PASSWORD } from "./account_schemas.ts";
import { LEAVE as LEAVE_CELLS } from "./cells_api.ts";
import { DRAIN, LEAVE, MOVE } from "./cluster_api.ts";
import { EVACUATE, EVACUATION, MOVE_USER, MOVED_USER } from "./moves_api.ts";
import { HEAP, LEVEL } from "./inspect_api.ts";
import { ADD, SET } from "./services_api.ts";
import { COUNT, MERGE, RELOAD, SPLIT, STEP } from "./shards_api.ts";
import { HAND_BACK, PROMOTE } from "./standby_api.ts";
import { ADD_OPERATOR, CHANGE_OPERATOR, ROTATE_OPERATOR } from "./operators_api.ts";
import { LATEST } from "./trace_api.ts";
import { APPEND, BEGIN, CREDENTIALS, FINISH, LOOK, PAGE } from "./transfer_api.ts";

/** The groups of operations. */
export const TAGS = {
  Accounts: "Accounts and their devices.",
  Invites: "Invites for registration.",
  Nodes: "The nodes of the cell, and the other cells of a federation.",
  Shards: "The shards of the cell, their number and their owners.",
  Services: "Gateways for other systems, webhooks and experiments.",
  Transfer: "Export and import of accounts.",
  Operators: "People with tokens and roles of their own.",
  Audit: "What administrators and services have done, and sign-ins.",
  Server: "Settings, metrics, logs, traces and profiles.",
  Load: "Accounts of the load tool.",
} as const;

/** One operation; any of them is refused without the token, and can be busy. */
export interface AdminOperation {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  /** More than the summary says. */
  readonly detail?: string;
  readonly tag: keyof typeof TAGS;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Refusals besides those that all have. */
  readonly errors?: readonly ErrorCode[];
}

type More = Pick<AdminOperation, "detail" | "query" | "body" | "errors">;
type Row = readonly [
  id: string,
  route: `${AdminOperation["method"]} ${string}`,
  summary: string,
  more?: More,
];

function tagged(tag: keyof typeof TAGS, rows: readonly Row[]): readonly AdminOperation[] {
  return rows.map(([id, route, summary, more]) => {
    const [method, path] = route.split(" ") as [AdminOperation["method"], string];
    return { id, method, path, summary, tag, ...more };
  });
}

const USER = "/admin/users/{user}";
const SERVICE = "/admin/services/{name}";
const OPERATOR = "/admin/operators/{name}";
/** The account may be missing, or not in the state for it. */
const OF_USER = { errors: ["bad_request", "not_found", "conflict"] } as const;
const MISSING = { errors: ["not_found"] } as const;
const OF_SHARD = { errors: ["not_found", "conflict", "busy"] } as const;
const OF_NODE = { errors: ["not_found", "conflict"] } as const;
const LIVE = z.object({
  after: z.int().min(0).optional().describe("Samples after this number"),
  node: z.string().optional().describe("Samples of this node; without it, of the one asked"),
});
const DEAD = z.object({ after: z.int().min(0).optional().describe("Events after this number") });

/** All of them. */
export const ADMIN_OPERATIONS: readonly AdminOperation[] = [
  ...tagged("Accounts", [
    ["listUsers", "GET /admin/users", "List accounts, page by page", {
      query: LIST,
      errors: ["bad_request"],
    }],
    ["createUser", "POST /admin/users", "Create an account", { ...OF_USER, body: CREATE }],
    ["getUser", `GET ${USER}`, "Show an account", OF_USER],
    ["removeUser", `DELETE ${USER}`, "Delete an account", OF_USER],
    ["setPassword", `PUT ${USER}/password`, "Set a password, which signs all devices out", {
      ...OF_USER,
      body: PASSWORD,
    }],
    ["resetLink", `POST ${USER}/reset-link`, "Make a link that sets a new password once", OF_USER],
    ["clearFactors", `POST ${USER}/factors/clear`, "Remove all second factors", OF_USER],
    ["disableUser", `POST ${USER}/disable`, "Disable an account", OF_USER],
    ["enableUser", `POST ${USER}/enable`, "Enable an account again", OF_USER],
    ["releaseUser", `POST ${USER}/release`, "Release the name of a deleted account", OF_USER],
    ["signOutUser", `POST ${USER}/sign-out`, "Sign out all devices of an account", OF_USER],
    ["listDevices", `GET ${USER}/devices`, "List the devices of an account", OF_USER],
    ["revokeDevice", `DELETE ${USER}/devices/{device}`, "Sign out one device", OF_USER],
  ]),
  ...tagged("Invites", [
    ["createInvite", "POST /admin/invites", "Create an invite"],
    ["listInvites", "GET /admin/invites", "List the invites"],
    ["revokeInvite", "DELETE /admin/invites/{id}", "Revoke an invite", MISSING],
  ]),
  ...tagged("Nodes", [
    ["cluster", "GET /admin/cluster", "Show the nodes and how far shards are where they should be"],
    ["drainNode", "POST /admin/cluster/drain", "Take all shards from a node, or undo that", {
      ...OF_NODE,
      body: DRAIN,
    }],
    ["leaveCluster", "POST /admin/cluster/leave", "Drain a node and end it", {
      ...OF_NODE,
      body: LEAVE,
    }],
    ["rebalance", "POST /admin/cluster/rebalance", "Even out the load of the nodes", OF_NODE],
    ["dashboardCell", "GET /admin/cell", "Show all nodes, with their load, as the dashboard does"],
    ["dashboardLive", "GET /admin/live", "Get the samples of one node, as the dashboard does", {
      query: LIVE,
      errors: ["bad_request", "not_found"],
    }],
    ["cells", "GET /admin/cells", "Show the cells of the federation", { errors: ["conflict"] }],
    ["cellsHistory", "GET /admin/cells/history", "Get samples of the links with other cells", {
      errors: ["conflict"],
    }],
    ["checkCells", "GET /admin/cells/check", "Compare the names of cells before they join"],
    ["joinCells", "POST /admin/cells/join", "Make this cell a member of the federation", OF_NODE],
    ["showStandby", "GET /admin/standby", "Show the copies of stores in this cell and of its own"],
    ["promoteStandby", "POST /admin/standby/promote", "Serve a cell from its copy here", {
      body: PROMOTE,
      errors: ["conflict"],
    }],
    ["handBackStandby", "POST /admin/standby/handback", "Hand a cell back to its own place", {
      body: HAND_BACK,
      errors: ["conflict"],
    }],
    ["leaveCells", "POST /admin/cells/leave", "Take a cell out of the federation", {
      ...OF_NODE,
      body: LEAVE_CELLS,
    }],
    ["moveUser", "POST /admin/cells/move-user", "Move an account to another cell", {
      ...OF_NODE,
      body: MOVE_USER,
    }],
    ["movedUser", "GET /admin/cells/move-user", "Show how far the move of an account is", {
      errors: ["bad_request", "not_found", "conflict"],
      query: MOVED_USER,
    }],
    ["cancelMoveUser", "DELETE /admin/cells/move-user", "Give the move of an account up", {
      errors: ["bad_request", "not_found", "conflict"],
      query: MOVED_USER,
    }],
    ["evacuation", "GET /admin/cells/evacuate", "Show the evacuation of this cell", {
      errors: ["conflict"],
    }],
    ["evacuate", "POST /admin/cells/evacuate", "Move all accounts of this cell to others", {
      ...OF_NODE,
      body: EVACUATE,
    }],
    ["changeEvacuation", "PUT /admin/cells/evacuate", "Pause or stop an evacuation, or go on", {
      ...OF_NODE,
      body: EVACUATION,
    }],
  ]),
  ...tagged("Shards", [
    ["shardOwners", "GET /admin/cluster/shards", "List the shards and their owners"],
    ["moveShard", "POST /admin/cluster/move", "Move a shard to a node", {
      ...OF_SHARD,
      body: MOVE,
    }],
    ["shards", "GET /admin/shards", "List the shards with what they have to do, for a second"],
    ["shardWork", "GET /admin/shards/work", "Show the change of the number of shards"],
    ["planShards", "POST /admin/shards/plan", "Plan the changes to a number of shards", {
      body: COUNT,
    }],
    ["stepShards", "POST /admin/shards/step", "Make one change of a plan", {
      ...OF_SHARD,
      body: STEP,
    }],
    ["setShards", "POST /admin/shards/set", "Begin to change the number of shards", {
      ...OF_SHARD,
      body: COUNT,
    }],
    ["splitShard", "POST /admin/shards/split", "Split a shard in two", {
      ...OF_SHARD,
      body: SPLIT,
    }],
    ["mergeShards", "POST /admin/shards/merge", "Merge shards that follow each other", {
      ...OF_SHARD,
      body: MERGE,
    }],
    ["reloadShard", "POST /admin/shards/reload", "Read a shard again from the store", {
      ...OF_SHARD,
      body: RELOAD,
    }],
  ]),
  ...tagged("Services", [
    ["listServices", "GET /admin/services", "List the services"],
    ["addService", "POST /admin/services", "Add a service; the response has its token", {
      body: ADD,
      errors: ["conflict"],
    }],
    ["removeService", `DELETE ${SERVICE}`, "Remove a service", MISSING],
    ["listWebhooks", `GET ${SERVICE}/webhooks`, "List the webhooks of a service", MISSING],
    ["deadLetters", `GET ${SERVICE}/webhooks/{id}/dead`, "List the dead letters of a webhook", {
      ...MISSING,
      query: DEAD,
    }],
    ["replayWebhook", `POST ${SERVICE}/webhooks/{id}/replay`, "Send dead letters again", MISSING],
    ["listExperiments", "GET /admin/experiments", "List the experiments"],
    ["setExperiment", "PUT /admin/experiments/{name}", "Set the arms of an experiment", {
      ...MISSING,
      body: SET,
    }],
  ]),
  ...tagged("Transfer", [
    ["exportHead", "GET /admin/export", "Begin an export", { query: CREDENTIALS }],
    ["exportUser", "GET /admin/export/{user}", "Export an account without its events", {
      ...MISSING,
      query: CREDENTIALS,
    }],
    ["exportEvents", "GET /admin/export/{user}/events", "Export a page of events", {
      ...MISSING,
      query: PAGE,
    }],
    ["lookImport", "POST /admin/import/look", "Show how far an account is imported", {
      body: LOOK,
      errors: ["conflict"],
    }],
    ["beginImport", "POST /admin/import/begin", "Begin to import an account", {
      body: BEGIN,
      errors: ["conflict"],
    }],
    ["appendImport", "POST /admin/import/append", "Import contacts and events", {
      body: APPEND,
      errors: ["conflict"],
    }],
    ["finishImport", "POST /admin/import/finish", "Finish the import of an account", {
      body: FINISH,
      errors: ["conflict"],
    }],
  ]),
  ...tagged("Operators", [
    ["whoAmI", "GET /admin/me", "Show who the token is of, its role, and what that may do"],
    ["listOperators", "GET /admin/operators", "List the operators"],
    ["addOperator", "POST /admin/operators", "Add an operator; the response has its token", {
      body: ADD_OPERATOR,
      errors: ["bad_request", "conflict", "limit_reached"],
    }],
    ["changeOperator", `PUT ${OPERATOR}`, "Change the role of an operator, or disable it", {
      body: CHANGE_OPERATOR,
      errors: ["bad_request", "not_found"],
    }],
    [
      "removeOperator",
      `DELETE ${OPERATOR}`,
      "Remove an operator, whose token ends at once",
      MISSING,
    ],
    ["rotateOperator", `POST ${OPERATOR}/rotate`, "Give an operator another token", {
      body: ROTATE_OPERATOR,
      errors: ["bad_request", "not_found"],
    }],
  ]),
  ...tagged("Audit", [
    ["auditEntries", "GET /admin/audit", "List entries of the audit log, page by page", {
      query: AUDIT_QUERY,
      errors: ["bad_request"],
    }],
    ["checkAudit", "GET /admin/audit/check", "Check that no entry was changed or removed"],
  ]),
  ...tagged("Server", [
    ["status", "GET /admin/status", "Show the version and the domain"],
    ["config", "GET /admin/config", "List the settings, and where other nodes differ"],
    ["listener", "GET /admin/listener", "Show where the server listens for clients"],
    ["reloadToken", "POST /admin/token/reload", "Read the admin token again"],
    ["metrics", "GET /admin/metrics", "Get metrics, of all workers of the machine"],
    ["metricsHere", "GET /metrics", "Get the same metrics"],
    ["ownMetrics", "GET /admin/metrics/own", "Get the metrics of this process"],
    ["logLevel", "GET /admin/log", "Show the log levels of all nodes"],
    ["setLogLevel", "PUT /admin/log", "Set the log levels of all nodes", { body: LEVEL }],
    ["latestTraces", "GET /admin/traces", "List the latest traced messages", { query: LATEST }],
    ["trace", "GET /admin/traces/{trace}", "Show the steps of one message", MISSING],
    ["startCpuProfile", "POST /admin/profile/cpu/start", "Begin a CPU profile", {
      errors: ["conflict"],
    }],
    ["stopCpuProfile", "POST /admin/profile/cpu/stop", "End the CPU profile", {
      errors: ["conflict"],
    }],
    ["heapSnapshot", "POST /admin/profile/heap", "Write a heap snapshot to a file", {
      body: HEAP,
      errors: ["busy"],
    }],
    ["document", "GET /admin/openapi.json", "Get this document"],
  ]),
  ...tagged("Load", [
    ["provision", "POST /admin/provision", "Create accounts of the load tool", {
      body: z.object({}).describe("As the load tool sends it"),
    }],
  ]),
];
