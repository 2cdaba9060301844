/**
 * Sets contacts for a service that manages accounts: nobody is asked for consent, but a block of
 * either user stands. A pair is made by what the two users would send: both approve, then both ask.
 * Whatever is interrupted can be done again.
 */
import type { AccountName } from "../../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../../shard/errors.ts";
import { reservedReason } from "../../node/reserved_names.ts";
import type { ManagedContact, StepInput, StepName, StepOutput } from "./steps.ts";

/** Does a step for the service. */
export type RunStep = <K extends StepName>(
  user: AccountName,
  step: K,
  input: StepInput<K>,
) => Promise<Result<StepOutput[K]>>;

/** A contact that an account is to have; label and groups stay as they are where they are absent. */
export interface WantedContact {
  readonly contact: AccountName;
  readonly label?: string | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** What is to be done with one contact. */
export interface RosterChange {
  readonly contact: AccountName;
  readonly change: "add" | "label" | "remove";
  readonly label: string;
  readonly groups: readonly string[];
}

/** See the head of this file: of one request, which looks at each account once. */
export class Rosters {
  readonly #run: RunStep;
  readonly #looks = new Map<AccountName, Promise<Result<null>>>();

  constructor(run: RunStep) {
    this.#run = run;
  }

  #look(user: AccountName): Promise<Result<null>> {
    const known = this.#looks.get(user) ?? this.#run(user, "look", {});
    this.#looks.set(user, known);
    return known;
  }

  /** Makes two users contacts who see each other. */
  async join(a: AccountName, b: AccountName): Promise<Result<null>> {
    if (a === b) return fail("bad_request", "A user is no contact of itself");
    // Nothing is begun with an account that does not exist.
    const looks = refusalOf(await Promise.all([this.#look(a), this.#look(b)]));
    if (looks !== null) return looks;
    for (const step of ["approve", "subscribe"] as const) {
      const done = await Promise.all([
        this.#run(a, step, { contact: b }),
        this.#run(b, step, { contact: a }),
      ]);
      const refusal = refusalOf(done);
      if (refusal !== null) return refusal;
    }
    return ok(null);
  }

  /** Takes two users out of each other's contacts; one that does not exist has none. */
  async part(a: AccountName, b: AccountName): Promise<Result<null>> {
    if (a === b) return fail("bad_request", "A user is no contact of itself");
    const done = await Promise.all([
      this.#run(a, "forget", { contact: b }),
      this.#run(b, "forget", { contact: a }),
    ]);
    const refusal = done.find((result) => !result.ok && result.code !== "not_found");
    return refusal === undefined || refusal.ok ? ok(null) : refusal;
  }

  /**
   * What is to be done so that a user has exactly these contacts. Contacts with services are the
   * user's own agreement, and stay.
   */
  async plan(
    user: AccountName,
    wanted: readonly WantedContact[],
  ): Promise<Result<readonly RosterChange[]>> {
    const found = await this.#run(user, "roster", {});
    if (!found.ok) return found;
    const present = new Map(found.value.map((item) => [item.contact, item]));
    const kept = new Set(wanted.map(({ contact }) => contact));
    const changes: RosterChange[] = [];
    for (const { contact, label, groups } of found.value) {
      if (kept.has(contact) || reservedReason(contact) !== null) continue;
      changes.push({ contact, change: "remove", label, groups });
    }
    for (const want of wanted) {
      const change = changeFor(present.get(want.contact), want);
      if (change !== null) changes.push(change);
    }
    return ok(changes);
  }

  /** Does one of the changes. */
  async change(user: AccountName, planned: RosterChange): Promise<Result<null>> {
    const { change, contact, label, groups } = planned;
    if (change === "remove") return await this.part(user, contact);
    if (change === "add") {
      const joined = await this.join(user, contact);
      if (!joined.ok || (label === "" && groups.length === 0)) return joined;
    }
    return await this.#run(user, "label", { contact, label, groups: [...groups] });
  }
}

function changeFor(
  present: ManagedContact | undefined,
  { contact, label, groups }: WantedContact,
): RosterChange | null {
  const named = {
    contact,
    label: label ?? present?.label ?? "",
    groups: groups ?? present?.groups ?? [],
  };
  if (present?.both !== true) return { ...named, change: "add" };
  const same = named.label === present.label &&
    JSON.stringify(named.groups) === JSON.stringify(present.groups);
  return same ? null : { ...named, change: "label" };
}

function refusalOf(results: readonly Result<unknown>[]): Failure | null {
  for (const result of results) if (!result.ok) return result;
  return null;
}
