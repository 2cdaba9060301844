/**
 * A TCP proxy that is a WAN: what it passes on arrives later, in order; cut off it passes nothing on
 * and says nothing, as a network that drops packets does; broken it ends connections.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** See the head of this file; it listens on loopback. */
export class WanProxy {
  readonly #server: Server;
  readonly #port: number;
  readonly #tripMs: number;
  readonly #sockets = new Set<Socket>();
  /** What has come while it was cut off, and goes on once it is healed. */
  #held: (() => void)[] = [];
  #isCut = false;

  private constructor(port: number, tripMs: number) {
    this.#port = port;
    this.#tripMs = tripMs;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** Begins to pass on what is sent to it to a port of loopback, `tripMs` later each way. */
  static async open(port: number, tripMs: number): Promise<WanProxy> {
    const proxy = new WanProxy(port, tripMs);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  /** Where it listens, as `host:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  cut(): void {
    this.#isCut = true;
  }

  /** Ends all connections. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#isCut = false;
    for (const go of this.#held.splice(0)) go();
  }

  close(): void {
    this.break();
    this.#server.close();
  }

  #serve(client: Socket): void {
    const upstream = connect(this.#port, "127.0.0.1");
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("data", (bytes: Uint8Array) => this.#carry(() => to.write(bytes)));
      from.on("close", () => {
        this.#sockets.delete(from);
        this.#carry(() => to.destroy());
      });
    }
  }

  #carry(arrive: () => void): void {
    const go = () =>
      setTimeout(() => this.#isCut ? this.#held.push(arrive) : arrive(), this.#tripMs);
    if (this.#isCut) this.#held.push(go);
    else go();
  }
}

/** A port of loopback that nothing listens on now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
