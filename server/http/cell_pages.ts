/**
 * Pages of the web chat that other servers of the federation have served: one whose account is at home
 * here, or whose own server is gone, connects here. And where the pages of this server may connect to.
 */
import type { Clock } from "../node/ports.ts";

/** How long a list is used before it is made again (ms). */
const KEEP_MS = 1000;
/** Hosts that the policy of a page names at most: it is a header. */
const HOSTS_MAX = 32;
const HOST = /^[\w.\-[\]:]+$/;

/** See the head of this file. `urls`: the public addresses of all servers that are known. */
export class CellPages {
  readonly #urls: () => readonly string[];
  readonly #clock: Pick<Clock, "monoMs">;
  #madeMs = -Infinity;
  #origins: ReadonlySet<string> = new Set();

  constructor(urls: () => readonly string[], clock: Pick<Clock, "monoMs">) {
    this.#urls = urls;
    this.#clock = clock;
  }

  /** The origins of those pages. */
  get origins(): ReadonlySet<string> {
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#madeMs < KEEP_MS) return this.#origins;
    this.#madeMs = nowMs;
    // They come from other servers.
    const known = this.#urls().filter((url) => URL.canParse(url)).map((url) => new URL(url));
    const web = known.filter(({ protocol }) => protocol === "https:" || protocol === "http:");
    this.#origins = new Set(web.map(({ origin }) => origin));
    return this.#origins;
  }

  /**
   * What pages of this server may connect to, as a `connect-src` has it: the hosts of the others with
   * any port, for a cell whose standby has taken over has another one there.
   */
  get sources(): readonly string[] {
    const sources = new Set<string>();
    for (const origin of this.origins) {
      const { protocol, hostname } = new URL(origin);
      if (!HOST.test(hostname) || sources.size >= 2 * HOSTS_MAX) continue;
      sources.add(`${protocol}//${hostname}:*`);
      sources.add(`${protocol.replace("http", "ws")}//${hostname}:*`);
    }
    return [...sources];
  }
}
