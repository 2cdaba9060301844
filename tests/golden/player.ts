/** Replays a transcript: what was recorded must still be accepted, and answered alike. */
import type { Heard, Line, Transcript } from "./transcript.ts";
import { heardText } from "./transcript.ts";
import type { Host } from "./host.ts";
import {
  type Bindings,
  difference,
  type Json,
  type JsonObject,
  matchText,
} from "./placeholders.ts";
import { TranscriptRun } from "./transcript_run.ts";

/** Frames of v1; a client ignores others, and so does a replay. */
const FRAMES: ReadonlySet<unknown> = new Set([
  "challenge",
  "welcome",
  "ok",
  "error",
  "events",
  "goaway",
]);
const DURABLE: ReadonlySet<unknown> = new Set([
  "message",
  "undelivered",
  "receipt",
  "read",
  "roster",
  "roster_removed",
  "request",
  "blocked",
  "settings",
]);
const SOFT: ReadonlySet<unknown> = new Set(["presence", "signal"]);

interface DurableEvent {
  readonly event: JsonObject;
  /** Of the server-sent event it came in. */
  readonly id: string;
}

/**
 * What a label has heard and the transcript has not. Durable events keep their order, soft ones
 * only each user's, and both may come in any number of frames.
 */
class Inbox {
  readonly control: Heard[] = [];
  readonly durable: DurableEvent[] = [];
  readonly soft: JsonObject[] = [];

  take(heard: Heard): void {
    const events = eventsOf(heard);
    if (events === null) {
      const known = heard.kind !== "frame" || FRAMES.has((heard.frame as JsonObject)["t"]);
      if (known) this.control.push(heard);
      return;
    }
    const id = heard.kind === "event" ? heard.id : "";
    for (const event of events) {
      if (DURABLE.has(event["k"])) this.durable.push({ event, id });
      else if (SOFT.has(event["k"])) this.soft.push(event);
    }
  }

  /** The place of the first soft event about the same. */
  likeSoft({ k, user, from }: JsonObject): number {
    return this.soft.findIndex((e) => e["k"] === k && e["user"] === user && e["from"] === from);
  }

  left(): readonly string[] {
    return [
      ...this.control.map(heardText),
      ...[...this.durable.map((d) => d.event), ...this.soft].map((e) => JSON.stringify(e)),
    ];
  }
}

/** The events of a frame of events; null where it is something else. */
function eventsOf(heard: Heard): readonly JsonObject[] | null {
  const frame = heard.kind === "frame" ? heard.frame : heard.kind === "event" ? heard.data : null;
  if (frame === null || (frame as JsonObject)["t"] !== "events") return null;
  return (frame as JsonObject)["ev"] as readonly JsonObject[];
}

function headerDifference(
  recorded: Heard & { kind: "answer" },
  actual: Heard & { kind: "answer" },
  bindings: Bindings,
): string | null {
  for (const [name, value] of recorded.headers) {
    const found = actual.headers.find(([other]) => other === name)?.[1];
    if (found === undefined || !matchText(value, found, bindings)) {
      return `header ${name} was ${value}, is ${found ?? "absent"}`;
    }
  }
  return null;
}

function heardDifference(recorded: Heard, actual: Heard, bindings: Bindings): string | null {
  if (recorded.kind !== actual.kind) return `instead came ${heardText(actual)}`;
  if (recorded.kind === "frame") {
    return difference(recorded.frame, (actual as typeof recorded).frame, bindings);
  }
  if (recorded.kind === "event") {
    const { event, id, data } = actual as typeof recorded;
    if (recorded.event !== event) return `instead came event ${event}`;
    if (!matchText(recorded.id, id, bindings)) return `id was ${recorded.id}, is ${id}`;
    return difference(recorded.data, data, bindings);
  }
  if (recorded.kind === "end") return null;
  const answer = actual as typeof recorded;
  if (recorded.status !== answer.status) {
    return `status was ${recorded.status}, is ${heardText(answer)}`;
  }
  return headerDifference(recorded, answer, bindings) ??
    (recorded.body === null ? null : difference(recorded.body, answer.body, bindings));
}

/** What differs from a transcript; its message has the line. */
export class TranscriptError extends Error {
  override readonly name = "TranscriptError";
  constructor(line: Line, what: string) {
    super(`line ${line.number}: ${what}\n  ${line.text}`);
  }
}

/** Plays the transcript on the host; rejects with `TranscriptError` at the first difference. */
export async function play(transcript: Transcript, host: Host): Promise<void> {
  const inboxes = new Map<string, Inbox>();
  const inboxOf = (label: string) => {
    const inbox = inboxes.get(label) ?? new Inbox();
    inboxes.set(label, inbox);
    return inbox;
  };
  const run = new TranscriptRun(host, (label, heard) => inboxOf(label).take(heard));
  for (const line of transcript.lines) {
    if (line.kind === "step" && line.step.kind === "hear") {
      const what = await hear(inboxOf(line.label), line.step.heard, host, run.bindings);
      if (what !== null) throw new TranscriptError(line, what);
    } else await run.perform(line);
  }
  await host.settle();
  for (const [label, inbox] of inboxes) {
    const [first] = inbox.left();
    if (first !== undefined) {
      throw new TranscriptError(transcript.lines.at(-1)!, left(label, first));
    }
  }
}

function left(label: string, what: string): string {
  return `${label} heard something that was not recorded: ${what}`;
}

async function hear(
  inbox: Inbox,
  recorded: Heard,
  host: Host,
  bindings: Bindings,
): Promise<string | null> {
  const events = eventsOf(recorded);
  if (events === null) {
    if (!await host.until(() => inbox.control.length > 0)) return missing(inbox);
    return heardDifference(recorded, inbox.control.shift()!, bindings);
  }
  let id = "";
  for (const event of events) {
    const soft = SOFT.has(event["k"]);
    const there = () => soft ? inbox.likeSoft(event) >= 0 : inbox.durable.length > 0;
    if (!await host.until(there)) return `${missing(inbox)}: ${JSON.stringify(event)}`;
    let actual: Json;
    if (soft) actual = inbox.soft.splice(inbox.likeSoft(event), 1)[0]!;
    else ({ event: actual, id } = inbox.durable.shift()!);
    const what = difference(event, actual, bindings);
    if (what !== null) return what;
  }
  const wanted = recorded.kind === "event" ? recorded.id : "";
  return id === "" || matchText(wanted, id, bindings) ? null : `id was ${wanted}, is ${id}`;
}

function missing(inbox: Inbox): string {
  const [first] = inbox.left();
  return first === undefined ? "it did not come" : `it did not come, but ${first}`;
}
