/** A TCP proxy that keeps what a server says to its clients, as text that can be searched. */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Headers by which clients allow compression; without them everything is readable. */
const COMPRESSION = /^(accept-encoding|sec-websocket-extensions):/gim;

/** See the head of this file; it listens on loopback. */
export class RecordingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #said: Buffer[] = [];

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const upstream = connect(port, "127.0.0.1");
      for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
      client.on("data", (bytes: Uint8Array) => {
        const text = Buffer.from(bytes).toString("latin1");
        const plain = text.replace(COMPRESSION, (header) => `x-${header.slice(2)}`);
        upstream.write(Buffer.from(plain, "latin1"));
      });
      upstream.on("data", (bytes: Uint8Array) => {
        this.#said.push(Buffer.from(bytes));
        client.write(bytes);
      });
    });
  }

  /** Begins to pass on what is sent to it to a port of loopback. */
  static async open(port: number): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(port);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  /** All that the server has said, each byte a character. */
  get said(): string {
    return Buffer.concat(this.#said).toString("latin1");
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}
