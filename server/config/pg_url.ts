/** Addresses of PostgreSQL stores, as libpq writes them, with several hosts where one may take over. */

/** Where the engine may be, and as whom. */
export interface PgAddress {
  readonly hosts: readonly PgHost[];
  readonly database: string;
  readonly user: string;
  /** Null where none is given. */
  readonly password: string | null;
  /** `disable`: none; `require`: encrypted; `verify-full`: the certificate's name and chain too. */
  readonly tls: "disable" | "require" | "verify-full";
  /** File of the certificates that are trusted; null for the system's. */
  readonly rootCertFile: string | null;
}

/** One of its hosts; a path is the directory of a Unix socket. */
export interface PgHost {
  readonly host: string;
  readonly port: number;
}

const PORT = 5432;
const TLS_MODES = ["disable", "require", "verify-full"] as const;

/**
 * Parses `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=…&sslrootcert=…]`;
 * `?host=/DIRECTORY` names a Unix socket. Null where it is something else.
 */
export function parsePgAddress(text: string): PgAddress | null {
  const m = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(
    text,
  );
  if (m === null) return null;
  const [, credentials = "", authority = "", path = "", query = ""] = m;
  const options = new URLSearchParams(query);
  const known = [...options.keys()].every((name) =>
    ["host", "sslmode", "sslrootcert"].includes(name)
  );
  const [user, password] = split(credentials);
  const database = decoded(path);
  const hosts = hostsOf(authority, options.get("host"));
  const tls = TLS_MODES.find((mode) => mode === (options.get("sslmode") ?? "disable"));
  if (!known || !user || password === undefined || !database || hosts === null) return null;
  if (tls === undefined) return null;
  return { hosts, database, user, password, tls, rootCertFile: options.get("sslrootcert") };
}

/** A text that may be an address, with three asterisks for its password. */
export function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^:@/?#]*:).*@/i, "$1***@");
}

/** The address without its password, for people to read. */
export function formatPgAddress({ hosts, database, user }: PgAddress): string {
  const [name, path] = [encodeURIComponent(user), encodeURIComponent(database)];
  const [first] = hosts;
  if (first?.host.startsWith("/") === true) return `postgres://${name}@/${path}?host=${first.host}`;
  const places = hosts.map(({ host, port }) =>
    host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  );
  return `postgres://${name}@${places.join(",")}/${path}`;
}

function split(
  credentials: string,
): [user: string | undefined, password: string | null | undefined] {
  const at = credentials.indexOf(":");
  if (at < 0) return [decoded(credentials), null];
  return [decoded(credentials.slice(0, at)), decoded(credentials.slice(at + 1))];
}

function hostsOf(authority: string, socketDir: string | null): readonly PgHost[] | null {
  if (socketDir !== null) {
    const m = /^(?::([0-9]{1,5}))?$/.exec(authority);
    return m === null ? null : [{ host: socketDir, port: Number(m[1] ?? PORT) }];
  }
  const hosts: PgHost[] = [];
  for (const place of authority.split(",")) {
    const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::([0-9]{1,5}))?$/.exec(place);
    const port = Number(m?.[3] ?? PORT);
    if (m === null || port < 1 || port > 65_535) return null;
    hosts.push({ host: (m[1] ?? m[2])!, port });
  }
  return hosts;
}

/** Undefined where a `%` escapes nothing. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
