/** What drives the series of a server's metrics: users, connections of all kinds, and waiting. */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import type { MeteredNode } from "./metered_node.ts";
import { masked, RawSocket, TEXT } from "../scenario/raw_socket.ts";

/** The password of every user. */
export const PASSWORD = "correct horse";
/** Longest wait for what a server does by itself, ms. */
const WAIT_MS = 15_000;

/** Asks for a WebSocket. */
export const UPGRADE =
  "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Clients of one server, which `end` closes all. */
export class Drive {
  readonly node: MeteredNode;
  readonly clients: Client[] = [];
  readonly tokens = new Map<string, string>();
  readonly raw: RawSocket[] = [];
  readonly deafs: Deno.Conn[] = [];
  readonly aborts: AbortController[] = [];
  readonly servers: Deno.HttpServer[] = [];

  constructor(node: MeteredNode) {
    this.node = node;
  }

  get url(): string {
    return this.node.front.url;
  }

  get wsUrl(): string {
    return `${this.url.replace("http", "ws")}/v1/ws`;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async register(user: string): Promise<void> {
    const body = { user, password: PASSWORD, device: "phone" };
    const { token } = await rest<{ token: string }>(this.url, "POST", "/v1/register", { body });
    this.tokens.set(user, token);
  }

  async connect(user: string): Promise<Client> {
    const auth = { token: this.tokens.get(user)! };
    const client = await Client.connect(this.wsUrl, { auth });
    this.clients.push(client);
    return client;
  }

  client(user: string): Client {
    const client = this.clients.findLast(({ welcome }) => welcome["user"] === user);
    assert.ok(client !== undefined, user);
    return client;
  }

  /** Opens server-sent events; they are read no further than their first bytes. */
  async stream(token: string): Promise<void> {
    const abort = new AbortController();
    this.aborts.push(abort);
    const headers = { accept: "text/event-stream", authorization: `Bearer ${token}` };
    const { body } = await fetch(`${this.url}/v1/events`, { headers, signal: abort.signal });
    await body!.getReader().read();
  }

  /** A REST call; returns its status, whatever it is. */
  async call(method: string, path: string, body?: unknown, token?: string): Promise<number> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await response.text();
    return response.status;
  }

  /** Looks at the metrics until a series has moved. */
  async moved(...names: readonly string[]): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    for (;;) {
      await this.node.look();
      const left = this.node.series.unmoved().filter((name) => names.includes(name));
      if (left.length === 0) return;
      if (performance.now() > endMs) throw new Error(`these do not move: ${left}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Looks at the metrics until they are as wanted. */
  async until(fits: (text: string) => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    while (!fits(await this.node.look())) {
      if (performance.now() > endMs) throw new Error(`never as wanted: ${fits}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  rawSocket(): RawSocket {
    const socket = new RawSocket(this.port);
    this.raw.push(socket);
    return socket;
  }

  /** Sends this on a connection of its own and reads no further than the welcome. */
  async deaf(head: string): Promise<void> {
    const conn = await Deno.connect({ port: this.port, hostname: "127.0.0.1" });
    this.deafs.push(conn);
    await conn.write(new TextEncoder().encode(head));
    const bytes = new Uint8Array(65_536);
    let text = "";
    while (!text.includes("cursor")) {
      text += new TextDecoder().decode(bytes.subarray(0, await conn.read(bytes) ?? 0));
    }
  }

  /** A WebSocket whose client neither reads nor sends by itself. */
  async rawWebSocket(hello: unknown | null): Promise<RawSocket> {
    const socket = this.rawSocket();
    socket.socket.write(UPGRADE);
    await socket.until(() => socket.bytes.includes("\r\n\r\n"));
    if (hello !== null) {
      socket.socket.write(masked(TEXT, JSON.stringify({ t: "hello", v: 1, ...hello as object })));
      await socket.until(() => socket.bytes.includes("welcome"));
    }
    return socket;
  }

  async end(): Promise<void> {
    const gone = this.clients.map((client) => client.closed);
    await this.node.close();
    for (const { socket } of this.raw) socket.destroy();
    for (const conn of this.deafs) conn.close();
    for (const abort of this.aborts) abort.abort();
    for (const server of this.servers) await server.shutdown();
    await Promise.all(gone);
  }
}
