/** Puts exported accounts into a node. */
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import type {
  ImportedHead,
  ImportItem,
  ImportLink,
  ImportState,
} from "../../shard/account/transfer.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Random } from "../node/ports.ts";
import type { Result } from "../../shard/errors.ts";
import type { Router } from "../node/router.ts";
import type { SubscriptionState } from "../../shard/roster/subscription.ts";
import { hasFrom, hasTo } from "../../shard/roster/subscription.ts";
import { newId } from "../../shard/name/ids.ts";
import { ok } from "../../shard/errors.ts";
import { sha256 } from "../auth/hash.ts";

/** Which account of which export goes to which name. */
export interface ImportTarget {
  /** The export, as its first line names it. */
  readonly export: string;
  readonly source: AccountName;
  readonly user: AccountName;
}

/** Peers asked for at once. */
const ASKED_MAX = 50;

/** Imports, in this order: `look`, `begin`, `append` …, and when all have begun `finish`. */
export class Importer {
  readonly #router: Pick<Router, "request">;
  readonly #random: Random;

  constructor(router: Pick<Router, "request">, random: Random) {
    this.#router = router;
    this.#random = random;
  }

  #ask<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
  ): Promise<Result<Ops[K]["out"]>> {
    return new Promise((done) => this.#router.request(name, op, input, done));
  }

  /** Whether the name is free for this import. */
  look(target: ImportTarget): Promise<Result<ImportState>> {
    return this.#ask(target.user, "import.look", { key: keyOf(target) });
  }

  /** Begins an import or goes on with it; `last` null where it is done already. */
  begin(
    target: ImportTarget,
    account: ImportedHead,
  ): Promise<Result<Ops["import.begin"]["out"]>> {
    const id = newId<AccountId>(this.#random.bytes(12));
    return this.#ask(target.user, "import.begin", { key: keyOf(target), id, account });
  }

  append(
    target: ImportTarget,
    items: readonly ImportItem[],
  ): Promise<Result<Ops["import.append"]["out"]>> {
    return this.#ask(target.user, "import.append", { key: keyOf(target), items });
  }

  /**
   * Ties the account to those contacts that came with the same file, and opens it. Subscriptions
   * hold where both sides say so; with everybody else they are none.
   */
  async finish(target: ImportTarget, disabled: boolean): Promise<Result<null>> {
    const key = keyOf(target);
    const state = await this.look(target);
    if (!state.ok) return state;
    if (state.value === "done") return ok(null);
    const tied = await this.#ask(target.user, "import.roster", { key });
    if (!tied.ok) return tied;
    for (let from = 0; from < tied.value.length; from += ASKED_MAX) {
      const some = tied.value.slice(from, from + ASKED_MAX);
      const links: ImportLink[] = [];
      for (const { contact, state } of some) {
        // Only an account under its own name is the one that others of the file mean.
        const peerKey = keyOf({ export: target.export, source: contact, user: contact });
        const asker = target.source;
        const peer = target.source === target.user
          ? await this.#ask(contact, "import.peer", { key: peerKey, asker })
          : ok(null);
        if (!peer.ok) return peer;
        if (peer.value === null) links.push({ contact, peerId: "", state });
        else links.push({ contact, peerId: peer.value.id, state: agreed(state, peer.value.state) });
      }
      const linked = await this.#ask(target.user, "import.link", { key, links });
      if (!linked.ok) return linked;
    }
    return await this.#ask(target.user, "import.done", { key, disabled });
  }
}

/** What of one side's state the other side's confirms; the same whichever is asked first. */
export function agreed(mine: SubscriptionState, theirs: SubscriptionState): SubscriptionState {
  const to = hasTo(mine) && hasFrom(theirs);
  const from = hasFrom(mine) && hasTo(theirs);
  return {
    subscription: to ? (from ? "both" : "to") : from ? "from" : "none",
    pendingOut: mine.pendingOut && !to,
    pendingIn: mine.pendingIn && theirs.pendingOut && !from,
    approved: mine.approved && !from,
  };
}

/** The mailbox's id: the same whenever this account of this file is imported to this name. */
function keyOf({ export: from, source, user }: ImportTarget): MailboxId {
  const text = JSON.stringify(["roost import", from, source, user]);
  return newId<MailboxId>(sha256(new TextEncoder().encode(text)).slice(0, 12));
}
