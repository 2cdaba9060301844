/**
 * Server-sent events for services. A reader that is slow keeps the server waiting, not its memory:
 * of presence it gets the newest of each user, and outcomes are read on when there is room.
 */
import type { AccountName, Cursor } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import type { Failure, Result } from "../../shard/errors.ts";
import { formatCursor } from "../../shard/name/ids.ts";
import type { Timers } from "../node/ports.ts";
import type { Router } from "../node/router.ts";
import type { Gateway } from "./gateway.ts";
import type { Listener } from "./listeners.ts";
import { type Outcome, outcomesOf, type PresenceView, unseen } from "./outcome.ts";

/** A comment keeps proxies from closing an idle stream (ms). */
const HEARTBEAT_MS = 15_000;
const PAGE = { limit: 100, bytesMax: 131_072 } as const;

/** A page of outcomes. */
export interface OutcomePage {
  readonly outcomes: readonly Outcome[];
  /** Where to go on. */
  readonly cursor: string;
  /** Whether there is more by now. */
  readonly more: boolean;
}

/** Reads what happened after `cursor`; null: as far back as the mailbox goes. `reset` as cursors. */
export function readOutcomes(
  router: Pick<Router, "request">,
  account: AccountName,
  cursor: Cursor | null,
  limit: number,
  done: (result: Result<OutcomePage>) => void,
): void {
  const input = { cursor, limit, bytesMax: PAGE.bytesMax };
  router.request(account, "mailbox.read", input, (result) => {
    done(result.ok ? { ok: true, value: pageOf(result.value, cursor) } : result);
  });
}

function pageOf(page: Ops["mailbox.read"]["out"], cursor: Cursor | null): OutcomePage {
  const { mailboxId, events, seq } = page;
  const last = events.at(-1)?.seq ?? cursor?.seq ?? seq;
  return {
    outcomes: events.flatMap((event) => outcomesOf(event, mailboxId)),
    cursor: formatCursor({ mailboxId, seq: last }),
    more: last < seq,
  };
}

/** Sends when the reader has room. */
abstract class Stream implements Listener {
  readonly body: ReadableStream<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #timers: Timers;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #stopBeat = () => {};
  #stopListening = () => {};

  constructor({ ports, listeners }: Gateway, service: string) {
    this.#timers = ports.timers;
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.flush(),
      cancel: () => this.ended(),
    }, { highWaterMark: 4 });
    this.#stopListening = listeners.add(service, this);
    // The reader knows by it that it is connected.
    this.write(": here\n\n");
    this.#beat();
  }

  #beat(): void {
    this.#stopBeat = this.#timers.after(HEARTBEAT_MS, () => {
      if (this.roomy) this.write(": still here\n\n");
      this.#beat();
    });
  }

  get open(): boolean {
    return this.#controller !== null;
  }

  get roomy(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  write(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }

  ended(): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#controller = null;
    this.#stopBeat();
    this.#stopListening();
    try {
      controller.close();
    } catch {
      // The reader has gone, which is why it ends.
    }
  }

  /** Writes what there is room for. */
  abstract flush(): void;
  abstract presence(view: PresenceView): void;
  abstract moved(): void;
}

/** Presence of the users of a list, or (null) of all whom the service may see. */
class PresenceStream extends Stream {
  readonly #users: ReadonlySet<string> | null;
  readonly #pending = new Map<string, PresenceView>();

  constructor(gateway: Gateway, service: string, users: readonly string[] | null) {
    super(gateway, service);
    this.#users = users === null ? null : new Set(users);
    const seen = gateway.hub(service)?.seen ?? new Map<string, PresenceView>();
    for (const user of users ?? seen.keys()) this.presence(seen.get(user) ?? unseen(user));
  }

  presence(view: PresenceView): void {
    if (this.#users !== null && !this.#users.has(view.user)) return;
    this.#pending.set(view.user, view);
    this.flush();
  }

  moved(): void {}

  flush(): void {
    if (this.#pending.size === 0 || !this.roomy) return;
    const views = [...this.#pending.values()].slice(0, PAGE.limit);
    for (const { user } of views) this.#pending.delete(user);
    this.write(`event: presence\ndata: ${JSON.stringify({ presence: views })}\n\n`);
    if (this.#pending.size > 0) this.flush();
  }
}

/** Outcomes after a cursor, for as long as somebody reads. */
class OutcomeStream extends Stream {
  readonly #gateway: Gateway;
  readonly #account: AccountName;
  #cursor: Cursor | null;
  #reading = false;
  #upToDate = false;
  /** Reads that failed in a row. */
  #failures = 0;

  constructor(gateway: Gateway, service: string, account: AccountName, cursor: Cursor | null) {
    super(gateway, service);
    this.#gateway = gateway;
    this.#account = account;
    this.#cursor = cursor;
    this.flush();
  }

  presence(): void {}

  moved(): void {
    this.#upToDate = false;
    this.flush();
  }

  flush(): void {
    if (this.#reading || this.#upToDate || !this.roomy) return;
    this.#reading = true;
    this.#upToDate = true;
    readOutcomes(this.#gateway.ports.router, this.#account, this.#cursor, PAGE.limit, (result) => {
      this.#reading = false;
      if (!this.open) return;
      if (!result.ok) return this.#failed(result);
      this.#failures = 0;
      const { outcomes, cursor, more } = result.value;
      const [mailboxId, seq] = cursor.split(":");
      this.#cursor = { mailboxId: mailboxId as Cursor["mailboxId"], seq: Number(seq) };
      if (outcomes.length > 0) {
        const data = JSON.stringify({ outcomes, cursor });
        this.write(`event: outcomes\nid: ${cursor}\ndata: ${data}\n\n`);
      }
      if (more) this.#upToDate = false;
      this.flush();
    });
  }

  #failed({ code, message, retryAfterMs }: Failure): void {
    if (code === "unavailable" || code === "busy") {
      const { timers, random, retries } = this.#gateway.ports;
      const waitMs = retries.againMs("stream", ++this.#failures, random.number(), retryAfterMs);
      timers.after(waitMs, () => this.moved());
      return;
    }
    this.write(`event: error\ndata: ${JSON.stringify({ code, message })}\n\n`);
    this.ended();
  }
}

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/** The answer that streams presence. */
export function presenceStream(
  gateway: Gateway,
  service: string,
  users: readonly string[] | null,
): Response {
  return new Response(new PresenceStream(gateway, service, users).body, { headers: HEADERS });
}

/** The answer that streams outcomes. */
export function outcomeStream(
  gateway: Gateway,
  service: string,
  account: AccountName,
  cursor: Cursor | null,
): Response {
  const stream = new OutcomeStream(gateway, service, account, cursor);
  return new Response(stream.body, { headers: HEADERS });
}
