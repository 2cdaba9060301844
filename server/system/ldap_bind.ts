/** Binds at an LDAP directory (by ldapts): one connection for each sign-in, encrypted or local. */
import { connect } from "node:net";
import { isIP } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { Client, type Entry, ResultCodeError } from "ldapts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { BindOutcome, BindPort } from "../auth/directory.ts";
import { escapeDn, escapeFilter } from "../auth/directory_escape.ts";

/** Where the directory is and how its users are found. */
export interface LdapOptions {
  readonly url: string;
  readonly startTls: boolean;
  /** PEM of the authorities that its certificate is checked against; null: the usual ones. */
  readonly ca: string | null;
  /** With {user}: the name to bind as, in place of a search. */
  readonly userDn: string | null;
  readonly baseDn: string | null;
  /** With {user}. */
  readonly filter: string;
  /** Who searches; null: nobody in particular. */
  readonly reader: { readonly dn: string; readonly password: string } | null;
  readonly nameAttribute: string;
  readonly idAttribute: string;
  readonly timeoutMs: number;
}

/**
 * Result codes of a bind that refuse the user: constraintViolation and unwillingToPerform are what
 * password policies say of locked and expired ones (RFC 4511, appendix A).
 */
const REFUSED: ReadonlySet<number> = new Set([19, 32, 34, 48, 49, 53]);
/** An entry that nobody has: binds of unknown users take as long as others. */
const NOBODY = "cn=roost-nobody";

function whyOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!.slice(0, 200);
}

/** The directory's host without brackets. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

function tlsOptions({ ca, url }: LdapOptions): ConnectionOptions {
  const host = hostOf(url);
  return {
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca }),
  };
}

/**
 * A client of one connection. The library would open another where that ends, which after StartTLS is
 * not encrypted any more.
 */
function clientOf(options: LdapOptions): Client {
  let used = false;
  const once = () => {
    if (used) throw new Error("the directory has closed the connection");
    used = true;
  };
  const { url, timeoutMs } = options;
  return new Client({
    url,
    timeout: timeoutMs,
    connectTimeout: timeoutMs,
    ...(url.startsWith("ldaps:") ? { tlsOptions: tlsOptions(options) } : {}),
    createConnection: ((...args: Parameters<typeof connect>) => {
      once();
      return connect(...args);
    }) as typeof connect,
    createSecureConnection: ((...args: Parameters<typeof connectTls>) => {
      // StartTLS goes on with the connection that there is.
      if (url.startsWith("ldaps:")) once();
      return connectTls(...args);
    }) as typeof connectTls,
  });
}

/** The first text of an attribute; null where there is none. */
function textOf(entry: Entry, attribute: string): string | null {
  const wanted = attribute.toLowerCase();
  const found = Object.entries(entry).find(([name]) => name.toLowerCase() === wanted)?.[1];
  const value = Array.isArray(found) ? found[0] : found;
  if (value === undefined || value.length === 0) return null;
  return typeof value === "string"
    ? value
    : Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Binds, or says that the user is refused; rejects where the directory is away. */
async function refused(client: Client, dn: string, password: string): Promise<string | null> {
  try {
    await client.bind(dn, password);
    return null;
  } catch (error) {
    if (error instanceof ResultCodeError && REFUSED.has(error.code)) return whyOf(error);
    throw error;
  }
}

async function searched(
  client: Client,
  base: string,
  scope: "base" | "sub",
  filter: string,
  { idAttribute, nameAttribute }: LdapOptions,
): Promise<Entry | null> {
  const attributes = [nameAttribute, idAttribute];
  // Two, so that a name that means several entries is noticed.
  const { searchEntries } = await client.search(base, { scope, filter, attributes, sizeLimit: 2 })
    .catch((error) => {
      if (error instanceof ResultCodeError && error.code === 4) return { searchEntries: [] };
      throw error;
    });
  const [entry] = searchEntries;
  return searchEntries.length === 1 && entry !== undefined ? entry : null;
}

/** By a search: first who searches, then the user. */
async function bySearch(
  client: Client,
  user: AccountName,
  password: string,
  options: LdapOptions,
): Promise<BindOutcome> {
  const { reader, baseDn, filter } = options;
  if (reader !== null) await client.bind(reader.dn, reader.password);
  const wanted = filter.replaceAll("{user}", () => escapeFilter(user));
  const entry = await searched(client, baseDn ?? "", "sub", wanted, options);
  const why = await refused(client, entry?.dn ?? `${NOBODY},${baseDn}`, password);
  if (entry === null) return { kind: "wrong", why: "no entry, or several" };
  return why === null ? outcomeOf(entry, options) : { kind: "wrong", why };
}

/** By the user's own name, who then reads the own entry. */
async function byTemplate(
  client: Client,
  user: AccountName,
  password: string,
  template: string,
  options: LdapOptions,
): Promise<BindOutcome> {
  const dn = template.replaceAll("{user}", () => escapeDn(user));
  const why = await refused(client, dn, password);
  if (why !== null) return { kind: "wrong", why };
  const entry = await searched(client, dn, "base", "(objectClass=*)", options);
  if (entry === null) return { kind: "away", why: `${dn} may not read the own entry` };
  return outcomeOf(entry, options);
}

function outcomeOf(entry: Entry, { idAttribute, nameAttribute }: LdapOptions): BindOutcome {
  const name = textOf(entry, nameAttribute);
  const id = textOf(entry, idAttribute);
  if (name !== null && id !== null) return { kind: "ok", name, id };
  const missing = name === null ? nameAttribute : idAttribute;
  return { kind: "away", why: `${entry.dn} has no ${missing} that can be read` };
}

async function ask(
  client: Client,
  user: AccountName,
  password: string,
  options: LdapOptions,
): Promise<BindOutcome> {
  const { startTls, url, userDn } = options;
  if (url.startsWith("ldap:") && startTls) await client.startTLS(tlsOptions(options));
  return userDn === null
    ? await bySearch(client, user, password, options)
    : await byTemplate(client, user, password, userDn, options);
}

/** Makes the port. */
export function ldapBind(options: LdapOptions): BindPort {
  return (user, password, done) => {
    const client = clientOf(options);
    let open = true;
    const finish = (outcome: BindOutcome) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      done(outcome);
      // Only closes the connection: the outcome is known.
      client.unbind().catch(() => {});
    };
    const why = `no answer within ${options.timeoutMs} ms`;
    const timer = setTimeout(() => finish({ kind: "away", why }), options.timeoutMs);
    ask(client, user, password, options)
      .then(finish, (error) => finish({ kind: "away", why: whyOf(error) }));
  };
}
