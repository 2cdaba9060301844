/**
 * The network between cells on one machine, under a proof's control: what is sent arrives later, in
 * order, and each way between two cells can be stopped. What a stopped way has waits, and its sender
 * is read no further, as with a network that drops packets; it arrives once the way is open.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Bytes that a way takes before its sender has to wait, as its system's buffers would. */
const WINDOW_BYTES = 4_194_304;

/** One direction of a connection. */
class Lane {
  readonly way: string;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #network: WanNetwork;
  readonly #queue: { readonly atMs: number; readonly bytes: Uint8Array | null }[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(network: WanNetwork, way: string, from: Socket, to: Socket) {
    this.#network = network;
    this.way = way;
    this.#from = from;
    this.#to = to;
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("data", (bytes: Uint8Array) => this.#take(bytes));
    from.on("close", () => this.#take(null));
    this.look();
  }

  /** Goes on, or stops, as its way does. */
  look(): void {
    const stopped = this.#network.isStopped(this.way);
    if (stopped || this.#bytes > WINDOW_BYTES) this.#from.pause();
    else this.#from.resume();
    if (stopped || this.#timer !== null || this.#queue.length === 0) return;
    const ms = Math.max(0, this.#queue[0]!.atMs - performance.now());
    this.#timer = setTimeout(() => this.#arrive(), ms);
  }

  drop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#from.destroy();
  }

  #take(bytes: Uint8Array | null): void {
    this.#bytes += bytes?.length ?? 0;
    this.#queue.push({ atMs: performance.now() + this.#network.tripMs, bytes });
    this.look();
  }

  #arrive(): void {
    this.#timer = null;
    const nowMs = performance.now();
    while (!this.#network.isStopped(this.way) && this.#queue.length > 0) {
      const { atMs, bytes } = this.#queue[0]!;
      if (atMs > nowMs) break;
      this.#queue.shift();
      this.#bytes -= bytes?.length ?? 0;
      if (bytes !== null) {
        this.#network.late(nowMs - atMs);
        this.#to.write(bytes);
        continue;
      }
      this.#to.destroy();
      this.#network.over(this);
    }
    this.look();
  }
}

/** See the head of this file. Parties are named; Linux only, for it has to know who connects. */
export class WanNetwork {
  readonly tripMs: number;
  readonly #pids = new Map<string, number>();
  readonly #stopped = new Set<string>();
  readonly #lanes = new Set<Lane>();
  readonly #servers: Server[] = [];
  readonly #late: number[] = [];

  constructor(tripMs: number) {
    this.tripMs = tripMs;
  }

  /** Passes on what is sent to a party, which listens on a port; returns where it does that. */
  async open(party: string, port: number): Promise<string> {
    const server = createServer((client) => this.#serve(party, port, client));
    this.#servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return `127.0.0.1:${(server.address() as { readonly port: number }).port}`;
  }

  /** A party's process. One that is not known is let through by no proxy. */
  runs(party: string, pid: number): void {
    this.#pids.set(party, pid);
  }

  /** Stops a way, or opens it. */
  set(from: string, to: string, stopped: boolean): void {
    const way = `${from}>${to}`;
    if (stopped) this.#stopped.add(way);
    else this.#stopped.delete(way);
    for (const lane of this.#lanes) if (lane.way === way) lane.look();
  }

  isStopped(way: string): boolean {
    return this.#stopped.has(way);
  }

  /** How much later than it should be something arrived (ms). */
  late(ms: number): void {
    this.#late.push(ms);
  }

  over(lane: Lane): void {
    this.#lanes.delete(lane);
  }

  /** How late the network itself was since the last call: all figures of this machine's (ms). */
  takeLate(): number[] {
    return this.#late.splice(0);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const lane of this.#lanes) lane.drop();
  }

  #serve(to: string, port: number, client: Socket): void {
    const from = this.#partyAt(client.remotePort ?? 0);
    if (from === null) return void client.destroy();
    const upstream = connect(port, "127.0.0.1");
    this.#lanes.add(new Lane(this, `${from}>${to}`, client, upstream));
    this.#lanes.add(new Lane(this, `${to}>${from}`, upstream, client));
  }

  /** Which process has a local port of loopback open, by what the system says of it. */
  #partyAt(port: number): string | null {
    const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    const lines = Deno.readTextFileSync("/proc/net/tcp").split("\n").map((l) =>
      l.trim().split(/ +/)
    );
    const inode = lines.find((fields) => fields[1] === local)?.[9];
    if (inode === undefined) return null;
    for (const [party, pid] of this.#pids) {
      if (hasOpen(pid, `socket:[${inode}]`)) return party;
    }
    return null;
  }
}

function hasOpen(pid: number, what: string): boolean {
  const dir = `/proc/${pid}/fd`;
  try {
    for (const { name } of Deno.readDirSync(dir)) {
      if (linkOf(`${dir}/${name}`) === what) return true;
    }
  } catch (error) {
    // The process has ended.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

/** Where a descriptor leads; "" where it was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}
