/**
 * The domain that a data directory's accounts are of. Accounts are stored by their bare names:
 * under another domain all of them would silently be somebody else.
 */
import type { Store, StoreError } from "./ports.ts";

const KEY = ["meta", "domain"];

function failure(error: StoreError): Error {
  return new Error(`Cannot open the store: ${error.message}`);
}

/** The domain of the accounts in the store; null where it was never served. */
export function storedDomain(store: Pick<Store, "read">): Promise<string | null> {
  return new Promise((resolve, reject) =>
    store.read([KEY], (error, [value]) => {
      if (error !== null) return reject(failure(error));
      resolve(value ? new TextDecoder().decode(value) : null);
    })
  );
}

/**
 * Keeps `domain` with the accounts at the first start (of a directory that an earlier version has
 * made: at the next); rejects where they are of another. `dataDir` is for the message. To be called
 * while nobody else writes.
 */
export async function keepDomain(
  store: Pick<Store, "read" | "write">,
  domain: string,
  dataDir: string,
): Promise<void> {
  const stored = await storedDomain(store);
  if (stored === domain) return;
  if (stored !== null) {
    throw new Error(
      `Cannot serve server.domain ${domain} from --data ${dataDir}: its accounts are of ` +
        `${stored}. Set server.domain to ${stored}, or give another directory.`,
    );
  }
  const value = new TextEncoder().encode(domain);
  await new Promise<void>((resolve, reject) =>
    store.write(
      [{ kind: "set", key: KEY, value }],
      (error) => error === null ? resolve() : reject(failure(error)),
    )
  );
}
