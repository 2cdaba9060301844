/**
 * Where webhooks may go. A service names the address, the server connects to it: without rules it
 * could be made to talk to whatever only this machine or its network can reach.
 */
import { cidrContains, parseCidr, parseIp } from "./address.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";

const URL_CHARS_MAX = 2048;

/** Networks that are not the public Internet (IANA special-purpose registries). */
const PRIVATE = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "::/8",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
].map((text) => parseCidr(text)!);

const MAPPED = parseCidr("::ffff:0:0/96")!;

/** Whether an IP address is one of the public Internet. */
export function isPublicIp(address: string): boolean {
  if (parseIp(address) === null) return false;
  // IPv4 addresses count as mapped ones, which the range ::/8 would hold as well.
  const mapped = cidrContains(MAPPED, address);
  return !PRIVATE.some((range) =>
    (!mapped || range.text.includes(".")) && cidrContains(range, address)
  );
}

/** Ports below 1024 that serve HTTP. */
const HTTP_PORTS: readonly number[] = [80, 443];

/**
 * Ports of other protocols from 1024 on: the bad ports of the Fetch standard, and stores that read
 * commands from text (MySQL, PostgreSQL, Redis, memcached, MongoDB).
 */
const OTHER_PORTS: ReadonlySet<number> = new Set([
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080],
  ...[3306, 5432, 6379, 11_211, 27_017],
]);

/** Whether a port belongs to another protocol than HTTP. */
function isOtherPort(port: number): boolean {
  return port < 1024 ? !HTTP_PORTS.includes(port) : OTHER_PORTS.has(port);
}

/** What receivers may be besides public ones at ports of HTTP. */
export interface TargetRules {
  /** They may be in private networks and on this machine. */
  readonly privateToo: boolean;
  /** Ports that are allowed although they belong to another protocol than HTTP. */
  readonly ports: readonly number[];
  /** The settings are those of push messages: then plain HTTP is for private receivers only. */
  readonly of?: "push";
}

/** A checked address of a receiver. */
export interface Target {
  readonly url: string;
  readonly tls: boolean;
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query. */
  readonly path: string;
}

/**
 * Reads the URL of a receiver: http or https, no credentials, no fragment. Names that cannot be
 * public are refused here unless `privateToo`; what a name leads to is only known, and checked,
 * when it is connected to. So are ports of other protocols than HTTP unless `ports` names them: a
 * service could otherwise speak to a mail server or a store through this one.
 */
export function parseTarget(text: string, rules: TargetRules): Result<Target> {
  const { privateToo, ports, of } = rules;
  const wrong = (why: string) => fail("bad_request", `url ${why}`);
  if (text.length > URL_CHARS_MAX || !URL.canParse(text)) return wrong("is not a URL");
  const url = new URL(text);
  const tls = url.protocol === "https:";
  if (!tls && url.protocol !== "http:") return wrong("must begin with https: or http:");
  if (!tls && of === "push" && !privateToo) return wrong("must begin with https:");
  if (url.username !== "" || url.password !== "") return wrong("must not hold credentials");
  if (url.hash !== "") return wrong("must not have a fragment");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!privateToo && !mayBePublic(host)) {
    return wrong(`leads to a private address: see ${of ?? "gateway"}.privateTargets`);
  }
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  if (isOtherPort(port) && !ports.includes(port)) {
    return wrong(
      `leads to port ${port} of another protocol: see ${
        of === "push" ? "push.ports" : "gateway.webhookPorts"
      }`,
    );
  }
  return ok({ url: url.href, tls, host, port, path: `${url.pathname}${url.search}` });
}

function mayBePublic(host: string): boolean {
  if (parseIp(host) !== null) return isPublicIp(host);
  const name = host.toLowerCase().replace(/\.$/, "");
  return name.includes(".") && !/(^|\.)(localhost|local|internal|home\.arpa)$/.test(name);
}
