/** A TCP client that sends any bytes, and a decoder of what WebSocket servers send. */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** One frame as a server sends it. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A frame as clients must send it: masked. `first` overrides the first byte. */
export function masked(opcode: number, payload: Uint8Array | string, first?: number): Buffer {
  const data = typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload);
  const size = data.length < 126 ? 2 : data.length < 65_536 ? 4 : 10;
  const head = Buffer.alloc(size + 4);
  head[0] = first ?? (0x80 | opcode);
  head[1] = 0x80 | (size === 2 ? data.length : size === 4 ? 126 : 127);
  if (size === 4) head.writeUInt16BE(data.length, 2);
  if (size === 10) head.writeBigUInt64BE(BigInt(data.length), 2);
  const mask = [0x12, 0x34, 0x56, 0x78];
  head.set(mask, size);
  for (let i = 0; i < data.length; i++) data[i]! ^= mask[i & 3]!;
  return Buffer.concat([head, data]);
}

/** One connection. */
export class RawSocket {
  readonly socket: Socket;
  bytes: Buffer = Buffer.alloc(0);
  closed = false;
  #changed: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, data]);
      this.#changed();
    });
    // A reset is one of the ends that are waited for.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** Waits until `holds`, which is looked at whenever something has come. Throws after 10 s. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const got = this.bytes.subarray(0, 200).toString("latin1");
        reject(new Error(`until: waited 10 s for ${holds}, closed ${this.closed}, got ${got}`));
      }, 10_000);
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#changed = () => {};
        resolve();
      };
      this.#changed = look;
      look();
    });
  }

  ended(): Promise<void> {
    return this.until(() => this.closed);
  }

  write(data: Uint8Array | string): void {
    this.socket.write(data);
  }

  /** The status line's number, once the head has arrived. */
  async status(): Promise<number> {
    await this.until(() => this.bytes.includes("\r\n\r\n") || this.closed);
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.bytes.toString("latin1"))?.[1] ?? 0);
  }

  /** The body of an HTTP answer after which the server closes. */
  async json(): Promise<Record<string, unknown>> {
    await this.ended();
    const text = this.bytes.toString();
    return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
  }

  /** All frames so far, after the head of the answer to the upgrade. */
  frames(): readonly RawFrame[] {
    const frames: RawFrame[] = [];
    let at = this.bytes.indexOf("\r\n\r\n") + 4;
    while (at + 2 <= this.bytes.length) {
      const short = this.bytes[at + 1]!;
      if (short >= 128) throw new Error("frames: a server must not mask");
      const size = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (at + size > this.bytes.length) break;
      const length = size === 2
        ? short
        : size === 4
        ? this.bytes.readUInt16BE(at + 2)
        : Number(this.bytes.readBigUInt64BE(at + 2));
      if (at + size + length > this.bytes.length) break;
      const payload = this.bytes.subarray(at + size, at + size + length);
      frames.push({ opcode: this.bytes[at]! & 15, payload });
      at += size + length;
    }
    return frames;
  }

  texts(): readonly string[] {
    return this.frames().filter(({ opcode }) => opcode === TEXT).map(({ payload }) =>
      payload.toString()
    );
  }

  /** The code of the close frame; 0 while there is none. */
  closeCode(): number {
    const close = this.frames().find(({ opcode }) => opcode === CLOSE);
    return close === undefined ? 0 : close.payload.readUInt16BE(0);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The request that begins a WebSocket. */
export function upgradeRequest(path = "/v1/ws", headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
    "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`;
}

/** A WebSocket, upgraded. */
export async function rawWebSocket(port: number): Promise<RawSocket> {
  const raw = new RawSocket(port);
  raw.write(upgradeRequest());
  const status = await raw.status();
  if (status !== 101) throw new Error(`rawWebSocket: status ${status}, wanted 101`);
  return raw;
}
