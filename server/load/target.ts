/** Where the load goes, and whether it may go there. */

/** A server as its clients reach it. */
export interface Target {
  /** `http` or `https` URL without a path. */
  readonly url: string;
  readonly secure: boolean;
  /** A name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** A target of an `http`, `https`, `ws` or `wss` URL, or why it is none. */
export function parseTarget(text: string): Target | string {
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    return `${text} is no URL: write for example http://127.0.0.1:8420`;
  }
  const scheme = url.protocol.slice(0, -1);
  if (!["http", "https", "ws", "wss"].includes(scheme)) {
    return `${text} has the scheme ${scheme}: write http:// or https://`;
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "") {
    return `${text} is more than an address: write for example http://127.0.0.1:8420`;
  }
  const secure = scheme === "https" || scheme === "wss";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { url: `${secure ? "https" : "http"}://${url.host}`, secure, host, port };
}

/** Whether a target can only be on this machine. */
export function isLoopback({ host }: Pick<Target, "host">): boolean {
  return /^127(\.\d{1,3}){3}$/.test(host) || host === "localhost" || host === "::1";
}

/** Most connections that come from one address of this machine, when they may be spread. */
const PER_ADDRESS = 100;
/** Addresses that are used at most: 127.0.1.1 … 127.0.200.250. */
const ADDRESSES_MAX = 50_000;

/**
 * The address that user `index` connects from: where the target is on an IPv4 loopback address,
 * users are spread over 127.0.0.0/8, as they would come from many addresses. So neither the
 * server's limits per address nor the 28,000 ports of one address get in the way. null: as it is.
 */
export function sourceAddress({ host }: Pick<Target, "host">, index: number): string | null {
  if (!/^127(\.\d{1,3}){3}$/.test(host)) return null;
  const at = Math.floor(index / PER_ADDRESS) % ADDRESSES_MAX;
  return `127.0.${1 + Math.floor(at / 250)}.${1 + at % 250}`;
}
