/**
 * Frames over a Unix socket, each behind its length. All that is sent in a turn is one write. What a
 * slow recipient leaves waits here and is counted; a reader that has enough pauses the sender.
 */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";
import { plainBytes } from "../../shard/record/bytes.ts";
import { removeIfThere } from "./small_file.ts";
import { runCallback } from "./callback.ts";

const LENGTH_BYTES = 4;

/** One end of a connection. */
export interface FramedSocket {
  /** Sends a frame with the others of this turn. */
  send(frame: Uint8Array): void;
  /** Bytes that wait for the other end. */
  readonly waitingBytes: number;
  /** Whether frames are read; while not, the other end's wait there. */
  flow(on: boolean): void;
  /** Ends it at once; `closed` is called. */
  close(why: string): void;
}

/** What a connection tells its user; never before the call that made it has returned. */
export interface FramedEvents {
  /** A whole frame; its bytes may be kept. What is thrown ends the connection. */
  frame(frame: Uint8Array): void;
  /** All that waited for the other end is on its way. */
  drained(): void;
  /** It is over; called once. `connected`: whether it had begun, so that frames may have arrived. */
  closed(why: string, connected: boolean): void;
}

/** Cuts bytes into frames. */
export class FrameCutter {
  #parts: Uint8Array[] = [];
  /** Where the next frame begins in the first part. */
  #at = 0;
  /** Bytes from there on. */
  #bytes = 0;

  /** Takes bytes as they were read. */
  push(bytes: Uint8Array): void {
    this.#parts.push(plainBytes(bytes));
    this.#bytes += bytes.length;
  }

  /**
   * The next whole frame, a view of what was read; null where more bytes are needed. Throws where it
   * is longer than `frameBytesMax`.
   */
  next(frameBytesMax: number): Uint8Array | null {
    if (this.#bytes < LENGTH_BYTES) return null;
    if (this.#parts[0]!.length - this.#at < LENGTH_BYTES) this.#join();
    const length = this.#length();
    if (length > frameBytesMax) {
      throw new Error(`a frame of ${length} bytes, limit is ${frameBytesMax}`);
    }
    const frameBytes = LENGTH_BYTES + length;
    if (this.#bytes < frameBytes) return null;
    // Put together once all of it has arrived.
    if (this.#parts[0]!.length - this.#at < frameBytes) this.#join();
    const first = this.#parts[0]!;
    const begin = this.#at + LENGTH_BYTES;
    this.#bytes -= frameBytes;
    this.#at = begin + length;
    if (this.#at === first.length) {
      this.#parts.shift();
      this.#at = 0;
    }
    return first.subarray(begin, begin + length);
  }

  #length(): number {
    const [first, at] = [this.#parts[0]!, this.#at];
    return first[at]! * 2 ** 24 + (first[at + 1]! << 16 | first[at + 2]! << 8 | first[at + 3]!);
  }

  #join(): void {
    this.#parts[0] = this.#parts[0]!.subarray(this.#at);
    this.#parts = [plainBytes(Buffer.concat(this.#parts))];
    this.#at = 0;
  }
}

class NetFramed implements FramedSocket {
  readonly #socket: Socket;
  readonly #events: FramedEvents;
  readonly #cutter = new FrameCutter();
  readonly #frameBytesMax: number;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #connected: boolean;
  #closed = false;
  #flows = true;

  constructor(socket: Socket, connected: boolean, frameBytesMax: number, events: FramedEvents) {
    this.#socket = socket;
    this.#connected = connected;
    this.#events = events;
    this.#frameBytesMax = frameBytesMax;
    socket.on("connect", () => this.#connected = true);
    socket.on("data", (bytes: Uint8Array) => {
      this.#cutter.push(bytes);
      runCallback(() => this.#read());
    });
    socket.on("drain", () => runCallback(() => this.#closed || events.drained()));
    socket.on("error", (error: Error) => this.close(error.message));
    socket.on("close", () => this.close("the connection was closed"));
  }

  get waitingBytes(): number {
    return this.#socket.writableLength + this.#unsentBytes;
  }

  send(frame: Uint8Array): void {
    if (this.#closed) return;
    if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, frame.length);
    this.#unsent.push(length, frame);
    this.#unsentBytes += LENGTH_BYTES + frame.length;
  }

  #flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (!this.#closed) this.#socket.write(Buffer.concat(unsent));
  }

  flow(on: boolean): void {
    if (this.#closed || on === this.#flows) return;
    this.#flows = on;
    if (!on) return void this.#socket.pause();
    this.#socket.resume();
    queueMicrotask(() => runCallback(() => this.#read()));
  }

  #read(): void {
    try {
      while (this.#flows && !this.#closed) {
        const frame = this.#cutter.next(this.#frameBytesMax);
        if (frame === null) return;
        this.#events.frame(frame);
      }
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    queueMicrotask(() => runCallback(() => this.#events.closed(why, this.#connected)));
  }
}

/** Connects to the socket at `path`. Frames may be sent at once; where it fails, `closed` is called. */
export function dialFramed(
  path: string,
  frameBytesMax: number,
  events: FramedEvents,
): FramedSocket {
  return new NetFramed(connect({ path }), false, frameBytesMax, events);
}

/** A socket that accepts connections. */
export interface FramedListener {
  /** Accepts no more; connections go on. Removes the socket. */
  close(): void;
}

/** Listens at `path` for this user only; what a process that has ended left there is removed. */
export async function listenFramed(
  path: string,
  frameBytesMax: number,
  accept: (socket: FramedSocket) => FramedEvents,
): Promise<FramedListener> {
  const server = createServer((socket) => {
    // Not yet known when the first events could occur: they are of later turns.
    const events: { made?: FramedEvents } = {};
    const framed = new NetFramed(socket, true, frameBytesMax, {
      frame: (frame) => events.made!.frame(frame),
      drained: () => events.made!.drained(),
      closed: (...over) => events.made!.closed(...over),
    });
    events.made = accept(framed);
  });
  await listenPrivately(server, path);
  return {
    close() {
      server.close();
      removeIfThere(path);
    },
  };
}

/** Listens at a path that only this user can use, from the first moment on. */
export function listenPrivately(server: Server, path: string): Promise<void> {
  removeIfThere(path);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The socket is made within this call, with the mode that the mask leaves: 0600.
    const mask = Deno.umask(0o177);
    try {
      server.listen({ path }, () => {
        server.removeListener("error", reject);
        resolve();
      });
    } finally {
      Deno.umask(mask);
    }
  });
}
