/** The presence of a session itself: what its shard has, and what it was asked for since. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { DevicePresence } from "../../shard/ops.ts";
import type { EdgeRouter } from "../node/router.ts";
import { fail, type Result } from "../../shard/errors.ts";

/** Whose it is. */
interface Owner {
  readonly id: SessionId;
  readonly user: AccountName;
}

/** When a client may ask again where its session had to be attached again (ms). */
const AGAIN_MS = 100;

type Done = (result: Result<null>) => void;

/** What is asked for when all requests under way have replies. */
interface Next {
  presence: DevicePresence | null;
  readonly done: Done[];
}

/**
 * See the head of this file; null: invisible. All requests under way say the same presence: when the
 * shard gets another owner, that one is asked all of them again, those too that the former one has
 * done, and watchers would see what it says first after what they have seen last.
 */
export class OwnPresence {
  readonly #router: Pick<EdgeRouter, "request">;
  readonly #owner: Owner;
  readonly #unknown: () => boolean;
  /** What the shard was last known to have. */
  #known: DevicePresence | null;
  /** Requests under way, and what they say. */
  #underWay = 0;
  #said: DevicePresence | null;
  #next: Next | null = null;

  /**
   * `unknown`: the shard does not know the session. Returns whether it lives, and is attached again
   * with what is said by now, or ends.
   */
  constructor(
    router: Pick<EdgeRouter, "request">,
    owner: Owner,
    presence: DevicePresence | null,
    unknown: () => boolean,
  ) {
    this.#router = router;
    this.#owner = owner;
    this.#unknown = unknown;
    this.#known = this.#said = presence;
  }

  /** What was asked for last. */
  get wanted(): DevicePresence | null {
    return this.#next === null ? this.said : this.#next.presence;
  }

  /** What another request may say: an owner may have it, without the reply having arrived. */
  get said(): DevicePresence | null {
    return this.#underWay > 0 ? this.#said : this.#known;
  }

  /**
   * Asks for another one. What is asked for while requests are under way waits for their replies; the
   * last one then is asked for, and its result is that of all that have waited.
   */
  set(presence: DevicePresence | null, done: Done): void {
    if (this.#underWay === 0) return this.#ask(presence, [done]);
    if (this.#next === null) this.#next = { presence, done: [done] };
    else {
      this.#next.presence = presence;
      this.#next.done.push(done);
    }
  }

  /** A request says `said`; to be called back at its reply. */
  saying(): (result: Result<unknown>) => void {
    this.#said = this.said;
    this.#underWay++;
    return (result) => this.#replied(result);
  }

  #ask(presence: DevicePresence | null, done: readonly Done[]): void {
    this.#said = presence;
    this.#underWay++;
    const { id: session, user } = this.#owner;
    this.#router.request(user, "presence.set", { session, presence }, (set) => {
      if (set.ok) this.#known = presence;
      // What waits is asked for once it is attached again.
      const again = !set.ok && set.code === "unauthorized" && this.#unknown();
      const result = again ? fail("unavailable", "The session is attached again", AGAIN_MS) : set;
      this.#replied(result);
      for (const each of done) each(result);
    });
  }

  #replied(result: Result<unknown>): void {
    if (--this.#underWay > 0 || this.#next === null) return;
    const { presence, done } = this.#next;
    this.#next = null;
    // Who waits has waited for as long as a request may.
    if (result.ok || result.code !== "unavailable") return this.#ask(presence, done);
    for (const each of done) each(result);
  }
}
