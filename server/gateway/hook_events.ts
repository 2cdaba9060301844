/** What a webhook is, and the events that it gets of a service's news. */
import type { News } from "./outcome.ts";

/** The events of a webhook. */
export type HookTopic = "outcomes" | "presence";

/** A webhook as its service has set it. */
export interface HookRecord {
  readonly service: string;
  readonly id: string;
  readonly url: string;
  readonly topics: readonly HookTopic[];
  /** Whose presence; null: everybody's that the service may see. */
  readonly users: readonly string[] | null;
  readonly secret: string;
}

/** An event as a webhook gets it. */
export type HookEvent = Readonly<Record<string, unknown>> & { readonly type: string };

/** What a webhook gets of news; outcomes up to its log's cursor are in the log already. */
export function eventsFor(
  record: HookRecord,
  news: News,
  upTo: string,
): readonly HookEvent[] {
  const events: HookEvent[] = [];
  if (record.topics.includes("outcomes")) {
    if (news.gap) events.push({ type: "gap" });
    for (const outcome of news.outcomes) {
      const event = { type: "outcome", ...outcome };
      if (isNew(event, upTo)) events.push(event);
    }
  }
  if (record.topics.includes("presence")) {
    for (const view of news.presence) {
      if (record.users === null || record.users.includes(view.user)) {
        events.push({ type: "presence", ...view });
      }
    }
  }
  return events;
}

/** The position of the last outcome; null where there is none. */
export function cursorOf(events: readonly HookEvent[]): string | null {
  const last = events.findLast((event) => event.type === "outcome");
  return last === undefined ? null : String(last["cursor"]);
}

/** Whether an event is after the position; events of another mailbox are. */
export function isNew(event: HookEvent, cursor: string): boolean {
  if (event.type !== "outcome") return true;
  const [mailbox, seq] = String(event["cursor"]).split(":");
  const [known, upTo] = cursor.split(":");
  return mailbox !== known || Number(seq) > Number(upTo);
}
