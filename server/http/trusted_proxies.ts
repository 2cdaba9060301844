/** What trusted proxies say of a request: the address of its client, and the path they removed. */
import type { IncomingMessage } from "node:http";
import {
  type Cidr,
  cidrContains,
  isLoopback,
  parseIp,
  parsePathPrefix,
} from "../config/address.ts";
import { plainAddress } from "./plain_address.ts";
import { RELAY_HEADER, type RelayProofs } from "./relay_proof.ts";

/** The part of what `@hono/node-server` binds to each request. */
interface Arrived {
  readonly incoming: IncomingMessage;
}

/** Which addresses are trusted to say whom they forward for. */
export class TrustedProxies {
  readonly #ranges: readonly Cidr[];
  readonly #relays: RelayProofs | null;

  /** `relays`: of nodes of other cells, which pass clients on; null: there are none. */
  constructor(ranges: readonly Cidr[], relays: RelayProofs | null = null) {
    this.#ranges = ranges;
    this.#relays = relays;
  }

  /** Whether connections from an address are those of many clients. */
  forwards(address: string): boolean {
    return this.trusts(address) || this.#relays?.isPeer(address) === true;
  }

  /** The client of a request that a node of another cell has passed on; null for all others. */
  relayedFor({ headers }: IncomingMessage): string | null {
    return this.#relays?.addressIn(headers[RELAY_HEADER]) ?? null;
  }

  trusts(address: string): boolean {
    return this.#ranges.some((range) => cidrContains(range, address));
  }

  /** The client: the last address in the chain that is not a trusted proxy's. */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    let client = plainAddress(peer);
    const chain = (forwardedFor ?? "").split(",").map((s) => plainAddress(s.trim()));
    while (chain.length > 0 && this.trusts(client)) {
      const next = chain.pop()!;
      if (parseIp(next) === null) break;
      client = next;
    }
    return client;
  }
}

/** The client's address of a request, after trusted proxies. */
export function addressOf(proxies: TrustedProxies, request: IncomingMessage): string {
  const relayed = proxies.relayedFor(request);
  if (relayed !== null) return relayed;
  const header = request.headers["x-forwarded-for"];
  const forwarded = Array.isArray(header) ? header.join(",") : header;
  return proxies.clientOf(request.socket.remoteAddress ?? "", forwarded);
}

/** The same of what Hono passes with a request. */
export function addressFromEnv(proxies: TrustedProxies, env: unknown): string {
  return addressOf(proxies, (env as Arrived).incoming);
}

/** Whether a request comes from this machine itself, not through a proxy. */
export function isLocal(env: unknown): boolean {
  const { incoming } = env as Arrived;
  const peer = plainAddress(incoming.socket.remoteAddress ?? "");
  return incoming.headers["x-forwarded-for"] === undefined && isLoopback(peer);
}

/** Returns the prefix that a trusted proxy names in `X-Forwarded-Prefix`; "" for none. */
export function forwardedPrefix(proxies: TrustedProxies, env: unknown): string {
  const { incoming } = env as Arrived;
  const header = incoming.headers["x-forwarded-prefix"];
  if (typeof header !== "string" || !proxies.trusts(incoming.socket.remoteAddress ?? "")) return "";
  return parsePathPrefix(header) ?? "";
}
