/** The raw side of a client that keeps no rules: bytes on a TCP socket, and what it received. */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** Bytes of an answer that are kept; the rest is read and dropped. */
const KEPT_BYTES = 65_536;

/** One TCP connection. Never throws on what the server does to it. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #wake = () => {};
  /** Whether it is gone, from whatever side, and nothing will come any more. */
  over = false;
  /** When it was gone, ms since it was opened. */
  lastedMs = 0;
  /** The system's code of the error that ended it; empty where it ended in order. */
  error = "";
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const began = performance.now();
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.over = true;
        this.lastedMs = performance.now() - began;
        this.#wake();
        resolve();
      });
    });
    // A reset is one of the ends that are expected.
    socket.on("error", ({ code }: NodeJS.ErrnoException) => this.error = code ?? "unknown");
    socket.on("data", (chunk: Buffer) => {
      if (this.#bytes < KEPT_BYTES) this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#wake();
    });
  }

  /** Connects; resolves when connected, or when that failed. `from`: one's own address. */
  static open(url: string, from = "127.0.0.1"): Promise<RawConnection> {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), localAddress: from });
    socket.setNoDelay(true);
    const connection = new RawConnection(socket);
    return new Promise((resolve) => {
      socket.once("connect", () => resolve(connection));
      void connection.closed.then(() => resolve(connection));
    });
  }

  /** Connects and upgrades; null where that was refused. */
  static async openWs(url: string, from?: string): Promise<RawConnection | null> {
    const connection = await RawConnection.open(url, from);
    connection.write(handshake());
    await connection.until((text) => text.includes("\r\n\r\n"));
    return connection.text.startsWith("HTTP/1.1 101") ? connection : null;
  }

  /** What came, as Latin-1; at most about `KEPT_BYTES`. */
  get text(): string {
    return Buffer.concat(this.#chunks).toString("latin1");
  }

  /** Bytes that came. */
  get receivedBytes(): number {
    return this.#bytes;
  }

  write(data: string | Uint8Array): void {
    if (this.over) return;
    if (typeof data === "string") this.#socket.write(data, "latin1");
    else this.#socket.write(data);
  }

  /** Writes, and resolves when the kernel has taken it all or the connection is gone. */
  async drained(data: Uint8Array): Promise<void> {
    if (this.#socket.destroyed) return await this.closed;
    const written = new Promise<void>((resolve) => this.#socket.write(data, () => resolve()));
    await Promise.race([written, this.closed]);
  }

  /** Resolves when `found` holds for what came, or when the connection is gone. */
  async until(found: (text: string) => boolean): Promise<void> {
    while (!this.over && !found(this.text)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Reads no more: the server's bytes fill the kernel's buffers, then its own. */
  stall(): void {
    this.#socket.pause();
  }

  /** Sends the end of its side, and goes on reading. */
  end(): void {
    this.#socket.end();
  }

  /** RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** A request to upgrade, with headers changed (null: left out) or added. */
export function handshake(change: Readonly<Record<string, string | null>> = {}): string {
  const headers: Record<string, string | null> = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...change,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET /v1/ws HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** What a frame's head says, right or wrong. */
export interface FrameHead {
  /** 1 text, 2 binary, 0 continuation, 8 close, 9 ping, 10 pong. */
  readonly opcode?: number;
  readonly fin?: boolean;
  /** Three reserved bits. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length that the head claims; that of the payload if absent. */
  readonly length?: bigint;
}

const utf8 = new TextEncoder();

/** One WebSocket frame of a client (RFC 6455 section 5.2), or what is to be taken for one. */
export function wsFrame(payload: string | Uint8Array, head: FrameHead = {}): Uint8Array {
  const data = typeof payload === "string" ? utf8.encode(payload) : payload;
  const { opcode = 1, fin = true, rsv = 0, masked = true } = head;
  const length = head.length ?? BigInt(data.length);
  const bytes = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  if (length < 126n) bytes.push(mask | Number(length));
  else if (length < 65_536n) bytes.push(mask | 126, Number(length >> 8n), Number(length & 255n));
  else {
    bytes.push(mask | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) bytes.push(Number((length >> shift) & 255n));
  }
  // A mask of zeros is as good as any, and leaves the payload as it is.
  if (masked) bytes.push(0, 0, 0, 0);
  const frame = new Uint8Array(bytes.length + data.length);
  frame.set(bytes);
  frame.set(data, bytes.length);
  return frame;
}
