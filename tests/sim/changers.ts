/** Users edit and remove what they have written, and react to what they have read. */
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { Person } from "./person.ts";
import type { Prng } from "./prng.ts";
import type { WireEvent } from "./view.ts";

const EMOJI = ["\u{1f44d}", "\u{1f389}", "\u{2764}\u{fe0f}", "\u{1f602}"] as const;
/** How many changes are tried in a second: one of these. */
const PER_SECOND = [0.5, 2, 6] as const;
/** Positions before the last one that are looked at most often. */
const RECENT = 30;

type Message = WireEvent & { readonly k: "message" };

/** See the head of this file. */
export class Changers {
  readonly #cluster: Cluster;
  readonly #prng: Prng;
  readonly #perSecond: number;
  #running = true;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#prng = cluster.prng.fork("changes");
    this.#perSecond = this.#prng.pick(PER_SECOND);
    this.#schedule();
  }

  /** No more changes. */
  stop(): void {
    this.#running = false;
  }

  #schedule(): void {
    const gapMs = -Math.log(1 - this.#prng.number()) * 1000 / this.#perSecond;
    this.#cluster.time.global.timers.after(gapMs, () => {
      if (!this.#running) return;
      const person = this.#prng.pick(this.#cluster.people);
      if (person.online.length > 0) this.#act(person, this.#prng.pick(person.online));
      this.#schedule();
    });
  }

  /** A message that some device of the person has been shown; null: there was none at that place. */
  #message(device: Device): Message | null {
    const { mailboxId, seq } = device.view!;
    const recent = this.#prng.chance(0.7);
    const at = this.#prng.int(recent ? Math.max(1, seq - RECENT) : 1, Math.max(1, seq));
    const text = this.#cluster.oracle.observed.get(mailboxId)?.[at];
    const event = text === undefined ? null : JSON.parse(text) as WireEvent;
    return event?.k === "message" ? event : null;
  }

  #act(person: Person, device: Device): void {
    const message = this.#message(device);
    if (message === null) return;
    const { with: to, num, out = false } = message;
    const what = this.#prng.pick(["edit", "edit", "remove", "react", "react", "react"] as const);
    if (what === "react" || !out) {
      const emoji = this.#prng.shuffle(EMOJI).slice(0, this.#prng.int(0, 3));
      return person.change(device, to, { name: "react", num, out, emoji });
    }
    person.change(device, to, { name: what, num });
  }
}
