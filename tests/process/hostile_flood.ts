/** One client that sends as fast as it can, in many ways, and what ordinary users notice of it. */
import { handshake, wsFrame } from "./hostile_client.ts";
import type { Flood, FloodReport } from "./hostile_worker.ts";
import { Metrics } from "./metrics.ts";
import type { Pulse, Stretch } from "./pulse.ts";
import type { ServerProcess } from "./server.ts";

const utf8 = new TextEncoder();

/** Bytes in a row. */
function join(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const bytes = parts.map((part) => typeof part === "string" ? utf8.encode(part) : part);
  const out = new Uint8Array(bytes.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The same again and again, about a socket's write at once. */
function many(part: Uint8Array | string): Uint8Array {
  const bytes = typeof part === "string" ? utf8.encode(part) : part;
  return join(...Array<Uint8Array>(Math.ceil(65_536 / bytes.length)).fill(bytes));
}

const NOTHING = new Uint8Array();

/** Bytes that look like nothing: the same in every run. */
function garbage(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, x = 1; i < length; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** What a flood sends, without where to. */
export type FloodKind = Pick<Flood, "connections" | "head" | "body">;

/** The floods, by name; `token` is that of a user who floods. */
export function floodKinds(token: string): Readonly<Record<string, FloodKind>> {
  const ws = utf8.encode(handshake());
  const hello = join(
    ws,
    wsFrame(JSON.stringify({ t: "hello", v: 1, auth: { token }, device: "phone" })),
  );
  const get = (path: string, header = "") =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`;
  const part = wsFrame("1", { opcode: 0, fin: false });
  const large = `{"t":"ping","id":1,"x":[${"{},".repeat(20_000)}1]}`;
  return {
    "frames, not signed in": { connections: 4, head: ws, body: many(wsFrame("x")) },
    "commands": { connections: 1, head: hello, body: many(wsFrame('{"t":"ping","id":1}')) },
    "malformed frames": { connections: 1, head: hello, body: many(wsFrame("{")) },
    "large frames": { connections: 1, head: hello, body: wsFrame(large) },
    "fragments": {
      connections: 1,
      head: hello,
      body: join(wsFrame("1", { fin: false }), many(part), wsFrame("1", { opcode: 0 })),
    },
    "garbage, not HTTP": { connections: 4, head: NOTHING, body: garbage(65_536) },
    "garbage after the handshake": { connections: 4, head: ws, body: garbage(65_536) },
    "oversize frames": { connections: 4, head: hello, body: wsFrame("x".repeat(1_000_000)) },
    "oversize headers": {
      connections: 4,
      head: NOTHING,
      body: many(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(60_000)}\r\n\r\n`),
    },
    "compressed frames": {
      connections: 4,
      head: utf8.encode(handshake({ "Sec-WebSocket-Extensions": "permessage-deflate" })),
      // The server has no setting that agrees to compression: these break the protocol.
      body: many(wsFrame(new Uint8Array(1000).fill(0xff), { rsv: 4 })),
    },
    "pings": { connections: 1, head: hello, body: many(wsFrame("", { opcode: 9 })) },
    "pongs": { connections: 1, head: hello, body: many(wsFrame("", { opcode: 10 })) },
    "requests, pipelined": { connections: 2, head: NOTHING, body: many(get("/v1/info")) },
    "requests to nowhere": { connections: 2, head: NOTHING, body: many(get("/nowhere")) },
    "requests, signed in": {
      connections: 2,
      head: NOTHING,
      body: many(get("/v1/devices", `Authorization: Bearer ${token}\r\n`)),
    },
    "connections, reset at once": { connections: 8, head: utf8.encode("x"), body: NOTHING },
    "upgrades, reset at once": { connections: 8, head: ws, body: NOTHING },
    "sign-ins, reset at once": { connections: 8, head: hello, body: NOTHING },
  };
}

/** What was seen of one flood. */
export interface FloodFigures extends FloodReport {
  /** What ordinary users noticed. */
  readonly during: Stretch;
  /** What the server counted meanwhile. */
  readonly counted: Readonly<Record<string, number>>;
}

/** Lets it flow for `durationMs`, from an address of its own. */
export async function flood(
  server: ServerProcess,
  pulse: Pulse,
  kind: FloodKind,
  from: string,
  durationMs: number,
): Promise<FloodFigures> {
  const before = await Metrics.of(server.url);
  const worker = new Worker(new URL("hostile_worker.ts", import.meta.url), { type: "module" });
  worker.postMessage({ ...kind, url: server.url, from, againMs: 5 } satisfies Flood);
  pulse.cut();
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const report = await new Promise<FloodReport>((resolve) => {
    worker.onmessage = (event: MessageEvent<FloodReport>) => resolve(event.data);
    worker.postMessage("stop");
  });
  worker.terminate();
  const during = pulse.cut();
  return { ...report, during, counted: (await Metrics.of(server.url)).since(before) };
}
