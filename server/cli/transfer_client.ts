/** A client of the admin API's export and import. */
import { z } from "zod";
import type { AdminCall } from "./client.ts";
import type { AdminRequest } from "../ops/transport.ts";
import type { ExportPage } from "../transfer/exporter.ts";

/** Which account of which export goes to which name; names as people write them. */
export interface TransferTarget {
  readonly export: string;
  readonly source: string;
  readonly user: string;
}

/** Lines of an account, by kind. */
export interface AccountCounts {
  readonly contacts: number;
  readonly blocked: number;
  readonly conversations: number;
}

/** Lines out, lines in. Every method rejects with `AdminError` where it is refused. */
export interface TransferClient {
  /** The first line of a new export. */
  head(credentials: boolean): Promise<string>;
  account(user: string, credentials: boolean): Promise<ExportPage>;
  events(user: string, page: ExportPage): Promise<ExportPage>;
  /** Whether the name is free, and the account fits: `account` is its first line. */
  look(
    target: TransferTarget,
    account: unknown,
    has: AccountCounts,
  ): Promise<"free" | "importing" | "done" | "taken">;
  /** Position of the last event that exists; null where all of the account does. */
  begin(target: TransferTarget, account: unknown): Promise<number | null>;
  append(target: TransferTarget, items: readonly unknown[]): Promise<void>;
  finish(target: TransferTarget, disabled: boolean): Promise<void>;
}

const LINE = z.object({ line: z.string() });
const LINES = z.object({
  lines: z.array(z.string()),
  after: z.number(),
  upTo: z.number(),
  first: z.number(),
});
const STATE = z.object({ state: z.enum(["free", "importing", "done", "taken"]) });
const BEGUN = z.object({ last: z.number().nullable() });

/** Sends the requests of `TransferClient` through `call`. */
export function transferClient(call: AdminCall): TransferClient {
  const pathOf = (user: string) => `/admin/export/${encodeURIComponent(user)}`;
  const post = (step: string, body: unknown): AdminRequest => {
    return { method: "POST", path: `/admin/import/${step}`, body };
  };
  return {
    head: async (credentials) => {
      const path = `/admin/export?credentials=${credentials}`;
      return (await call({ method: "GET", path }, LINE)).line;
    },
    account: (user, credentials) =>
      call({ method: "GET", path: `${pathOf(user)}?credentials=${credentials}` }, LINES),
    events: (user, { after, upTo, first }) => {
      const path = `${pathOf(user)}/events?after=${after}&upTo=${upTo}&first=${first}`;
      return call({ method: "GET", path }, LINES);
    },
    look: async (target, account, has) =>
      (await call(post("look", { ...target, account, has }), STATE)).state,
    begin: async (target, account) =>
      (await call(post("begin", { ...target, account }), BEGUN)).last,
    append: async (target, items) =>
      void await call(post("append", { ...target, items }), z.unknown()),
    finish: async (target, disabled) =>
      void await call(post("finish", { ...target, disabled }), z.unknown()),
  };
}
