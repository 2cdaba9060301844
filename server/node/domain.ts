/**
 * The domain that a cell's accounts are of. Accounts are stored by their bare names: under another
 * domain all of them would silently be somebody else.
 */
import { cellText, CellValue, type Registers } from "./cell_value.ts";
import type { StoreError } from "./ports.ts";

function domainOf(store: Registers): CellValue<string | null> {
  return new CellValue(store, cellText("domain"));
}

function failure(error: StoreError): Error {
  return new Error(`Cannot open the store: ${error.message}`);
}

/** The domain of the accounts in the store; null where it was never served. */
export function storedDomain(store: Registers): Promise<string | null> {
  return new Promise((resolve, reject) =>
    domainOf(store).load((error, domain) =>
      error === null ? resolve(domain) : reject(failure(error))
    )
  );
}

/**
 * Keeps `domain` with the accounts at the first start (of a directory that an earlier version has
 * made: at the next); rejects where they are of another. `dataDir` is for the message. Of two nodes
 * that start at once with different domains, one is refused.
 */
export async function keepDomain(
  store: Registers,
  domain: string,
  dataDir: string,
): Promise<void> {
  const stored = await new Promise<string | null>((resolve, reject) =>
    domainOf(store).update(
      (stored) => stored === null ? domain : null,
      (error, kept) => error === null ? resolve(kept) : reject(failure(error)),
    )
  );
  if (stored === domain) return;
  throw new Error(
    `Cannot serve server.domain ${domain} from --data ${dataDir}: its accounts are of ` +
      `${stored}. Set server.domain to ${stored}, or give another directory.`,
  );
}
