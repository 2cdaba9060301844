/** Addresses as settings name them: IP addresses, ranges, `host:port`, domains and URLs. */

/** A range of IP addresses (RFC 4632, RFC 4291). IPv4 counts as `::ffff:0:0/96`. */
export interface Cidr {
  readonly text: string;
  /** The first address, 16 bytes. */
  readonly bytes: Uint8Array;
  /** How many leading bits are fixed, of 128. */
  readonly bits: number;
}

/** Where to listen. */
export interface Bind {
  /** An IP address or a host name; without brackets. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(16);
  bytes.fill(0xff, 10, 12);
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[12 + i] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | null {
  const embedded = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(text);
  if (embedded !== null) {
    const v4 = parseIpv4(embedded[2]!);
    if (v4 === null) return null;
    const [a, b, c, d] = [v4[12]!, v4[13]!, v4[14]!, v4[15]!];
    return parseIpv6(`${embedded[1]}${(a << 8 | b).toString(16)}:${(c << 8 | d).toString(16)}`);
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const given = head!.length + (tail?.length ?? 0);
  if (tail === undefined ? given !== 8 : given > 7) return null;
  const groups = [...head!, ...Array<string>(8 - given).fill("0"), ...tail ?? []];
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const value = parseInt(group, 16);
    bytes[2 * i] = value >>> 8;
    bytes[2 * i + 1] = value & 0xff;
  }
  return bytes;
}

/** The 16 bytes of an IPv4 (mapped) or IPv6 address, or null. Zone ids are dropped. */
export function parseIp(text: string): Uint8Array | null {
  const bare = text.replace(/%[^%]*$/, "");
  return bare.includes(":") ? parseIpv6(bare) : parseIpv4(bare);
}

/** `10.0.0.0/8`, `fd00::/8` or a single address, or null. */
export function parseCidr(text: string): Cidr | null {
  const [address, length, ...rest] = text.split("/");
  if (address === undefined || rest.length > 0) return null;
  const bytes = parseIp(address);
  if (bytes === null) return null;
  const own = address.includes(":") ? 128 : 32;
  if (length === undefined) return { text, bytes, bits: 128 };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > own) return null;
  return { text, bytes, bits: 128 - own + Number(length) };
}

/** Whether the address is in the range; false where it is no IP address. */
export function cidrContains(cidr: Cidr, address: string): boolean {
  const bytes = parseIp(address);
  if (bytes === null) return false;
  const whole = cidr.bits >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== cidr.bytes[i]) return false;
  const rest = cidr.bits & 7;
  return rest === 0 || ((bytes[whole]! ^ cidr.bytes[whole]!) >>> (8 - rest)) === 0;
}

/** Lengths of the networks of `networksOf`, of 128 bits; those of IPv4 addresses are mapped. */
const NETWORK_BITS = { ipv4: [128, 120], ipv6: [64, 56, 48] } as const;

/**
 * The networks that a client's address is in, the narrowest first: an IPv4 address itself and its
 * /24, of an IPv6 address the /64, the /56 and the /48. Text that is no IP address is the only one
 * for itself. Each is a text that no other network has.
 */
export function networksOf(address: string): readonly string[] {
  const bytes = parseIp(address);
  if (bytes === null) return [address.slice(0, 64).toLowerCase()];
  const mapped = bytes.subarray(0, 10).every((b) => b === 0) &&
    bytes[10] === 0xff && bytes[11] === 0xff;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return NETWORK_BITS[mapped ? "ipv4" : "ipv6"].map((bits) => `${hex.slice(0, bits / 4)}/${bits}`);
}

const LOOPBACK = ["127.0.0.0/8", "::1"].map((text) => parseCidr(text)!);

/** Whether only this machine can reach the host: a loopback address or `localhost`. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === "localhost" || LOOPBACK.some((cidr) => cidrContains(cidr, host));
}

const UNSPECIFIED = ["0.0.0.0", "::"].map((text) => parseCidr(text)!);

/** Whether an address stands for all of a machine's, so that it is none to connect to. */
export function isUnspecified(host: string): boolean {
  return UNSPECIFIED.some((cidr) => cidrContains(cidr, host));
}

/** Loopback, private use (RFC 1918, RFC 4193) and link-local addresses. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]
  .concat("fc00::/7", "fe80::/10").map((text) => parseCidr(text)!).concat(LOOPBACK);

/** Whether an IP address belongs to a private network or to this machine. */
export function isPrivateIp(address: string): boolean {
  return PRIVATE.some((cidr) => cidrContains(cidr, address));
}

/** As in URLs, a host whose last label is a number is meant as an IPv4 address. */
function isIpv4OrName(host: string): boolean {
  if (/(^|\.)[0-9]+\.?$/.test(host)) return parseIpv4(host) !== null;
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  return host.length <= 253 && host.replace(/\.$/, "").split(".").every((l) => label.test(l));
}

/** `host:port` or `[IPv6]:port`, or null; whether there is such a host is not looked at. */
export function parseBind(text: string): Bind | null {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):([0-9]{1,5})$/.exec(text);
  if (m === null || Number(m[3]) > 65535) return null;
  if (m[1] === undefined ? !isIpv4OrName(m[2]!) : parseIpv6(m[1]) === null) return null;
  return { host: (m[1] ?? m[2])!, port: Number(m[3]) };
}

/** The inverse of `parseBind`. */
export function formatBind(bind: Bind): string {
  return bind.host.includes(":") ? `[${bind.host}]:${bind.port}` : `${bind.host}:${bind.port}`;
}

/** A DNS name in lower case, international labels in their `xn--` form (RFC 1123), or null. */
export function parseDomain(text: string): string | null {
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
  return text.length <= 253 && text.split(".").every((part) => label.test(part)) ? text : null;
}

/** The origin of an http or https URL without path, query or credentials, or null. */
export function parseOrigin(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  return url.href === `${url.origin}/` ? url.origin : null;
}

/** Paths of the server's own, which no prefix may begin with. */
const OWN_PATHS = /^\/(?:v1|gateway|chat|docs)(?:\/|$)/;

/** A path of plain segments, without a slash at its end. */
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;

/** A path prefix such as `/roost`: plain segments, no slash at the end; null for anything else. */
export function parsePathPrefix(text: string): string | null {
  const path = text.replace(/\/$/, "");
  return text.length <= 256 && PLAIN_PATH.test(path) ? path : null;
}

/**
 * An http or https URL, which may have a path of plain segments that does not begin as one of the
 * server's own; without a slash at its end. Null for anything else.
 */
export function parsePublicUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { origin, pathname, href, protocol } = new URL(text);
  const path = pathname === "/" ? "" : parsePathPrefix(pathname);
  const web = protocol === "http:" || protocol === "https:";
  if (!web || path === null || OWN_PATHS.test(path)) return null;
  return href === origin + pathname ? origin + path : null;
}

/** An address that secrets may travel to: https, or http on this machine. Null for all others. */
export function secureUrl(value: string): string | null {
  if (!URL.canParse(value)) return null;
  const { protocol, hostname, search, hash, username } = new URL(value);
  if (search !== "" || hash !== "" || username !== "") return null;
  const local = protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, ""));
  return protocol === "https:" || local ? value : null;
}
