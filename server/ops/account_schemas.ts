/** Bodies and queries of the admin API about accounts. */
import { z } from "zod";

/** Accounts a page has unless asked otherwise, and at most. */
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** The body of a new account. */
export const CREATE = z.strictObject({ user: z.string(), password: z.string().nullable() });
/** The body of a new password. */
export const PASSWORD = z.strictObject({ password: z.string() });
/** The query of the list of accounts. */
export const LIST = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  match: z.string().max(256).default(""),
  synthetic: z.enum(["yes", "no"]).default("yes"),
  state: z.enum(["any", "online", "active", "disabled", "deleted"]).default("any"),
});
