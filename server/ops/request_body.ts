/** The JSON of an administrator's request. */
import type { z } from "zod";
import { errorResponse } from "../http/response.ts";
import { fail } from "../../shard/errors.ts";

/** The body where it is as the schema says; else the response that refuses it (`bad_request`). */
export async function readBody<T>(schema: z.ZodType<T>, request: Request): Promise<T | Response> {
  const parsed = schema.safeParse(await request.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const text = `Request field ${issue?.path.join(".") ?? ""}: ${issue?.message}`;
  return errorResponse(fail("bad_request", text));
}
