/** What a session has taken from its send queue, as texts to send. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { SendQueue, Taken } from "./send_queue.ts";
import type { EdgeCounters, EventCodec } from "./types.ts";
import type { Watched } from "./watched.ts";

/** A session as it tells its client something. */
export interface Telling {
  readonly user: AccountName;
  /** The number of soft events sent so far. */
  soft: number;
  /** What waits, to add to. */
  pending(): SendQueue;
  /** The user's own presence is that of the other devices; null where it is not worth telling. */
  encodeOwn(user: Watched): string | null;
}

/** Bytes of texts with the commas between them. */
function lengthOf(texts: readonly string[]): number {
  let bytes = texts.length;
  for (const text of texts) bytes += text.length;
  return bytes;
}

/**
 * The texts in their order: who is gone comes first, for they may be seen again since; durable
 * events come last. Presence and signals that do not fit into `roomBytes` go back into the send queue.
 * Counts the soft ones.
 */
export function encodeTaken(
  { codec, counters }: { readonly codec: EventCodec; readonly counters: EdgeCounters },
  session: Telling,
  { presence, gone, signals, durable }: Taken,
  roomBytes: number,
): readonly string[] {
  if (gone.length + presence.length + signals.length === 0) {
    counters.durableEvents += durable.length;
    return durable;
  }
  const texts = gone.map((name) => codec.presence(name, [], 0, null));
  let leftBytes = roomBytes - lengthOf(texts) - lengthOf(durable);
  for (const user of presence) {
    const own = user.name === session.user;
    const text = own
      ? session.encodeOwn(user)
      : user.encoded ??= codec.presence(user.name, user.devices, user.lastSeen, null);
    if (text === null) continue;
    if (text.length >= leftBytes && !own) {
      session.pending().addPresence(user);
      continue;
    }
    texts.push(text);
    leftBytes -= text.length + 1;
  }
  counters.presenceDeliveries += texts.length;
  for (const text of signals) {
    if (text.length >= leftBytes) {
      session.pending().pushSignal(text);
      continue;
    }
    texts.push(text);
    leftBytes -= text.length + 1;
    counters.signals++;
  }
  counters.durableEvents += durable.length;
  session.soft += texts.length;
  return durable.length === 0 ? texts : [...texts, ...durable];
}
