/**
 * A TCP proxy that can be cut off: connections break, and new ones are refused until it is
 * reopened.
 */

/** See the head of this file; it listens on loopback. */
export class CutProxy {
  readonly url: string;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  #isCut = false;

  constructor({ hostname, port }: URL) {
    this.#target = { hostname, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#accept();
  }

  /** Breaks every connection, and refuses those to come. */
  cut(): void {
    this.#isCut = true;
    for (const connection of this.#open) this.#drop(connection);
  }

  reopen(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#listener.close();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#serve(client);
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    const server = this.#isCut ? null : await Deno.connect(this.#target).catch(() => null);
    if (server === null || this.#isCut) {
      if (server !== null) server.close();
      return this.#drop(client);
    }
    this.#open.add(server);
    const ways = [client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)];
    // Whichever side ends, the connection does.
    await Promise.race(ways.map((way) => way.catch(() => {})));
    for (const way of ways) way.catch(() => {});
    this.#drop(client);
    this.#drop(server);
  }

  #drop(connection: Deno.TcpConn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch (error) {
      // Its stream has closed it.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}
