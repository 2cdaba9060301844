/**
 * Notifies clients that are connected when a server is added to the addresses of the cell: their
 * welcome did not name it, and theirs may be the next to die. An address that goes is no news: who
 * tries it in vain tries the next.
 */
import type { Cancel, Runtime } from "../node/ports.ts";
import { encodeServers } from "./encode.ts";
import type { PublicServers } from "./servers.ts";

/** How often it looks (ms). */
export const SERVERS_LOOK_MS = 1000;

/** What it needs. */
export interface ServersNoticeHost extends Pick<Runtime, "timers"> {
  readonly servers: Pick<PublicServers, "all">;
  /** Sends an encoded event to all sessions, as `Edge.notify`. */
  notify(event: string): void;
}

/** See the head of this file. */
export class ServersNotice {
  readonly #host: ServersNoticeHost;
  /** What all clients know. */
  #known: readonly string[] = [];
  /** What was seen last: news is sent when it has not changed for one look. */
  #seen = "";
  #next: Cancel | null = null;

  constructor(host: ServersNoticeHost) {
    this.#host = host;
  }

  start(): void {
    this.#next = this.#host.timers.after(SERVERS_LOOK_MS, () => {
      this.start();
      this.#look();
    });
  }

  stop(): void {
    this.#next?.();
  }

  #look(): void {
    const all = this.#host.servers.all();
    // A client that signs in while one is away does not know that one.
    this.#known = this.#known.filter((address) => all.includes(address));
    const seen = all.join(" ");
    const settled = seen === this.#seen;
    this.#seen = seen;
    if (!settled || all.length === this.#known.length) return;
    this.#known = all;
    this.#host.notify(encodeServers(all));
  }
}
