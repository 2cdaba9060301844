/**
 * Notices a listener that no longer accepts. When a process has no file descriptor left for
 * `accept`, the platform neither reports it nor tries again, and every later client waits for ever.
 * So the server connects to itself whenever no connection was accepted for a while.
 */
import { connect, type Socket } from "node:net";
import type { Timers } from "../node/ports.ts";

/** How long no connection must have been accepted before a probe, and a probe's timeout (ms). */
const PROBE_MS = 1000;

/** Probes in a row without a reply, after which a listener that is shared counts as deaf. */
const UNHEARD_MAX = 3;
/** What any listener for clients replies to, over TLS with an alert. */
const ASK = "GET /healthz HTTP/1.0\r\n\r\n";

/** What is watched. */
export interface WatchDeps {
  readonly timers: Pick<Timers, "after">;
  /** Where the listener can be reached from this machine. */
  readonly host: string;
  readonly port: number;
  /**
   * Whether others listen there too, so that one of them may accept a probe. Then the probe asks for
   * something, and a listener counts as deaf after several without a reply of anybody.
   */
  readonly shared: boolean;
  /** Connections accepted so far; only ever counted up. */
  accepted(): number;
  /** Called when a probe was accepted; `counted`: among the connections already. */
  probed(counted: boolean): void;
  /** Called when a probe was not accepted in time. */
  deaf(): void;
}

/** See the head of this file. */
export class ListenerWatch {
  readonly #deps: WatchDeps;
  #accepted = 0;
  #probe: Socket | null = null;
  /** Accepted while the probe did not know its own port yet. */
  #candidates: Socket[] = [];
  #stopped = false;
  /** Probes in a row that nobody replied to. */
  #unheard = 0;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#accepted = deps.accepted();
    this.#wait();
  }

  /** Whether an accepted connection is the probe: it is not a client's. */
  hears(socket: Socket): boolean {
    if (this.#probe === null) return false;
    const port = this.#probe.localPort;
    if (port === undefined) this.#candidates.push(socket);
    if (port === undefined || socket.remotePort !== port) return false;
    this.#end();
    this.#deps.probed(false);
    return true;
  }

  #connected({ localPort }: Socket): void {
    const own = this.#candidates.find(({ remotePort }) => remotePort === localPort);
    this.#candidates = [];
    if (own === undefined) return;
    own.destroy();
    this.#end();
    this.#deps.probed(true);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#end();
  }

  #end(): void {
    this.#probe?.destroy();
    this.#probe = null;
    this.#candidates = [];
  }

  #wait(): void {
    this.#deps.timers.after(PROBE_MS, () => {
      if (this.#stopped) return;
      const accepted = this.#deps.accepted();
      const still = accepted === this.#accepted;
      this.#accepted = accepted;
      if (still) this.#ask(accepted);
      else this.#wait();
    });
  }

  #ask(accepted: number): void {
    const { host, port } = this.#deps;
    const probe = connect({ host, port });
    this.#probe = probe;
    probe.on("connect", () => this.#connected(probe));
    let replied = false;
    if (this.#deps.shared) {
      probe.on("data", () => replied = true);
      // A TLS listener ends the connection, for it is no handshake.
      probe.on("end", () => replied = true);
      probe.on("connect", () => probe.write(ASK));
    }
    // Without a file descriptor for the probe, nothing is known: the next one will tell.
    probe.on("error", () => this.#end());
    this.#deps.timers.after(PROBE_MS, () => {
      if (this.#stopped) return;
      const unheard = this.#probe === probe && this.#deps.accepted() === accepted && !replied;
      this.#end();
      this.#unheard = unheard ? this.#unheard + 1 : 0;
      if (this.#deps.shared && this.#unheard < UNHEARD_MAX) return this.#wait();
      // A platform that never tells of connections (Deno 2.4) is not deaf for that.
      if (unheard && accepted > 0) this.#deps.deaf();
      this.#wait();
    });
  }
}
