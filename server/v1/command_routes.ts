/** The REST routes that are commands: which request carries which command's fields where. */
import { type ErrorCode, ok, type Result } from "../../shard/errors.ts";
import type { ReachedSession } from "../edge/reach.ts";
import { type CommandContext, type JsonText, routerOf } from "./command.ts";
import { FRAME_EXAMPLES } from "./examples.ts";
import type { Protocol } from "./protocol.ts";
import type { CommandName } from "./schemas.ts";
import {
  answered,
  type Call,
  callerOf,
  chargeCaller,
  namedSession,
  type Route,
} from "./rest_call.ts";

interface Row extends Pick<Route, "method" | "path" | "answer"> {
  readonly command: CommandName;
  readonly from?: Route["from"];
  readonly fixed?: Route["fixed"];
  readonly errors?: readonly ErrorCode[];
  /** The operation's id where the command has several routes. */
  readonly id?: string;
  readonly summary?: string;
  readonly compressed?: true;
}

const CONTACT = { contact: "path" } as const;

const PASSKEY_ROWS: readonly Row[] = [
  { command: "passkeys", method: "GET", path: "/v1/passkeys", answer: { listOf: "Passkey" } },
  {
    command: "passkey_ask",
    method: "POST",
    path: "/v1/passkeys/ask",
    answer: "PasskeyAsked",
    errors: ["forbidden", "unsupported", "not_found", "second_factor_required"],
  },
  {
    command: "passkey_add",
    method: "POST",
    path: "/v1/passkeys",
    answer: "PasskeyAdded",
    errors: ["forbidden", "conflict", "limit_reached", "second_factor_required"],
  },
  {
    command: "passkey_name",
    method: "PUT",
    path: "/v1/passkeys/{passkey}",
    from: { passkey: "path" },
    answer: null,
    errors: ["not_found"],
  },
  {
    command: "passkey_remove",
    method: "POST",
    path: "/v1/passkeys/{passkey}/remove",
    from: { passkey: "path" },
    answer: null,
    errors: ["forbidden", "not_found", "conflict", "second_factor_required"],
  },
];

const ROWS: readonly Row[] = [
  {
    command: "send",
    method: "POST",
    path: "/v1/messages",
    from: { key: { header: "Idempotency-Key", required: true } },
    answer: "Sent",
    errors: ["forbidden", "not_found", "limit_reached", "conflict"],
  },
  ...(["edit", "remove", "react"] as const).map((command): Row => ({
    command,
    method: "POST",
    path: {
      edit: "/v1/messages/edits",
      remove: "/v1/messages/removals",
      react: "/v1/messages/reactions",
    }[command],
    from: { key: { header: "Idempotency-Key", required: true } },
    answer: "Sent",
    errors: ["forbidden", "not_found", "limit_reached", "conflict"],
  })),
  {
    command: "history",
    method: "GET",
    path: "/v1/conversations/{with}/messages",
    from: { with: "path", before: "number", after: "number", limit: "number" },
    answer: "History",
    compressed: true,
    errors: ["not_found"],
  },
  {
    command: "search",
    method: "GET",
    path: "/v1/search",
    from: { text: "query", with: "query", before: "number", limit: "number" },
    answer: "Found",
    compressed: true,
    errors: ["not_found"],
  },
  {
    command: "read",
    method: "PUT",
    path: "/v1/conversations/{with}/read",
    from: { with: "path" },
    answer: "Unread",
    errors: ["not_found"],
  },
  {
    command: "snapshot",
    method: "GET",
    path: "/v1/snapshot",
    answer: "SnapshotAt",
    compressed: true,
  },
  { command: "ack", method: "POST", path: "/v1/ack", answer: null },
  {
    command: "presence",
    method: "PUT",
    path: "/v1/presence",
    answer: null,
    errors: ["not_found"],
  },
  {
    command: "signal",
    method: "POST",
    path: "/v1/signals",
    answer: null,
    errors: ["forbidden", "not_found"],
  },
  {
    command: "contact",
    method: "PUT",
    path: "/v1/contacts/{contact}",
    from: CONTACT,
    answer: "Contact",
    errors: ["not_found", "limit_reached"],
  },
  {
    command: "uncontact",
    method: "DELETE",
    path: "/v1/contacts/{contact}",
    from: CONTACT,
    answer: null,
    errors: ["not_found"],
  },
  {
    command: "subscription",
    method: "POST",
    path: "/v1/contacts/{contact}/subscription",
    from: CONTACT,
    answer: null,
    errors: ["forbidden", "not_found", "limit_reached"],
  },
  {
    command: "block",
    method: "PUT",
    path: "/v1/blocked/{contact}",
    from: CONTACT,
    fixed: { blocked: true },
    answer: null,
    errors: ["not_found", "limit_reached"],
    summary: "blocks an account",
  },
  {
    command: "block",
    id: "unblock",
    method: "DELETE",
    path: "/v1/blocked/{contact}",
    from: CONTACT,
    fixed: { blocked: false },
    answer: null,
    errors: ["not_found"],
    summary: "unblocks an account",
  },
  { command: "settings", method: "PUT", path: "/v1/settings", answer: null },
  {
    command: "push",
    method: "PUT",
    path: "/v1/push",
    answer: null,
    errors: ["limit_reached", "unsupported"],
  },
  { command: "unpush", method: "DELETE", path: "/v1/push", answer: null },
  { command: "pushes", method: "GET", path: "/v1/push", answer: { listOf: "Push" } },
  { command: "devices", method: "GET", path: "/v1/devices", answer: { listOf: "Device" } },
  {
    command: "revoke",
    method: "DELETE",
    path: "/v1/devices/{device}",
    from: { device: "path" },
    answer: null,
    errors: ["not_found"],
  },
  {
    command: "password",
    method: "PUT",
    path: "/v1/password",
    answer: null,
    errors: ["forbidden"],
  },
  { command: "factors", method: "GET", path: "/v1/factors", answer: "Factors" },
  {
    command: "totp",
    method: "POST",
    path: "/v1/factors/totp",
    answer: "TotpSetup",
    errors: ["forbidden", "conflict", "second_factor_required"],
  },
  {
    command: "totp_on",
    method: "PUT",
    path: "/v1/factors/totp",
    answer: "RecoveryCodes",
    errors: ["forbidden", "conflict", "second_factor_required"],
  },
  {
    command: "totp_off",
    method: "POST",
    path: "/v1/factors/totp/off",
    answer: null,
    errors: ["forbidden", "not_found"],
  },
  {
    command: "recovery",
    method: "POST",
    path: "/v1/factors/recovery",
    answer: "RecoveryCodes",
    errors: ["forbidden", "not_found"],
  },
  ...PASSKEY_ROWS,
  {
    command: "signout",
    method: "DELETE",
    path: "/v1/auth",
    answer: null,
    summary: "revokes the token of this request and ends its device's session",
  },
];

/** All rows of this file. */
export function commandRoutes(protocol: Protocol): readonly Route[] {
  return ROWS.map((row) => commandRoute(protocol, row));
}

function commandRoute(protocol: Protocol, row: Row): Route {
  const command = protocol.commands[row.command];
  const summary = row.summary ?? command.summary;
  return {
    id: row.id ?? row.command,
    method: row.method,
    path: row.path,
    summary: summary[0]!.toUpperCase() + summary.slice(1),
    access: "bearer",
    input: protocol.schemas.commands[row.command],
    from: row.from ?? {},
    fixed: row.fixed ?? {},
    cost: command.cost,
    rate: command.rate,
    status: row.answer === null ? 204 : 200,
    answer: row.answer,
    ...(row.compressed === undefined ? {} : { compressed: row.compressed }),
    example: exampleOf(row),
    errors: row.errors ?? [],
    async run(call, input) {
      const refusal = command.write ? call.deps.admit("write") : null;
      if (refusal !== null) return refusal;
      const session = row.command === "presence" ? namedSession(call) : ok(null);
      if (!session.ok) return session;
      const ctx = contextOf(call, session.value);
      return await answered<Result<JsonText>>((done) => command.run(ctx, input, done));
    },
  };
}

function exampleOf({ command, fixed }: Row): Route["example"] {
  const { t: _, id: __, ...input } = FRAME_EXAMPLES[command];
  return { ...input, ...fixed };
}

function contextOf(call: Call, session: ReachedSession | null): CommandContext {
  const { signIn, clock, domain, protocol, limited } = call.deps;
  const { user, device, accountId } = callerOf(call);
  const { limits } = protocol;
  const { address } = call;
  const charge = (cost: number) => chargeCaller(call, cost);
  const who = { user, device, session, address };
  const router = routerOf(call.deps.router, accountId);
  return { router, signIn, clock, domain, limits, ...who, limited, charge };
}
