/**
 * The admin API: a Hono app that a running node serves on its Unix socket, and that the command
 * line calls in its own process when no node runs. A client that reaches it may do everything: the
 * socket's directory is the fence.
 */
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Invite, Invites } from "./invites.ts";
import type { AccountView, Credentials, OpName, Ops } from "../../shard/ops.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { errorResponse } from "../http/response.ts";
import { auditActions, type RecordAction } from "./audit.ts";
import { CREATE, LIST, PASSWORD } from "./account_schemas.ts";
import type { Missing } from "../node/asks.ts";
import type { ResetLink } from "./resets.ts";
import type { Router } from "../node/router.ts";
import { reservedReason } from "../node/reserved_names.ts";

/** Accounts in the order of their names. */
export interface AccountPage {
  readonly accounts: readonly AccountView[];
  /** Where the next page begins; null on the last. */
  readonly next: AccountName | null;
  /** Accounts on all pages; null where it would take asking each of them. */
  readonly total: number | null;
  /** Nodes that did not reply: their accounts, or the newest of them, are not on the page. */
  readonly missing: readonly Missing[];
}

/** Which accounts are listed. */
export interface PageOptions {
  /** Where the page before ended; null for the first. */
  readonly after: AccountName | null;
  readonly limit: number;
  /** What their names must contain; "" for all. */
  readonly match: string;
  /** Whether those of the load tool are among them. */
  readonly synthetic: boolean;
  /** `online`: with a session now, at any node. The others are states of the account. */
  readonly state: "any" | "online" | "active" | "disabled" | "deleted";
}

/** What the admin API needs of a node. Callbacks answer exactly once. */
export interface AdminDeps {
  readonly domain: string;
  readonly version: string;
  /** The address of the chat as people reach it (`server.publicUrl`); null: not known. */
  readonly publicUrl: string | null;
  /** Takes every action. */
  readonly record: RecordAction;
  readonly router: Pick<Router, "request">;
  /** Checks a password against the rules and makes its keys. */
  credentials(password: string, done: (result: Result<Credentials>) => void): void;
  readonly invites: Pick<Invites, "create" | "list" | "revoke">;
  /** A link by which the user of an account sets a new password. */
  resetLink(user: AccountName, done: (result: Result<ResetLink>) => void): void;
  /** A page of accounts of every state. */
  listAccounts(page: PageOptions, done: (result: Result<AccountPage>) => void): void;
}

/** Bound of a request body. */
const BODY_BYTES_MAX = 65_536;
/** The same where accounts are imported. */
const IMPORT_BYTES_MAX = 2_097_152;
function answer(result: Result<unknown>, status = 200): Response {
  if (!result.ok) return errorResponse(result);
  return Response.json(result.value, { status });
}

/** Turns a callback that is called once into a promise. */
function once<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise(start);
}

function read<T>(schema: z.ZodType<T>, input: unknown): Result<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return fail("bad_request", `Request field ${issue?.path.join(".")}: ${issue?.message}`);
}

async function readJson<T>(schema: z.ZodType<T>, request: Request): Promise<Result<T>> {
  let body: unknown;
  try {
    body = await request.json();
  } catch {
    // The parser's message would quote the body, and with it a password.
    return fail("bad_request", "The request body is not JSON");
  }
  return read(schema, body);
}

/** The operations, over names as people write them. */
class Admin {
  readonly #deps: AdminDeps;

  constructor(deps: AdminDeps) {
    this.#deps = deps;
  }

  name(text: string): Result<AccountName> {
    const check = parseAddress(text, this.#deps.domain);
    if (check.ok) return ok(check.name);
    return fail("bad_request", `${JSON.stringify(text)} is no account name: ${check.reason}`);
  }

  async ask<K extends OpName>(
    user: string,
    op: K,
    input: Ops[K]["in"],
  ): Promise<Result<Ops[K]["out"]>> {
    const name = this.name(user);
    if (!name.ok) return name;
    return await once((done) => this.#deps.router.request(name.value, op, input, done));
  }

  credentials(password: string): Promise<Result<Credentials>> {
    return once((done) => this.#deps.credentials(password, done));
  }

  async create(user: string, password: string | null): Promise<Result<unknown>> {
    const name = this.name(user);
    if (!name.ok) return name;
    const reserved = reservedReason(name.value);
    if (reserved !== null) {
      return fail("bad_request", `Cannot create ${name.value}: ${reserved}`);
    }
    const credentials = password === null ? ok(null) : await this.credentials(password);
    if (!credentials.ok) return credentials;
    const created = await this.ask(user, "account.create", { credentials: credentials.value });
    return created.ok ? ok({ name: name.value, id: created.value.id }) : created;
  }

  async setPassword(user: string, password: string): Promise<Result<null>> {
    const credentials = await this.credentials(password);
    if (!credentials.ok) return credentials;
    const input = { credentials: credentials.value, keepDevice: null, proof: null };
    return await this.ask(user, "account.setCredentials", input);
  }

  async resetLink(user: string): Promise<Result<ResetLink>> {
    const name = this.name(user);
    if (!name.ok) return name;
    return await once((done) => this.#deps.resetLink(name.value, done));
  }

  async list(query: unknown): Promise<Result<AccountPage>> {
    const page = read(LIST, query);
    if (!page.ok) return page;
    const after = page.value.after === undefined ? ok(null) : this.name(page.value.after);
    if (!after.ok) return after;
    const { limit, match, synthetic, state } = page.value;
    const options = {
      after: after.value,
      limit,
      match: match.trim().toLowerCase(),
      synthetic: synthetic === "yes",
      state,
    };
    return await once((done) => this.#deps.listAccounts(options, done));
  }
}

function bodyOf(maxSize: number): MiddlewareHandler {
  const onError = () => errorResponse(fail("too_large", `The body is over ${maxSize} bytes`));
  return bodyLimit({ maxSize, onError });
}

/** Makes the app. Every refusal is `{code, message, retryAfterMs?}` with the code's status. */
export function createAdminApp(deps: AdminDeps): Hono {
  const app = new Hono();
  const admin = new Admin(deps);
  const [small, large] = [bodyOf(BODY_BYTES_MAX), bodyOf(IMPORT_BYTES_MAX)];
  app.use(auditActions(deps.record));
  app.use((c, next) => (c.req.path.startsWith("/admin/import/") ? large : small)(c, next));
  app.notFound(() => errorResponse(fail("not_found", "There is no such admin operation")));
  app.get("/admin/status", (c) => c.json({ version: deps.version, domain: deps.domain }));
  app.get("/admin/users", async (c) => answer(await admin.list(c.req.query())));
  app.post("/admin/users", async (c) => {
    const input = await readJson(CREATE, c.req.raw);
    if (!input.ok) return errorResponse(input);
    return answer(await admin.create(input.value.user, input.value.password), 201);
  });
  app.get("/admin/users/:user", async (c) => {
    return answer(await admin.ask(c.req.param("user"), "account.info", {}));
  });
  app.delete("/admin/users/:user", async (c) => {
    return answer(await admin.ask(c.req.param("user"), "account.remove", {}));
  });
  app.put("/admin/users/:user/password", async (c) => {
    const input = await readJson(PASSWORD, c.req.raw);
    if (!input.ok) return errorResponse(input);
    return answer(await admin.setPassword(c.req.param("user"), input.value.password));
  });
  app.post("/admin/users/:user/reset-link", async (c) => {
    return answer(await admin.resetLink(c.req.param("user")), 201);
  });
  for (const [verb, disabled] of [["disable", true], ["enable", false]] as const) {
    app.post(`/admin/users/:user/${verb}`, async (c) => {
      return answer(await admin.ask(c.req.param("user"), "account.setDisabled", { disabled }));
    });
  }
  app.post("/admin/users/:user/release", async (c) => {
    return answer(await admin.ask(c.req.param("user"), "account.release", {}));
  });
  app.post("/admin/users/:user/factors/clear", async (c) => {
    return answer(await admin.ask(c.req.param("user"), "account.clearFactors", {}));
  });
  addDeviceRoutes(app, admin);
  addInviteRoutes(app, deps);
  return app;
}

function addDeviceRoutes(app: Hono, admin: Admin): void {
  app.get("/admin/users/:user/devices", async (c) => {
    const devices = await admin.ask(c.req.param("user"), "device.list", {});
    return answer(devices.ok ? ok({ devices: devices.value }) : devices);
  });
  app.delete("/admin/users/:user/devices/:device", async (c) => {
    const { user, device } = c.req.param();
    return answer(await admin.ask(user, "device.revoke", { device: device as DeviceId }));
  });
  app.post("/admin/users/:user/sign-out", async (c) => {
    return answer(await admin.ask(c.req.param("user"), "account.signOut", {}));
  });
}

/** The link that opens the chat's form for a new account with an invite. */
function inviteLink(publicUrl: string, code: string): string {
  return `${publicUrl.replace(/\/$/, "")}/?invite=${encodeURIComponent(code)}`;
}

function addInviteRoutes(app: Hono, { invites, publicUrl }: AdminDeps): void {
  app.post("/admin/invites", async () => {
    const made = await once<Result<Invite>>((done) => invites.create(done));
    if (!made.ok || publicUrl === null) return answer(made, 201);
    return answer(ok({ ...made.value, link: inviteLink(publicUrl, made.value.code) }), 201);
  });
  app.get("/admin/invites", async () => {
    const all = await once<Result<unknown>>((done) => invites.list(done));
    return answer(all.ok ? ok({ invites: all.value }) : all);
  });
  app.delete("/admin/invites/:id", async (c) => {
    const id = c.req.param("id");
    return answer(await once<Result<null>>((done) => invites.revoke(id, done)));
  });
}
