/** Does the steps of services on accounts whose home is this cell. */
import { clientExt } from "../../../shard/message/note.ts";
import type { AccountName, DeviceId } from "../../../shard/name/ids.ts";
import { type ErrorCode, fail, type Failure, ok, type Result } from "../../../shard/errors.ts";
import type { OpName, Ops, RosterItemView } from "../../../shard/ops.ts";
import { type MintDeps, mintForDevice } from "../../auth/mint.ts";
import { reservedReason } from "../../node/reserved_names.ts";
import type { ManagedContact, Step, StepInput, StepName, StepOutput } from "./steps.ts";

/** What it needs. */
export interface AccountsDeps extends MintDeps {
  /** How long a token is good for, at most and where nothing else is said (ms). */
  readonly tokenLifetimeMs: number;
  /** Whether accounts may be at home in other cells. */
  readonly federated: boolean;
}

type Run<K extends StepName> = (
  user: AccountName,
  input: StepInput<K>,
) => Promise<Result<StepOutput[K]>>;

/** What an account's state says to who wants to do something with it; null: it can be used. */
type Standing = Failure | null;

/** See the head of this file. */
export class BackendAccounts {
  readonly #deps: AccountsDeps;
  readonly #steps: { readonly [K in StepName]: Run<K> };

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
    this.#steps = {
      look: (user) => this.#look(user),
      create: (user) => this.#create(user),
      token: (user, input) => this.#token(user, input),
      roster: (user) => this.#roster(user),
      approve: (user, { contact }) => this.#subscription(user, contact, "subscribed"),
      subscribe: (user, { contact }) => this.#subscription(user, contact, "subscribe"),
      label: (user, input) => this.#label(user, input),
      forget: (user, input) => this.#forget(user, input),
      send: (user, input) => this.#send(user, input),
      signOut: (user, { device }) => this.#signOut(user, device),
      remove: (user) => this.#remove(user),
    };
  }

  /**
   * Does a step. `moved` where the account is at home in another cell. Who is refused learns what is
   * the matter with the account: who manages accounts may know.
   */
  async run<K extends StepName>({ user, step, input }: Step<K>): Promise<Result<StepOutput[K]>> {
    const reason = reservedReason(user);
    if (reason !== null) return fail("bad_request", `${user} cannot be managed: ${reason}`);
    if (this.#deps.federated) {
      const home = await this.#ask(user, "account.resolve", {});
      if (!home.ok) return home;
    }
    const result = await this.#steps[step](user, input);
    if (result.ok || !OF_STATE.has(result.code)) return result;
    return await this.#standing(user) ?? result;
  }

  #ask<K extends OpName>(
    user: AccountName,
    op: K,
    input: Ops[K]["in"],
  ): Promise<Result<Ops[K]["out"]>> {
    return new Promise((done) => void this.#deps.router.request(user, op, input, done));
  }

  async #standing(user: AccountName): Promise<Standing> {
    const info = await this.#ask(user, "account.info", {});
    if (!info.ok) {
      return info.code === "not_found" ? fail("not_found", `There is no user ${user}`) : info;
    }
    switch (info.value.state) {
      case "active":
        return null;
      case "deleted":
        return fail("not_found", `The user ${user} was deleted, and the name is closed`);
      case "disabled":
        return fail("conflict", `The account of ${user} is disabled`);
      case "importing":
        return fail("conflict", `The account of ${user} is being imported`);
    }
  }

  async #look(user: AccountName): Promise<Result<null>> {
    return await this.#standing(user) ?? ok(null);
  }

  async #create(user: AccountName): Promise<Result<{ readonly created: boolean }>> {
    const standing = await this.#standing(user);
    if (standing === null) return ok({ created: false });
    if (standing.code !== "not_found") return standing;
    const made = await this.#ask(user, "account.create", { credentials: null });
    if (made.ok) return ok({ created: true });
    if (made.code !== "conflict") return made;
    // Somebody else has made it, or another cell has the name: that is known by now.
    const home = await this.#ask(user, "account.resolve", {});
    if (!home.ok) return home;
    const now = await this.#standing(user);
    if (now === null) return ok({ created: false });
    const closed = fail("conflict", `The name ${user} is closed: its account was deleted`);
    return now.code === "not_found" ? closed : now;
  }

  async #token(user: AccountName, input: StepInput<"token">): Promise<Result<StepOutput["token"]>> {
    const made = input.create ? await this.#create(user) : ok({ created: false });
    if (!made.ok) return made;
    const { tokenLifetimeMs } = this.#deps;
    const minted = await new Promise<Parameters<Parameters<typeof mintForDevice>[2]>[0]>((done) =>
      mintForDevice(this.#deps, {
        user,
        device: input.device as DeviceId | null,
        label: input.label,
        lifetimeMs: Math.min(input.lifetimeMs ?? tokenLifetimeMs, tokenLifetimeMs),
        proof: null,
        place: null,
        exempt: true,
      }, done)
    );
    return minted.ok ? ok({ ...minted.value, ...made.value }) : minted;
  }

  async #roster(user: AccountName): Promise<Result<readonly ManagedContact[]>> {
    const result = await this.#ask(user, "mailbox.snapshot", {});
    return result.ok ? ok(result.value.snapshot.roster.map(managed)) : result;
  }

  async #subscription(
    user: AccountName,
    contact: AccountName,
    type: "subscribe" | "subscribed",
  ): Promise<Result<null>> {
    const input = { contact, type, managed: true } as const;
    const result = await this.#ask(user, "roster.subscription", input);
    if (result.ok || result.code !== "conflict") return result;
    return fail("forbidden", `${user} blocks ${contact}`);
  }

  async #label(user: AccountName, input: StepInput<"label">): Promise<Result<null>> {
    const result = await this.#ask(user, "roster.set", input);
    return result.ok ? ok(null) : result;
  }

  async #forget(
    user: AccountName,
    { contact }: StepInput<"forget">,
  ): Promise<Result<StepOutput["forget"]>> {
    const result = await this.#ask(user, "roster.remove", { contact });
    if (result.ok) return ok({ removed: true });
    return result.code === "not_found" ? ok({ removed: false }) : result;
  }

  async #send(user: AccountName, input: StepInput<"send">): Promise<Result<StepOutput["send"]>> {
    const { to, key: id, body, ext } = input;
    const message = { device: input.device as DeviceId, to, id, body, ext: clientExt(ext) };
    return await this.#ask(user, "message.send", message);
  }

  async #signOut(
    user: AccountName,
    device: string | null,
  ): Promise<Result<StepOutput["signOut"]>> {
    if (device === null) return await this.#ask(user, "account.signOut", {});
    const result = await this.#ask(user, "device.revoke", { device: device as DeviceId });
    if (result.ok) return ok({ devices: 1 });
    if (result.code !== "not_found") return result;
    // There is no such device, or no such account.
    return await this.#standing(user) ?? ok({ devices: 0 });
  }

  async #remove(user: AccountName): Promise<Result<StepOutput["remove"]>> {
    const result = await this.#ask(user, "account.remove", {});
    if (result.ok) return ok({ removed: true });
    return result.code === "not_found" ? ok({ removed: false }) : result;
  }
}

/** Refusals that may come of the account's state: an operation on it says no more than that. */
const OF_STATE: ReadonlySet<ErrorCode> = new Set(["unauthorized", "not_found"]);

function managed({ contact, label, groups, subscription }: RosterItemView): ManagedContact {
  return { contact, label, groups, both: subscription === "both" };
}
