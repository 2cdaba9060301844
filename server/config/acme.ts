/** Certificates that the server gets itself (ACME, RFC 8555). */
import { group, list, optional, optionalPath, text } from "./knob.ts";
import { formatBind, isLoopback, parseBind, parseDomain } from "./address.ts";
import type { Config } from "./config.ts";

/** Let's Encrypt. */
export const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";

/** Where clients expect https, and where a server listens that gets its certificate itself. */
export const ACME_BIND = { host: "0.0.0.0", port: 443 } as const;

function parseEmail(value: string): string | null {
  return /^[^\s@:,]+@[^\s@:,]+\.[^\s@:,]+$/.test(value) ? value : null;
}

function parseDirectory(value: string): string | null {
  return URL.canParse(value) && new URL(value).protocol === "https:" ? value : null;
}

const acme = {
  email: optional({
    wants: "an email address such as you@example.org",
    doc: "Gets the certificate from an authority, under its terms; it writes to this address.",
    read: parseEmail,
  }),
  domains: list({
    wants: "DNS names in lower case",
    doc: "Names in the certificate; empty for the host of server.publicUrl, or server.domain.",
    read: parseDomain,
  }),
  directory: text({
    default: LETS_ENCRYPT,
    wants: "the https URL of an ACME directory",
    doc: "The ACME directory of the authority; by default that of Let's Encrypt.",
    read: parseDirectory,
  }),
  httpBind: optional({
    wants: "host:port or [IPv6]:port",
    doc: "Where the authority looks (http-01) and browsers are sent to https; empty: 0.0.0.0:80.",
    read: parseBind,
  }),
  caFile: optionalPath({
    doc: "PEM file of the root that the directory's own certificate is from, where it is private.",
  }),
} as const;

/** This group. */
export const ACME_KNOBS = { acme: group(acme) } as const;

/** Names that a certificate is for: those given, or the one that clients use. */
export function acmeNames(
  given: readonly string[],
  { domain, publicUrl }: Pick<Config["server"], "domain" | "publicUrl">,
): readonly string[] {
  if (given.length > 0) return given;
  return [publicUrl === null ? domain : new URL(publicUrl).hostname];
}

/** The same of a configuration. */
export function acmeDomains({ acme, server }: Pick<Config, "acme" | "server">): readonly string[] {
  return acmeNames(acme.domains, server);
}

/** Whether clients speak TLS with the server itself. */
export function speaksTls({ acme, server }: Pick<Config, "acme" | "server">): boolean {
  return server.tlsCert !== null || acme.email !== null;
}

/** Where clients reach a server that listens at this port. */
export function urlOf(config: Pick<Config, "acme" | "server">, port: number): string {
  const { acme, server: { bind, publicUrl, tlsCert } } = config;
  if (publicUrl !== null) return publicUrl;
  if (acme.email === null) {
    return `${tlsCert === null ? "http" : "https"}://${formatBind({ ...bind, port })}`;
  }
  // By its address nobody trusts it.
  return `https://${acmeDomains(config)[0]}${port === 443 ? "" : `:${port}`}`;
}

/** What keeps a server from getting a certificate. */
export function acmeFaults(config: Config): string[] {
  const { acme, server, cells } = config;
  if (acme.email === null) {
    const unset = acme.domains.length === 0 && acme.directory === LETS_ENCRYPT &&
      acme.httpBind === null && acme.caFile === null;
    return unset ? [] : ["acme settings are set without acme.email: give an address (--acme)"];
  }
  const faults: string[] = [];
  if (server.tlsCert !== null) {
    faults.push("acme.email and server.tlsCert are both set: keep one");
  }
  if (cells.witness) faults.push("acme.email is set for a witness, which has no clients");
  for (const name of acmeDomains(config)) {
    if (name.includes(".") && parseDomain(name) !== null && !/^[0-9.]+$/.test(name)) continue;
    faults.push(
      `acme.email is set but no authority certifies ${name}: set server.domain (--domain) to a ` +
        "public DNS name, or name it in acme.domains",
    );
  }
  const { httpBind } = acme;
  if (
    httpBind !== null && httpBind.port !== 0 && formatBind(httpBind) === formatBind(server.bind)
  ) {
    faults.push(`acme.httpBind is ${formatBind(httpBind)}, as server.bind is: take another port`);
  }
  return faults;
}

/** What is probably not meant. */
export function acmeWarnings({ acme, server }: Config): string[] {
  if (acme.email === null || !isLoopback(server.bind.host)) return [];
  return [
    `acme.email is set but server.bind is ${formatBind(server.bind)}, where no authority can ` +
    "connect to: leave it to 0.0.0.0:443, unless another program passes connections on",
  ];
}
