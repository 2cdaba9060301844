/**
 * `GET /v1/events`: the events of a session by long-poll, or as server-sent events. Both are read
 * with fetch, so that the token travels as a header.
 */
import type { CloseReason, OpenedSession, PollBatch, Session, Sink } from "../edge/types.ts";
import type { DevicePresence } from "../../shard/ops.ts";
import type { ReachedSession } from "../edge/reach.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { type Cursor, formatCursor, type MailboxId } from "../../shard/name/ids.ts";
import { goawayFrame } from "./encode.ts";
import { errorResponse, jsonResponse } from "../http/response.ts";
import { abortConnection } from "../http/http_server.ts";
import { type JsonFields, objectText } from "../text/json_text.ts";
import { welcomeFields } from "./protocol.ts";
import type { ProtocolHost } from "./protocol_host.ts";
import type { PublicServers } from "./servers.ts";
import type { EventsCall } from "./rest_call.ts";
import { openInTurn } from "../http/sign_in_queue.ts";
import { isSynthetic } from "../node/reserved_names.ts";

/** What event streams count, for metrics. */
export interface OpenStreams {
  open: number;
  /** Those of them that are the load tool's. */
  synthetic: number;
  /** Events sent on all streams so far, and their bytes. */
  sent: number;
  sentBytes: number;
}

/** Counters at zero. */
export function newStreamCounters(): OpenStreams {
  return { open: 0, synthetic: 0, sent: 0, sentBytes: 0 };
}

/** How events are sent. */
export interface Streaming {
  /** Bytes of an event stream that may wait for its reader before it counts as unsent. */
  readonly streamBytesMax: number;
  readonly streams: OpenStreams;
}

type Deps =
  & Streaming
  & Pick<
    ProtocolHost,
    "clock" | "timers" | "protocol" | "domain" | "servers" | "signInQueue" | "open" | "signedIn"
  >;

/** A comment keeps proxies from closing an idle stream (ms). */
const HEARTBEAT_MS = 15_000;

/**
 * How long the response to a replaced poll is withheld (ms), so that two pollers of one session that
 * ignore `replaced` do not end each other's polls as fast as the network lets them.
 */
const REPLACED_MS = 1000;

const ONLINE = { show: "online", status: "", priority: 0, ext: "" } as const;

/** Makes the handler of the events route. */
export function makeEvents(deps: Deps): (call: EventsCall) => Promise<Response> {
  return (call) => call.stream ? stream(deps, call) : poll(deps, call);
}

/**
 * The presence of a session that is opened: where it goes on with one of another node, which it
 * replaces, that one's.
 */
function presenceFor({ session, invisible }: EventsCall) {
  return new Promise<Result<{ readonly presence: DevicePresence | null }>>((done) => {
    if (session === null || session.here) done(ok({ presence: invisible ? null : ONLINE }));
    else session.presence(done);
  });
}

async function openSession(
  deps: Deps,
  call: EventsCall,
  sink: Sink | null,
): Promise<Result<OpenedSession>> {
  const { caller, session, after, ends } = call;
  const shown = await presenceFor(call);
  if (!shown.ok) return shown;
  return await new Promise((done) =>
    openInTurn(deps, {
      user: caller.user,
      device: caller.device,
      auth: caller.auth,
      provedUntil: caller.provedUntil,
      cursor: after,
      presence: shown.value.presence,
      resume: session?.id ?? null,
      ...(ends === undefined ? {} : { ends }),
      address: call.address,
      sink,
    }, (result) => {
      deps.signedIn(caller.auth.kind, result.ok ? "ok" : result.code);
      done(result);
    })
  );
}

// ---- long-poll

async function poll(deps: Deps, call: EventsCall): Promise<Response> {
  let welcome: JsonFields | null = null;
  let session: Polled | null = call.session;
  let waitMs = call.waitMs;
  let after = call.after;
  if (session === null) {
    const opened = await openSession(deps, call, null);
    if (!opened.ok) return errorResponse(opened);
    const { session: own } = opened.value;
    const { mode, snapshot, mailboxId } = opened.value;
    welcome = welcomeFields(deps.protocol, deps.clock, {
      opened: opened.value,
      domain: deps.domain,
      token: null,
      scram: null,
      servers: deps.servers.all(),
    });
    if (mode !== "resume") after = { mailboxId, seq: snapshot?.seq ?? opened.value.seq };
    waitMs = 0;
    session = { id: own.id, poll: (options, done) => own.poll(options, done) };
    own.start();
  }
  const { soft, caller: { provedUntil } } = call;
  const options = { cursor: after, soft, waitMs, provedUntil };
  return await parked(deps, session, call.request.signal, options, welcome);
}

type Polled = Pick<ReachedSession, "id" | "poll">;

function parked(
  { timers }: Pick<Deps, "timers">,
  session: Polled,
  gone: AbortSignal,
  options: Parameters<Polled["poll"]>[0],
  welcome: JsonFields | null,
): Promise<Response> {
  return new Promise((resolve) => {
    let answered = false;
    const cancel = session.poll(options, (result) => {
      answered = true;
      if (!result.ok) return resolve(errorResponse(result));
      const { replaced } = result.value;
      const respond = () => resolve(jsonResponse(200, batchText(session, result.value, welcome)));
      if (replaced) timers.after(REPLACED_MS, respond);
      else respond();
    });
    // The signal also fires after success: a cancelled poll that was answered does nothing.
    const leave = () => {
      if (answered) return;
      cancel();
      resolve(errorResponse(fail("unavailable", "The client is gone")));
    };
    if (gone.aborted) leave();
    else gone.addEventListener("abort", leave, { once: true });
  });
}

function batchText(
  { id }: Polled,
  { events, soft, cursor, replaced }: PollBatch,
  welcome: JsonFields | null,
): string {
  return objectText({
    ...(welcome ?? { session: JSON.stringify(id) }),
    soft: String(soft),
    // That of the poll, in place of the welcome's.
    cursor: JSON.stringify(formatCursor(cursor)),
    ...(replaced ? { replaced: "true" } : {}),
    events: `[${events.join()}]`,
  });
}

// ---- server-sent events

/** One open stream as a session's sink. */
class EventStream implements Sink {
  readonly body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly #encoder = new TextEncoder();
  readonly #counts: OpenStreams;
  readonly #ended: () => void;
  readonly #abort: () => void;
  readonly #servers: PublicServers;
  readonly #bytesMax: number;
  /** The cursor after what was sent, for `id:`. Set before the session starts. */
  cursor: Cursor = { mailboxId: "" as MailboxId, seq: 0 };

  /** `ended` is called once, at the end; `abort` cuts the connection where there is one. */
  constructor(
    { streams, streamBytesMax: bytesMax, servers }: Streaming & Pick<ProtocolHost, "servers">,
    ended: () => void,
    abort: () => void,
  ) {
    this.#counts = streams;
    this.#servers = servers;
    this.#ended = ended;
    this.#abort = abort;
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#over(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: bytesMax }));
    this.#bytesMax = bytesMax;
  }

  get open(): boolean {
    return this.#controller !== null;
  }

  #over(): void {
    if (this.#controller === null) return;
    this.#controller = null;
    this.#ended();
  }

  write(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.#counts.sent++;
    this.#counts.sentBytes += bytes.length;
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // The stream was cancelled in this very turn.
      this.#over();
    }
  }

  send(text: string, seq = 0): void {
    if (seq > this.cursor.seq) this.cursor = { ...this.cursor, seq };
    this.write(`event: events\nid: ${formatCursor(this.cursor)}\ndata: ${text}\n\n`);
  }

  bufferedBytes(): number {
    const room = this.#controller?.desiredSize ?? this.#bytesMax;
    return Math.max(0, this.#bytesMax - room);
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    const goaway = goawayFrame(reason, retryAfterMs, this.#servers.others());
    this.write(`event: goaway\ndata: ${goaway}\n\n`);
    this.#finish();
  }

  terminate(): void {
    this.#finish();
    // What was queued for the reader goes with its connection.
    this.#abort();
  }

  #finish(): void {
    const controller = this.#controller;
    this.#over();
    try {
      controller?.close();
    } catch {
      // It has been closed from the other side meanwhile.
    }
  }
}

async function stream(deps: Deps, call: EventsCall): Promise<Response> {
  let session: Session | null = null;
  let stopHeartbeat = () => {};
  const synthetic = Number(isSynthetic(call.caller.user));
  const count = (change: 1 | -1) => {
    deps.streams.open += change;
    deps.streams.synthetic += change * synthetic;
  };
  count(1);
  const sink: EventStream = new EventStream(deps, () => {
    count(-1);
    stopHeartbeat();
    session?.lost(sink);
  }, () => abortConnection(call.request));
  const opened = await openSession(deps, call, sink);
  if (!opened.ok) {
    count(-1);
    return errorResponse(opened);
  }
  session = opened.value.session;
  const welcome = welcomeFields(deps.protocol, deps.clock, {
    opened: opened.value,
    domain: deps.domain,
    token: null,
    scram: null,
    servers: deps.servers.all(),
  });
  const { mailboxId, seq } = opened.value;
  sink.cursor = { mailboxId, seq };
  const id = formatCursor(sink.cursor);
  sink.write(`event: welcome\nid: ${id}\ndata: ${objectText(welcome)}\n\n`);
  const beat = () => {
    sink.write(": still here\n\n");
    if (sink.open) stopHeartbeat = deps.timers.after(HEARTBEAT_MS, beat);
  };
  stopHeartbeat = deps.timers.after(HEARTBEAT_MS, beat);
  session.start();
  return new Response(sink.body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}
