/** A client of the admin API, whatever carries the requests. */
import type { Hono } from "hono";
import { actorHeaders } from "../ops/actor.ts";
import { z } from "zod";
import type { AccountPage } from "../ops/api.ts";
import type { CliHost } from "./host.ts";
import type { Missing } from "../node/asks.ts";
import { visible } from "../text/visible.ts";
import type { Invite, InviteView } from "../ops/invites.ts";
import type { ResetLink } from "../ops/resets.ts";
import type { AdminRequest, AdminTransport } from "../ops/transport.ts";
import { type TransferClient, transferClient } from "./transfer_client.ts";
import type { AccountView, DeviceView } from "../../shard/ops.ts";

/** The server refused; the message is meant for people. */
export class AdminError extends Error {
  override readonly name = "AdminError";
  /** A code of the closed list. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Which accounts are listed; what is absent does not narrow the list. */
export interface ListFilter {
  readonly match?: string | undefined;
  readonly state?: "online" | "active" | "disabled" | "deleted" | undefined;
  /** false: without the accounts of the load tool. */
  readonly synthetic?: boolean | undefined;
}

/** What an administrator can do. Every method rejects with `AdminError` where it is refused. */
export interface AdminClient {
  /** Any request; the answer must be what `schema` says. */
  call<T>(request: AdminRequest, schema: z.ZodType<T>): Promise<T>;
  status(): Promise<{ readonly version: string; readonly domain: string }>;
  /** password null: an account that only an outside issuer signs in to. */
  addUser(user: string, password: string | null): Promise<{ readonly name: string }>;
  setPassword(user: string, password: string): Promise<void>;
  setDisabled(user: string, disabled: boolean): Promise<void>;
  removeUser(user: string): Promise<void>;
  releaseUser(user: string): Promise<void>;
  listUsers(after: string | null, filter?: ListFilter): Promise<AccountPage>;
  devices(user: string): Promise<readonly DeviceView[]>;
  /** Signs every device out; how many there were. */
  signOut(user: string): Promise<number>;
  resetLink(name: string): Promise<ResetLink>;
  /** Removes the second factors of an account; whether it had any. */
  clearFactors(user: string): Promise<boolean>;
  createInvite(): Promise<Invite>;
  invites(): Promise<readonly InviteView[]>;
  revokeInvite(id: string): Promise<void>;
  readonly transfer: TransferClient;
}

/** Nodes of the cell whose part a reply does not have. */
export const MISSING: z.ZodType<readonly Missing[]> = z.array(z.object({
  node: z.custom<Missing["node"]>((value) => typeof value === "string"),
  why: z.string(),
})).default([]);

/** Names on standard error the nodes whose part is missing in what is printed. */
export function noteMissing(host: Pick<CliHost, "err">, missing: readonly Missing[]): void {
  for (const { node, why } of missing) {
    host.err(`Node ${visible(node)} is missing above: ${visible(why)}.\n`);
  }
}

/** Accounts of one page. */
const PAGE_ACCOUNTS = 500;
const REFUSAL = z.object({ code: z.string(), message: z.string() });
const STATUS = z.object({ version: z.string(), domain: z.string() });
const NAMED = z.object({ name: z.string() });
const LINK: z.ZodType<Invite & ResetLink> = z.object({
  code: z.string(),
  expiresAt: z.number(),
  link: z.string().optional(),
});
const INVITES = z.object({
  invites: z.array(z.object({
    id: z.string(),
    createdAt: z.number(),
    expiresAt: z.number(),
    state: z.enum(["open", "used", "expired", "revoked"]),
    usedBy: z.string().nullable(),
  })),
});
const DEVICES = z.object({
  devices: z.array(z.object({
    device: z.custom<DeviceView["device"]>((value) => typeof value === "string"),
    label: z.string(),
    createdAt: z.number(),
    expiresAt: z.number(),
    online: z.boolean(),
  })),
});
const SIGNED_OUT = z.object({ devices: z.number() });
const CLEARED = z.object({ had: z.boolean() });
const ACCOUNT = z.custom<AccountView>((value) =>
  typeof value === "object" && value !== null && "name" in value && "state" in value
);
const PAGE = z.object({
  accounts: z.array(ACCOUNT),
  next: z.custom<AccountPage["next"]>((value) => value === null || typeof value === "string"),
  total: z.number().nullable(),
  missing: MISSING,
});

/** Sends a request and checks the answer; rejects with `AdminError` where it is refused. */
export type AdminCall = <T>(request: AdminRequest, schema: z.ZodType<T>) => Promise<T>;

/** Sends single requests through `transport`. */
export function adminCall(transport: AdminTransport): AdminCall {
  return async (request, schema) => {
    const { status, body } = await transport(request);
    if (status >= 200 && status < 300) return schema.parse(body);
    const refusal = REFUSAL.safeParse(body);
    if (refusal.success) throw new AdminError(refusal.data.code, refusal.data.message);
    throw new AdminError("unavailable", `The server answered ${request.path} with ${status}`);
  };
}

/** Sends the requests of `AdminClient` through `transport`. */
export function adminClient(transport: AdminTransport): AdminClient {
  const call = adminCall(transport);
  const nothing = async (request: AdminRequest) => void await call(request, z.unknown());
  const userPath = (user: string) => `/admin/users/${encodeURIComponent(user)}`;
  return {
    call,
    status: () => call({ method: "GET", path: "/admin/status" }, STATUS),
    addUser: (user, password) =>
      call({ method: "POST", path: "/admin/users", body: { user, password } }, NAMED),
    setPassword: (user, password) =>
      nothing({ method: "PUT", path: `${userPath(user)}/password`, body: { password } }),
    setDisabled: (user, disabled) =>
      nothing({ method: "POST", path: `${userPath(user)}/${disabled ? "disable" : "enable"}` }),
    removeUser: (user) => nothing({ method: "DELETE", path: userPath(user) }),
    releaseUser: (user) => nothing({ method: "POST", path: `${userPath(user)}/release` }),
    listUsers: (after, { match, state, synthetic } = {}) => {
      const query = new URLSearchParams({ limit: String(PAGE_ACCOUNTS) });
      if (after !== null) query.set("after", after);
      if (match !== undefined) query.set("match", match);
      if (state !== undefined) query.set("state", state);
      if (synthetic === false) query.set("synthetic", "no");
      return call({ method: "GET", path: `/admin/users?${query}` }, PAGE);
    },
    transfer: transferClient(call),
    devices: async (user) =>
      (await call({ method: "GET", path: `${userPath(user)}/devices` }, DEVICES)).devices,
    signOut: async (user) =>
      (await call({ method: "POST", path: `${userPath(user)}/sign-out` }, SIGNED_OUT)).devices,
    resetLink: (name) => call({ method: "POST", path: `${userPath(name)}/reset-link` }, LINK),
    clearFactors: async (user) =>
      (await call({ method: "POST", path: `${userPath(user)}/factors/clear` }, CLEARED)).had,
    createInvite: () => call({ method: "POST", path: "/admin/invites" }, LINK),
    invites: async () => (await call({ method: "GET", path: "/admin/invites" }, INVITES)).invites,
    revokeInvite: (id) =>
      nothing({ method: "DELETE", path: `/admin/invites/${encodeURIComponent(id)}` }),
  };
}

/** Calls an app in this process. */
export function appTransport(app: Hono, actor?: string): AdminTransport {
  const by = actor === undefined ? {} : actorHeaders(actor);
  return async ({ method, path, body }) => {
    const init = body === undefined ? { method, headers: by } : {
      method,
      headers: { ...by, "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const response = await app.request(path, init);
    return { status: response.status, body: await response.json() };
  };
}
