/** What a session sends next: the events that wait, and the texts that they leave as. */
import type { DeviceId } from "../../shard/name/ids.ts";
import { SendQueue, type Taken, type Unacknowledged } from "./send_queue.ts";
import type { Sessions } from "./sessions.ts";
import type { Watched, Watcher } from "./watched.ts";

/** Bytes of texts with the commas between them. */
function lengthOf(texts: readonly string[]): number {
  let bytes = texts.length;
  for (const text of texts) bytes += text.length;
  return bytes;
}

/** The outgoing events of one session. */
export class Outgoing {
  /** What waits; null where nothing does. */
  queue: SendQueue | null = null;
  /** The number of soft events sent so far. */
  soft = 0;
  /** Whether other devices of the user were last shown online. */
  othersShown = false;
  readonly #shared: Sessions;
  readonly #session: Watcher;
  readonly #device: DeviceId;

  constructor(shared: Sessions, session: Watcher, device: DeviceId) {
    this.#shared = shared;
    this.#session = session;
    this.#device = device;
  }

  /** What waits, to add to. */
  pending(): SendQueue {
    return this.queue ??= new SendQueue();
  }

  /** Empties the send queue. */
  take(): Taken {
    const taken = this.pending().take();
    this.queue = null;
    return taken;
  }

  /** Adds a user's presence; counts where an older one is not sent for it. */
  addPresence(user: Watched): void {
    if (!this.pending().addPresence(user)) this.#shared.counters.presenceCoalesced++;
  }

  /** Adds the presence of all users that the session sees. */
  addAllPresence(): void {
    const { watched, frozen, undecided } = this.#session;
    for (const user of watched) this.pending().addPresence(user);
    for (const user of frozen?.values() ?? []) this.pending().addPresence(user);
    for (const user of undecided?.values() ?? []) this.pending().addPresence(user);
  }

  /** Adds a signal, already encoded; counts where an older one is dropped for it. */
  addSignal(text: string): void {
    if (!this.pending().pushSignal(text)) this.#shared.counters.signalsDropped++;
  }

  /**
   * The texts of what was taken, in the order to send them: users that may not be seen any more come
   * first, for they may be seen again since; durable events come last. Presence and signals beyond
   * `roomBytes` go back into the send queue. Counts the soft ones.
   */
  encode({ presence, gone, signals, durable }: Taken, roomBytes: number): readonly string[] {
    const { codec, counters } = this.#shared;
    if (gone.length + presence.length + signals.length === 0) {
      counters.durableEvents += durable.length;
      return durable;
    }
    const texts = gone.map((name) => codec.presence(name, [], 0, null));
    let leftBytes = roomBytes - lengthOf(texts) - lengthOf(durable);
    for (const user of presence) {
      const own = user.name === this.#session.user;
      const text = own ? this.#encodeOwn(user) : user.encoded ??= this.#encode(user);
      if (text === null) continue;
      if (text.length >= leftBytes && !own) {
        this.pending().addPresence(user);
        continue;
      }
      texts.push(text);
      leftBytes -= text.length + 1;
    }
    counters.presenceDeliveries += texts.length;
    for (const text of signals) {
      if (text.length >= leftBytes) {
        this.pending().pushSignal(text);
        continue;
      }
      texts.push(text);
      leftBytes -= text.length + 1;
      counters.signals++;
    }
    counters.durableEvents += durable.length;
    this.soft += texts.length;
    return durable.length === 0 ? texts : [...texts, ...durable];
  }

  #encode(user: Watched): string {
    const { codec } = this.#shared;
    if (user.away) return codec.unknownPresence(user.name);
    if (!user.unknown) return codec.presence(user.name, user.devices, user.lastSeen, null);
    user.pendingShown = true;
    return codec.pending(user.name);
  }

  /** The user's own presence is that of the other devices; null where it needs no event. */
  #encodeOwn(user: Watched): string | null {
    if (user.unknown) {
      this.othersShown = true;
      return this.#encode(user);
    }
    const others = user.devices.some(({ device }) => device !== this.#device);
    if (!others && !this.othersShown) return null;
    this.othersShown = others;
    return this.#shared.codec.presence(user.name, user.devices, 0, this.#device);
  }

  /** Puts back soft events that did not arrive; counts signals that have no room. */
  restore(sent: Unacknowledged): void {
    this.othersShown = true;
    // Users that it may not see any more are sent as it may see them now.
    const presence = sent.presence.flatMap((user) => {
      if (user.has(this.#session)) return [user];
      const { frozen, undecided } = this.#session;
      return frozen?.get(user.name) ?? undecided?.get(user.name) ?? [];
    });
    this.#shared.counters.signalsDropped += this.pending().restore({ ...sent, presence });
  }

  /** The transport is lost: keeps only what the client must not go on showing. */
  keepGone(): void {
    this.queue = this.queue?.onlyGone() ?? null;
  }
}
