/** What services that manage accounts can do, for one request of one of them, with a record of it. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure, type Result } from "../../shard/errors.ts";
import type { GatewayDeps } from "./gateway_deps.ts";
import { accountOf } from "./service.ts";
import { BackendAccounts } from "./backend/accounts.ts";
import { BackendHomes } from "./backend/homes.ts";
import { recordService } from "./backend/records.ts";
import type { RunStep } from "./backend/rosters.ts";
import type { StepInput, StepName } from "./backend/steps.ts";

/** Parts of a request that are under way at once. */
const AT_ONCE = 16;
/** After so long (ms) a request begins no more of its parts. */
export const WORK_MS = 20_000;
const RETRY_MS = 1000;
/** When what could not be recorded may be repeated (ms). */
const RECORD_RETRY_MS = 2000;
const LATE = fail("unavailable", "Not begun: the request has taken too long. Repeat it", RETRY_MS);
const REVOKED = fail("unauthorized", "Not begun: the service was revoked meanwhile");

/** What is recorded of one thing that was done. */
export interface Done {
  readonly action: string;
  readonly user: string;
  readonly contact?: string;
  readonly device?: string;
}

/** See the head of this file. */
export class Backend {
  readonly #deps: Pick<GatewayDeps, "audit" | "clock" | "log">;
  readonly #homes: BackendHomes;

  constructor(deps: GatewayDeps, tokenLifetimeMs: number) {
    this.#deps = deps;
    const federated = deps.cells !== undefined;
    const accounts = new BackendAccounts({ ...deps, tokenLifetimeMs, federated });
    this.#homes = new BackendHomes(accounts, deps);
  }

  /** Does steps for a service; the caller records them. */
  stepsOf(service: string): RunStep {
    return <K extends StepName>(user: AccountName, step: K, input: StepInput<K>) =>
      this.#homes.run({ service, user, step, input });
  }

  /** Records everything that a service has done, or was refused. */
  record(service: string, done: Done, result: Result<unknown>): void {
    const outcome = result.ok ? "ok" : result.code;
    recordService(this.#deps, { service, ...done, outcome });
  }

  /** Null once all that was recorded is durable: no service learns before that it was done. */
  async recorded(): Promise<Failure | null> {
    const error = await (this.#deps.audit?.servicesDurable() ?? null);
    if (error === null) return null;
    return fail("unavailable", "It could not be recorded: repeat the request", RECORD_RETRY_MS);
  }

  /** When a request that arrives now has taken too long (monotonic, ms). */
  endMs(): number {
    return this.#deps.clock.monoMs() + WORK_MS;
  }

  /**
   * Does the parts of a request, some at once, until `endMs`, or until `active` does not hold: what was
   * not begun says so, and the request can be repeated.
   */
  async all<T, R>(
    parts: readonly T[],
    { active, endMs }: { readonly active: () => boolean; readonly endMs: number },
    run: (part: T) => Promise<R>,
    refused: (part: T, why: Failure) => R,
  ): Promise<readonly R[]> {
    const { clock } = this.#deps;
    const results = new Array<R>(parts.length);
    let next = 0;
    const worker = async () => {
      while (next < parts.length) {
        const i = next++;
        const part = parts[i]!;
        if (!active()) results[i] = refused(part, REVOKED);
        else if (clock.monoMs() > endMs) results[i] = refused(part, LATE);
        else results[i] = await run(part);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, parts.length) }, worker));
    return results;
  }
}

/** The device that a service's messages of a user are sent by. */
export function deviceOf(service: string): string {
  return accountOf(service).replace(".", ":");
}
