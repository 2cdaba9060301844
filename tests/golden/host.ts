/** A server as transcripts meet it: simulated in this process, or a real one. */
import type { Heard, RequestLine } from "./transcript.ts";
import type { Json } from "./placeholders.ts";

/** The client's end of a WebSocket. */
export interface Wire {
  send(text: string): void;
  /** `lost`: without a closing handshake. */
  end(how: "close" | "lost"): void;
}

/** A server to play on. */
export interface Host {
  open(heard: (heard: Heard) => void): Wire;
  /** Sends a request; everything of its answer is heard. */
  request(request: RequestLine, gone: AbortSignal, heard: (heard: Heard) => void): void;
  /** Does what no client can; what it makes, if anything, is bound as `<name>`. */
  act(words: readonly string[]): Promise<{ readonly name: string; readonly value: string } | null>;
  pause(ms: number): Promise<void>;
  /** Waits until `met`, but not for ever; whether it is. */
  until(met: () => boolean): Promise<boolean>;
  /** Waits until nothing more is to be expected. */
  settle(): Promise<void>;
}

/** Headers of answers that are part of the protocol. */
const HEADERS = ["retry-after", "upgrade", "www-authenticate"];

function jsonOf(path: string, text: string): Json {
  if (text === "") return null;
  const value = JSON.parse(text);
  return path === "/openapi.json" ? outline(value) : value;
}

/** Which operations a document has: what it says about them is not for ever. */
function outline(document: Record<string, Record<string, Record<string, unknown>>>): Json {
  const paths = Object.entries(document["paths"]!).map(([path, methods]) => [
    path,
    Object.fromEntries(Object.keys(methods).map((method) => [method, {}])),
  ]);
  return { openapi: document["openapi"] as unknown as Json, paths: Object.fromEntries(paths) };
}

/** Makes a request by `send` (as `fetch`) and reports its answer, and a stream's events. */
export async function fetchHeard(
  send: (request: Request) => Promise<Response>,
  base: string,
  { method, path, headers, body }: RequestLine,
  gone: AbortSignal,
  heard: (heard: Heard) => void,
): Promise<void> {
  const sent = new Headers(
    headers.map(([name, value]): [string, string] =>
      name === "bearer" ? ["authorization", `Bearer ${value}`] : [name, value]
    ),
  );
  if (body !== null && !sent.has("content-type")) sent.set("content-type", "application/json");
  const init = body === null ? {} : { body };
  try {
    const response = await send(
      new Request(`${base}${path}`, { method, headers: sent, signal: gone, ...init }),
    );
    await answerHeard(path, response, gone, heard);
  } catch (error) {
    // A client that hung up gets nothing more.
    if (!gone.aborted) throw error;
  }
}

async function answerHeard(
  path: string,
  response: Response,
  gone: AbortSignal,
  heard: (heard: Heard) => void,
): Promise<void> {
  const { status } = response;
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const headers = HEADERS.flatMap((name): [string, string][] => {
    const value = response.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  if (type === "text/event-stream") {
    heard({ kind: "answer", status, headers: [["content-type", type], ...headers], body: null });
    const reader = response.body!.getReader();
    gone.addEventListener("abort", () => void reader.cancel());
    for await (const event of serverSent(reader)) heard(event);
    if (!gone.aborted) heard({ kind: "end" });
    return;
  }
  const text = await response.text();
  const body = type === "application/json" ? jsonOf(path, text) : null;
  heard({ kind: "answer", status, headers, body });
}

/** The events of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* serverSent(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Heard> {
  let text = "";
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const event = serverSentEvent(block);
      if (event !== null) yield event;
    }
  }
}

/** One event; null for a comment. An event without an id has `-`. */
function serverSentEvent(block: string): Heard | null {
  const fields = new Map(
    block.split("\n").filter((line) => !line.startsWith(":"))
      .map((line) => line.split(/: ?(.*)/s) as [string, string]),
  );
  const data = fields.get("data");
  if (data === undefined) return null;
  const event = fields.get("event") ?? "message";
  return { kind: "event", event, id: fields.get("id") ?? "-", data: JSON.parse(data) };
}
