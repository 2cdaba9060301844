/** The presence of a session itself: what its shard has, and what it was asked for since. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { DevicePresence } from "../../shard/ops.ts";
import type { EdgeRouter } from "../node/router.ts";
import type { Result } from "../../shard/errors.ts";

/** Whose it is. */
interface Owner {
  readonly id: SessionId;
  readonly user: AccountName;
  readonly alive: boolean;
}

/** See the head of this file; null: invisible. */
export class OwnPresence {
  readonly #router: Pick<EdgeRouter, "request">;
  readonly #owner: Owner;
  /** What the shard was last known to have. */
  #known: DevicePresence | null;
  /** What was asked for last, until the reply. */
  #asked: { readonly presence: DevicePresence | null } | null = null;
  /** The request by which it is known. */
  #knownBy = 0;
  /** Requests that say it, and the last of them that has a reply. */
  #sent = 0;
  #replied = 0;

  constructor(
    router: Pick<EdgeRouter, "request">,
    owner: Owner,
    presence: DevicePresence | null,
  ) {
    this.#router = router;
    this.#owner = owner;
    this.#known = presence;
  }

  /** What was asked for last: an owner of the shard may have it, without the reply having arrived. */
  get wanted(): DevicePresence | null {
    return this.#asked === null ? this.#known : this.#asked.presence;
  }

  /** Asks for another one. */
  set(presence: DevicePresence | null, done: (result: Result<null>) => void): void {
    const { id: session, user } = this.#owner;
    const asked = this.#asked = { presence };
    const replied = this.sent(presence);
    const number = this.#sent;
    this.#router.request(user, "presence.set", { session, presence }, (set) => {
      if (this.#asked === asked) this.#asked = null;
      if (set.ok && number > this.#knownBy) {
        this.#known = presence;
        this.#knownBy = number;
      }
      replied();
      done(set);
    });
  }

  /**
   * A request says this presence; to be called back at its reply. One that is repeated by another
   * owner of the shard may be taken after later ones: then what is wanted is said again.
   */
  sent(presence: DevicePresence | null): () => void {
    const number = ++this.#sent;
    return () => {
      const isLate = number < this.#replied;
      if (!isLate) this.#replied = number;
      else if (this.#owner.alive && presence !== this.wanted) this.set(this.wanted, () => {});
    };
  }
}
