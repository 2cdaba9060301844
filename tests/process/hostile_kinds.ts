/** The ways in which a connection can be bad, each as what it writes and how it goes on. */
import { handshake, wsFrame } from "./hostile_client.ts";

/** What a server is expected to count a bad connection as. */
export type CountedAs = "http" | "malformed" | "too_large" | "hello_timeout" | "unauthorized";

/** One way. */
export interface BadKind {
  readonly name: string;
  /** Written at the beginning; nothing where empty. */
  readonly head: string;
  /** Whether the head asks for a WebSocket: what follows waits for its answer. */
  readonly upgrades: boolean;
  /** Written after that. */
  readonly body: Uint8Array;
  /** Written again and again, a byte each `DRIP_MS`; nothing where empty. */
  readonly drip: Uint8Array;
  readonly countedAs: CountedAs;
}

/** How slowly bytes drip (ms). */
export const DRIP_MS = 100;

const NOTHING = new Uint8Array();
const bytes = (text: string) => new TextEncoder().encode(text);

function http(name: string, head: string, drip = ""): BadKind {
  return { name, head, upgrades: false, body: NOTHING, drip: bytes(drip), countedAs: "http" };
}

function ws(
  name: string,
  body: Uint8Array,
  countedAs: CountedAs,
  drip: Uint8Array = NOTHING,
): BadKind {
  return { name, head: handshake(), upgrades: true, body, drip, countedAs };
}

const REQUEST = "GET /v1/info HTTP/1.1\r\nHost: localhost\r\n";
const POST = "POST /v1/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/** Sixteen of them. */
export const BAD_KINDS: readonly BadKind[] = [
  http("tcp: nothing", ""),
  http("tcp: rubbish", "\x00\xff\x16\x03rubbish\r\n\r\n\x80"),
  http("http: half a request", REQUEST.slice(0, 20)),
  http("http: headers that drip", REQUEST, "X-Drip: drip\r\n"),
  http("http: half a body", `${POST}Content-Length: 1000\r\n\r\n{"user":`),
  http("http: header bomb", `${REQUEST}X-Bomb: ${"x".repeat(100_000)}`),
  http("http: two lengths", `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n{}`),
  ws("ws: nothing", NOTHING, "hello_timeout"),
  ws("ws: half a frame", wsFrame('{"t":"hello"}').slice(0, 9), "hello_timeout"),
  ws("ws: a frame that drips", NOTHING, "hello_timeout", wsFrame("x".repeat(5000))),
  ws("ws: huge frame", wsFrame("x".repeat(70_000)), "too_large"),
  ws("ws: huge length", wsFrame("x", { length: 2n ** 62n }), "too_large"),
  ws("ws: not masked", wsFrame("{}", { masked: false }), "malformed"),
  ws("ws: not UTF-8", wsFrame(new Uint8Array([0xc3, 0x28])), "malformed"),
  ws("ws: rubbish", wsFrame("rubbish"), "malformed"),
  ws(
    "ws: a token that is none",
    wsFrame(JSON.stringify({ t: "hello", v: 1, auth: { token: "rt1_x" } })),
    "unauthorized",
  ),
];
