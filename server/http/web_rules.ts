/**
 * What browsers may be made to do. Any page can open a WebSocket anywhere, so that its origin is
 * looked at; and any page can have its own name point at 127.0.0.1 (DNS rebinding), after which
 * this server would be its own: a server for this machine alone answers to its own names only.
 */
import type { Config } from "../config/config.ts";
import { isLoopback } from "../config/address.ts";
import { fail, type Failure } from "../../shard/errors.ts";

/** See the head of this file. What is no browser sends no `Origin` and is not limited. */
export interface WebRules {
  /**
   * `forbidden` where the `Host` header names somebody else while only this machine can connect;
   * elsewhere, and behind proxies, every name is taken.
   */
  hostRefusal(host: string | undefined): Failure | null;
  /**
   * `forbidden` where a page comes neither from this host and port, nor from an allowed origin, nor from
   * another server of the federation.
   */
  originRefusal(origin: string | undefined, host: string | undefined): Failure | null;
}

const HOST = /^(\[[0-9a-f:.]+\]|[^\s:@/?#[\]]+)(?::[0-9]{0,5})?$/i;

/** The name in a `Host` header, without port, brackets and the root's dot; null for none. */
function nameIn(host: string): string | null {
  const name = HOST.exec(host)?.[1];
  return name === undefined ? null : name.toLowerCase().replace(/^\[|\]$|\.$/g, "");
}

function isLoopbackName(name: string): boolean {
  return isLoopback(name) || name.endsWith(".localhost");
}

/** Whether both mean the same host and port under the origin's scheme. */
function sameHost(origin: URL, host: string): boolean {
  const own = `${origin.protocol}//${host}`;
  return HOST.test(host) && URL.canParse(own) && new URL(own).host === origin.host;
}

/**
 * Makes the rules of a configuration: the public URL counts as an allowed origin. `pages`: the origins of
 * other servers.
 */
export function createWebRules(
  { server }: Pick<Config, "server">,
  pages: () => ReadonlySet<string> = () => new Set(),
): WebRules {
  const { domain, bind, publicUrl, trustedProxies, allowedOrigins } = server;
  const origins = new Set(
    publicUrl === null ? allowedOrigins : [...allowedOrigins, new URL(publicUrl).origin],
  );
  const names = new Set([domain, ...[...origins].map((origin) => nameIn(new URL(origin).host)!)]);
  const local = isLoopback(bind.host) && trustedProxies.length === 0;
  const strangeHost = fail(
    "forbidden",
    "The Host header is not one of this server: it answers to localhost, to its domain and to " +
      "the hosts of server.publicUrl and server.allowedOrigins",
  );
  const strangePage = fail(
    "forbidden",
    "Pages of this origin may not connect: server.allowedOrigins lists those of other hosts",
  );
  return {
    hostRefusal(host) {
      if (!local || host === undefined) return null;
      const name = nameIn(host);
      return name !== null && (isLoopbackName(name) || names.has(name)) ? null : strangeHost;
    },
    originRefusal(origin, host) {
      if (origin === undefined || origins.has(origin) || pages().has(origin)) return null;
      const own = URL.canParse(origin) && host !== undefined && sameHost(new URL(origin), host);
      return own ? null : strangePage;
    },
  };
}
