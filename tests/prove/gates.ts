/**
 * Proxies between the processes of a cell, and between each and the store, under the proof's control:
 * each way between two of them can be stopped. What is sent meanwhile waits, as in a network that
 * loses packets, and arrives later where the connection still exists.
 */

/** Names one end: a node's name, or the store. */
export type Party = string;

/** Which ways are stopped. */
export class Ways {
  readonly #stopped = new Set<string>();
  #wake: (() => void)[] = [];

  /** Stops a way, or lets it go on. */
  set(from: Party, to: Party, stopped: boolean): void {
    const way = `${from}>${to}`;
    if (stopped) this.#stopped.add(way);
    else this.#stopped.delete(way);
    const wake = this.#wake;
    this.#wake = [];
    for (const each of wake) each();
  }

  /** Both ways. */
  cut(a: Party, b: Party, stopped: boolean): void {
    this.set(a, b, stopped);
    this.set(b, a, stopped);
  }

  /** Resolves when a way is open. */
  async open(from: Party, to: Party): Promise<void> {
    while (this.#stopped.has(`${from}>${to}`)) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

/** What a gate joins. */
export interface GateOptions {
  readonly ways: Ways;
  readonly listener: Deno.Listener;
  /** Who is behind it. */
  readonly to: Party;
  connect(): Promise<Deno.Conn>;
  /** Who has connected, by the first bytes that were sent; null: not known. */
  from(first: Uint8Array): Party | null;
}

/** One proxy. */
export class Gate {
  readonly #options: GateOptions;
  readonly #open = new Set<Deno.Conn>();

  constructor(options: GateOptions) {
    this.#options = options;
    this.#accept();
  }

  close(): void {
    this.#options.listener.close();
    for (const conn of [...this.#open]) this.#drop(conn);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#options.listener) this.#serve(conn).catch(() => {});
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    const { connect, from, to, ways } = this.#options;
    const first = new Uint8Array(65_536);
    const n = await client.read(first).catch(() => null);
    const party = n === null ? null : from(first.subarray(0, n));
    if (n === null || party === null) return this.#drop(client);
    await ways.open(party, to);
    const server = await connect().catch(() => null);
    if (server === null) return this.#drop(client);
    this.#open.add(server);
    const ends = [
      this.#pump(client, server, party, to, first.slice(0, n)),
      this.#pump(server, client, to, party, null),
    ];
    await Promise.race(ends);
    this.#drop(client);
    this.#drop(server);
  }

  /** Forwards until either side ends; the end of a connection waits behind what is stopped. */
  async #pump(
    source: Deno.Conn,
    sink: Deno.Conn,
    from: Party,
    to: Party,
    first: Uint8Array | null,
  ): Promise<void> {
    const { ways } = this.#options;
    const buffer = new Uint8Array(65_536);
    for (let chunk = first;;) {
      if (chunk === null) {
        const n = await source.read(buffer).catch(() => null);
        await ways.open(from, to);
        if (n === null) return;
        chunk = buffer.slice(0, n);
      }
      for (let at = 0; at < chunk.length;) {
        const wrote = await sink.write(chunk.subarray(at)).catch(() => null);
        if (wrote === null) return;
        at += wrote;
      }
      chunk = null;
    }
  }

  #drop(conn: Deno.Conn): void {
    if (!this.#open.delete(conn)) return;
    try {
      conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}
