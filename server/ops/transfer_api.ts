/** The admin API's routes for export and import: pages of lines, in both directions. */
import type { Hono } from "hono";
import { z } from "zod";
import type { AccountName } from "../../shard/name/ids.ts";
import type { AdminDeps } from "./api.ts";
import type { Ports } from "../node/ports.ts";
import type { Result } from "../../shard/errors.ts";
import { conversationsTotalMax } from "../../shard/limits.ts";
import { ACCOUNT_LINE, ITEM_LINE } from "../transfer/line_schemas.ts";
import { errorResponse } from "../http/response.ts";
import { exportEvents, exportHead } from "../transfer/exporter.ts";
import { fail, type Failure, ok } from "../../shard/errors.ts";
import { headLine } from "../transfer/lines.ts";
import { Importer, type ImportTarget } from "../transfer/importer.ts";
import { reservedReason } from "../node/reserved_names.ts";
import { newId, type SessionId } from "../../shard/name/ids.ts";
import { parseAddress } from "../../shard/name/name.ts";

/** The settings that bound what an imported account may have. */
export interface ImportLimits {
  readonly rosterMax: number;
  readonly pendingRequestsMax: number;
  readonly blockedMax: number;
  readonly conversationsMax: number;
  /** Iterations that password keys may have: another count would show that the account exists. */
  readonly iterations: readonly number[];
}

/** The query of an export. */
export const CREDENTIALS = z.object({ credentials: z.enum(["true", "false"]).default("false") });
/** The query of a page of events. */
export const PAGE = z.object({
  after: z.coerce.number().int(),
  upTo: z.coerce.number().int(),
  first: z.coerce.number().int().default(Number.MAX_SAFE_INTEGER),
});
const target = {
  export: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
  source: z.string(),
  user: z.string(),
};
const count = z.number().int().min(0);
/** The body of a look. */
export const LOOK = z.object({
  ...target,
  account: ACCOUNT_LINE.optional(),
  has: z.object({ contacts: count, blocked: count, conversations: count }).optional(),
});
/** The body of the beginning of an import. */
export const BEGIN = z.object({ ...target, account: ACCOUNT_LINE });
/** The body of what is imported. */
export const APPEND = z.object({ ...target, items: z.array(ITEM_LINE).max(1000) });
/** The body of the end of an import. */
export const FINISH = z.object({ ...target, disabled: z.boolean() });

function read<T>(schema: z.ZodType<T>, input: unknown): Result<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return fail("bad_request", `Request field ${issue?.path.join(".")}: ${issue?.message}`);
}

function answer(result: Result<unknown>): Response {
  return result.ok ? Response.json(result.value) : errorResponse(result);
}

class Transfers {
  readonly #admin: AdminDeps;
  readonly #ports: Pick<Ports, "clock" | "random">;
  readonly #limits: ImportLimits;
  readonly #importer: Importer;

  constructor(
    admin: AdminDeps,
    ports: Pick<Ports, "clock" | "random">,
    limits: ImportLimits,
  ) {
    this.#admin = admin;
    this.#ports = ports;
    this.#limits = limits;
    this.#importer = new Importer(admin.router, ports.random);
  }

  name(text: string): Result<AccountName> {
    const check = parseAddress(text, this.#admin.domain);
    if (check.ok) return ok(check.name);
    return fail("bad_request", `${JSON.stringify(text)} is no account name: ${check.reason}`);
  }

  head(query: unknown): Result<unknown> {
    const input = read(CREDENTIALS, query);
    if (!input.ok) return input;
    const { domain, version } = this.#admin;
    const { random, clock } = this.#ports;
    const line = headLine({
      export: newId<SessionId>(random.bytes(12)),
      domain,
      program: version,
      at: clock.wallMs(),
      credentials: input.value.credentials === "true",
    });
    return ok({ line });
  }

  async account(user: string, query: unknown): Promise<Result<unknown>> {
    const name = this.name(user);
    if (!name.ok) return name;
    const input = read(CREDENTIALS, query);
    if (!input.ok) return input;
    return await exportHead(this.#admin.router, name.value, input.value.credentials === "true");
  }

  async events(user: string, query: unknown): Promise<Result<unknown>> {
    const name = this.name(user);
    if (!name.ok) return name;
    const page = read(PAGE, query);
    if (!page.ok) return page;
    return await exportEvents(this.#admin.router, name.value, page.value);
  }

  #target(input: { export: string; source: string; user: string }): Result<ImportTarget> {
    const source = this.name(input.source);
    if (!source.ok) return source;
    const user = this.name(input.user);
    if (!user.ok) return user;
    const reserved = reservedReason(user.value);
    if (reserved !== null) {
      return fail("bad_request", `Cannot import to ${user.value}: ${reserved}`);
    }
    return ok({ export: input.export, source: source.value, user: user.value });
  }

  /** Why an account cannot be imported whole, judged before any of it is written; null: it can. */
  unfit({ account, has }: Omit<z.infer<typeof LOOK>, keyof ImportTarget>): Failure | null {
    const limits = this.#limits;
    const bounds = [
      ["contacts", has?.contacts ?? 0, limits.rosterMax + limits.pendingRequestsMax],
      ["blocked names", has?.blocked ?? 0, limits.blockedMax],
      ["conversations", has?.conversations ?? 0, conversationsTotalMax(limits)],
    ] as const;
    for (const [what, count, max] of bounds) {
      if (count <= max) continue;
      const message = `Cannot import: it has ${count} ${what}, and an account may have ${max} here`;
      return fail("limit_reached", message);
    }
    for (const key of [account?.credentials?.sha256, account?.credentials?.sha1]) {
      if (!key || limits.iterations.includes(key.iterations)) continue;
      return fail(
        "bad_request",
        `Cannot import: its password keys have ${key.iterations} iterations, here they have ` +
          `${limits.iterations.join(" or ")}: add the count to auth.formerScramIterations ` +
          "(from 100,000 on), or export without credentials",
      );
    }
    return null;
  }

  /** Checks a body, and runs `run` with whom it is about. */
  async with<T extends z.infer<typeof LOOK>>(
    schema: z.ZodType<T>,
    request: Request,
    run: (importer: Importer, target: ImportTarget, input: T) => Promise<Result<unknown>>,
  ): Promise<Response> {
    const input = read(schema, await request.json().catch(() => null));
    if (!input.ok) return errorResponse(input);
    const target = this.#target(input.value);
    if (!target.ok) return errorResponse(target);
    return answer(await run(this.#importer, target.value, input.value));
  }
}

/** Adds `/admin/export…` and `/admin/import…`. */
export function addTransferRoutes(
  app: Hono,
  admin: AdminDeps,
  ports: Pick<Ports, "clock" | "random">,
  limits: ImportLimits,
): void {
  const transfers = new Transfers(admin, ports, limits);
  app.get("/admin/export", (c) => answer(transfers.head(c.req.query())));
  app.get("/admin/export/:user", async (c) => {
    return answer(await transfers.account(c.req.param("user"), c.req.query()));
  });
  app.get("/admin/export/:user/events", async (c) => {
    return answer(await transfers.events(c.req.param("user"), c.req.query()));
  });
  app.post(
    "/admin/import/look",
    (c) =>
      transfers.with(LOOK, c.req.raw, async (importer, target, input) => {
        const state = await importer.look(target);
        if (!state.ok) return state;
        // What was imported before is not written again.
        const unfit = state.value === "done" ? null : transfers.unfit(input);
        return unfit ?? ok({ state: state.value });
      }),
  );
  app.post(
    "/admin/import/begin",
    (c) =>
      transfers.with(BEGIN, c.req.raw, (importer, target, { account }) => {
        const unfit = transfers.unfit({ account });
        if (unfit !== null) return Promise.resolve(unfit);
        const { createdAt, lastSeen, messagesFrom, first, credentials = null } = account;
        return importer.begin(target, { createdAt, lastSeen, messagesFrom, first, credentials });
      }),
  );
  app.post(
    "/admin/import/append",
    (c) =>
      transfers.with(APPEND, c.req.raw, (importer, target, { items }) => {
        return importer.append(target, items);
      }),
  );
  app.post(
    "/admin/import/finish",
    (c) =>
      transfers.with(FINISH, c.req.raw, async (importer, target, { disabled }) => {
        const done = await importer.finish(target, disabled);
        return done.ok ? ok({}) : done;
      }),
  );
}
