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

/** What is wrong with an address: a sentence that never has its password. */
export class PgAddressError extends Error {
  override readonly name = "PgAddressError";
}

/**
 * Parses `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=…&sslrootcert=…]`;
 * `?host=/DIRECTORY` names a Unix socket. Throws `PgAddressError`.
 */
export function parsePgAddress(text: string): PgAddress {
  const m = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(
    text,
  );
  if (m === null) {
    throw new PgAddressError("must be like postgres://USER@HOST:5432/DATABASE");
  }
  const [, credentials = "", authority = "", path = "", query = ""] = m;
  const options = new URLSearchParams(query);
  for (const name of options.keys()) {
    if (!["host", "sslmode", "sslrootcert"].includes(name)) {
      throw new PgAddressError(`has the parameter ${name}; known are host, sslmode, sslrootcert`);
    }
  }
  const [user, password] = split(credentials);
  if (user === "") throw new PgAddressError("names no user");
  const database = decoded(path);
  if (database === "") throw new PgAddressError("names no database");
  const tls = TLS_MODES.find((mode) => mode === (options.get("sslmode") ?? "disable"));
  if (tls === undefined) {
    throw new PgAddressError(`has an sslmode that is not ${TLS_MODES.join(", ")}`);
  }
  return {
    hosts: hostsOf(authority, options.get("host")),
    database,
    user,
    password,
    tls,
    rootCertFile: options.get("sslrootcert"),
  };
}

/** The address without its password, for people to read. */
export function formatPgAddress({ hosts, database, user }: PgAddress): string {
  const places = hosts.map(({ host, port }) =>
    host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  );
  return `postgres://${encodeURIComponent(user)}@${places.join(",")}/${
    encodeURIComponent(database)
  }`;
}

function split(credentials: string): [user: string, password: string | null] {
  const at = credentials.indexOf(":");
  if (at < 0) return [decoded(credentials), null];
  return [decoded(credentials.slice(0, at)), decoded(credentials.slice(at + 1))];
}

function hostsOf(authority: string, socketDir: string | null): readonly PgHost[] {
  if (socketDir !== null) {
    const [, port] = /^(?::([0-9]+))?$/.exec(authority) ?? [];
    if (authority !== "" && port === undefined) {
      throw new PgAddressError("names a host twice: before the path and as host=");
    }
    return [{ host: socketDir, port: Number(port ?? PORT) }];
  }
  return authority.split(",").map((place) => {
    const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::([0-9]{1,5}))?$/.exec(place);
    const port = Number(m?.[3] ?? PORT);
    if (m === null || port < 1 || port > 65_535) {
      throw new PgAddressError(`has a host that cannot be read: ${JSON.stringify(place)}`);
    }
    return { host: (m[1] ?? m[2])!, port };
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new PgAddressError("has a % that escapes nothing", { cause });
  }
}
