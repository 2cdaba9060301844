/**
 * What users take back of services at once: who blocks a service or has it no more as a contact is
 * no longer shown as the service has set.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { Presences } from "./presences.ts";
import type { Router, Withdraw } from "../node/router.ts";
import { SERVICE_PREFIX } from "../node/reserved_names.ts";

/** What users do that may end their agreement. */
const CHANGES: ReadonlySet<OpName> = new Set(
  ["roster.block", "roster.remove", "roster.subscription"] as const,
);

/** The router that clients' commands go by: `presences` hears of what ends an agreement. */
export function mindAgreement(router: Router, presences: Pick<Presences, "recheck">): Router {
  return {
    interest: (items, done) => router.interest(items, done),
    uninterest: (watched) => router.uninterest(watched),
    request<K extends OpName>(
      name: AccountName,
      op: K,
      input: Ops[K]["in"],
      done: (result: Result<Ops[K]["out"]>) => void,
    ): Withdraw | void {
      const service = CHANGES.has(op) ? serviceIn(input) : null;
      if (service === null) return router.request(name, op, input, done);
      return router.request(name, op, input, (result) => {
        if (result.ok) presences.recheck(service, name);
        done(result);
      });
    },
  };
}

function serviceIn(input: object): string | null {
  const contact = "contact" in input ? String(input.contact) : "";
  return contact.startsWith(SERVICE_PREFIX) ? contact.slice(SERVICE_PREFIX.length) : null;
}
