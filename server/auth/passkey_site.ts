/** Which pages may use passkeys, and for which domain (WebAuthn: the relying party's id). */
import { fail, ok, type Result } from "../../shard/errors.ts";

/** What decides it. */
export interface PasskeyPages {
  readonly domain: string;
  /** `server.publicUrl`; null: not known. */
  readonly publicUrl: string | null;
  /** Other origins whose pages use this server; `*` counts for none. */
  origins(): readonly string[];
}

/** Where a page is, and the domain that its passkeys are for. */
export interface PasskeySite {
  readonly origin: string;
  readonly rpId: string;
}

const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[.*\])$/;

function isLocal(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

/** Whether `host` is `domain` or below it. */
function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

/**
 * The site of a page at `at`. Of a page at the domain of the accounts, or below, it is that domain, so
 * that the servers of all cells share it; else the host. On localhost http will do.
 */
export function siteOf(at: string, pages: PasskeyPages): Result<PasskeySite> {
  const url = URL.canParse(at) ? new URL(at) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return fail("bad_request", "at: must be the address of the page");
  }
  const { hostname, origin, port, protocol } = url;
  if (ADDRESS.test(hostname)) {
    const local = hostname === "[::1]" || hostname.startsWith("127.");
    const instead = local ? `http://localhost${port === "" ? "" : `:${port}`}` : "its name";
    const message =
      `No passkeys at ${origin}: browsers want a name, not an address; open the page at`;
    return fail("unsupported", `${message} ${instead}`);
  }
  if (protocol !== "https:" && !isLocal(hostname)) {
    return fail("unsupported", `No passkeys at ${origin}: browsers have them over https only`);
  }
  if (!isOwn(url, pages)) {
    const message = `No passkeys (page) for ${origin}: server.publicUrl or server.allowedOrigins`;
    return fail("forbidden", `${message} has to name it`);
  }
  if (isLocal(hostname)) return ok({ origin, rpId: hostname });
  const own = pages.publicUrl === null ? [] : [new URL(pages.publicUrl).hostname];
  const rpId = [pages.domain, ...own].find((domain) => isWithin(hostname, domain)) ?? hostname;
  return ok({ origin, rpId });
}

function isOwn({ hostname, origin }: URL, { domain, origins, publicUrl }: PasskeyPages): boolean {
  if (origins().includes(origin)) return true;
  const own = publicUrl === null ? null : new URL(publicUrl);
  if (own !== null && own.origin === origin) return true;
  if (isLocal(hostname)) {
    return own === null || isLocal(own.hostname) || own.hostname.startsWith("127.");
  }
  return own === null && hostname === domain;
}
