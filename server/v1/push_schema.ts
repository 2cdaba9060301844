/** What the command `push` takes. */
import { z } from "zod";
import { fromBase64url, isPoint } from "../push/p256.ts";
import { parseTarget } from "../config/target.ts";
import type { ProtocolLimits } from "./limits.ts";
import { PUSH_CONTENTS } from "../../shard/account/push_targets.ts";

/**
 * A push subscription, as browsers make it (`PushSubscription.toJSON()`), or a service that passes push
 * messages on and its name of the device; and what to send.
 */
export function pushSchema(limits: ProtocolLimits) {
  const bytes = (wanted: string, isGood: (bytes: Uint8Array) => boolean) =>
    z.string().max(128).refine((text) => {
      const read = fromBase64url(text);
      return read !== null && isGood(read);
    }, { error: `must be ${wanted} in base64url` });
  return z.object({
    endpoint: z.string().min(1).max(1024).check((ctx) => {
      const target = limits.push === null ? null : parseTarget(ctx.value, limits.push);
      if (target === null || target.ok) return;
      const message = target.message.replace(/^url /, "");
      ctx.issues.push({ code: "custom", input: ctx.value, message });
    }).optional().describe("The push resource (RFC 8030) of this device"),
    keys: z.object({
      p256dh: bytes("a point of P-256 of 65 bytes", isPoint),
      auth: bytes("16 bytes", ({ length }) => length === 16),
    }).optional().describe("For RFC 8291"),
    service: z.string().refine((id) => limits.pushServices.includes(id), {
      error: `must be ${oneOfThese(limits.pushServices)}`,
    }).optional().describe("A service that passes push messages on, in place of `endpoint`"),
    token: z.string().regex(/^[\x21-\x7e]{1,1024}$/, {
      error: "must be 1 to 1,024 printable ASCII characters without spaces",
    }).optional().describe("The name that the service has for this device"),
    content: z.enum(PUSH_CONTENTS).optional().describe(
      "What they say: the text, who has written, or that somebody has; absent: `full`, and " +
        "`sender` with a service, which reads what it passes on",
    ),
  }).check(({ value, issues }) => {
    const missing = value.service === undefined
      ? (["endpoint", "keys"] as const).find((field) => value[field] === undefined)
      : value.token === undefined
      ? "token"
      : null;
    const issue = { code: "custom", input: value } as const;
    if (missing != null) issues.push({ ...issue, path: [missing], message: "is missing" });
    const direct = value.endpoint ?? value.keys;
    if (value.service === undefined ? value.token !== undefined : direct !== undefined) {
      const message = "must have either endpoint and keys, or service and token";
      issues.push({ ...issue, path: [], message });
    }
  });
}

function oneOfThese(ids: readonly string[]): string {
  return ids.length === 0 ? "absent: this server has none" : `one of ${ids.join(", ")}`;
}
