/** The presence of a session itself: what its shard has, and what it was asked for since. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { DevicePresence } from "../../shard/ops.ts";
import type { EdgeRouter } from "../node/router.ts";
import type { Result } from "../../shard/errors.ts";

/** See the head of this file; null: invisible. */
export class OwnPresence {
  /** What the shard was last known to have. */
  #known: DevicePresence | null;
  /** What was asked for last, until the reply. */
  #asked: { readonly presence: DevicePresence | null } | null = null;

  constructor(presence: DevicePresence | null) {
    this.#known = presence;
  }

  /** What was asked for last: an owner of the shard may have it, without the reply having arrived. */
  get wanted(): DevicePresence | null {
    return this.#asked === null ? this.#known : this.#asked.presence;
  }

  /** Asks for another one. */
  set(
    router: EdgeRouter,
    { id: session, user }: { readonly id: SessionId; readonly user: AccountName },
    presence: DevicePresence | null,
    done: (result: Result<null>) => void,
  ): void {
    const asked = this.#asked = { presence };
    router.request(user, "presence.set", { session, presence }, (set) => {
      if (set.ok) this.#known = presence;
      if (this.#asked === asked) this.#asked = null;
      done(set);
    });
  }
}
