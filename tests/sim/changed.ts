/** Edits, removals and reactions as their senders have asked for them, and messages without them. */
import type { Life, Oracle, Sent } from "./oracle.ts";
import type { WireEvent } from "./view.ts";

/** What a command does to message `num`. */
export type Change =
  | { readonly name: "edit" | "remove"; readonly num: number }
  | {
    readonly name: "react";
    readonly num: number;
    readonly out: boolean;
    readonly emoji: readonly string[];
  };

/** What a device sends. */
export type Content =
  & Pick<Sent, "to" | "key" | "body" | "ext">
  & { readonly change?: Change | null };

/** The event as it was before others have changed it. */
export function originalOf(oracle: Oracle, life: Life, event: WireEvent): WireEvent {
  if (event.k !== "message") return event;
  const { edited, removed, reply, change } = event;
  const changed = edited !== undefined || removed !== undefined || change === "past";
  const senders = event.out ? [life] : oracle.lives(event.with);
  const to = event.out ? event.with : life.name;
  const sent = !changed
    ? undefined
    : senders.map((s) => s.sent.get(event.id)).find((s) => s?.to === to);
  const { body, ext = "" } = sent ?? event;
  const kind = sent?.change?.name ?? change;
  const { k, seq, at, with: peer, out, num, id, device, waits } = event;
  return {
    ...{ k, seq, at, with: peer, out, num, id, body },
    ...(ext === "" ? {} : { ext }),
    ...{ device, waits, reply, change: kind },
  };
}
