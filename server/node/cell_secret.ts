/**
 * The secret that all nodes of a cell share: fake salts and the seals of exchanges are derived from
 * it. Where the nodes have one store on several machines it is in that store; else with the disk.
 */
import { cellText, CellValue, type Registers } from "./cell_value.ts";

/** Name of the register that holds it. */
export const CELL_SECRET = "secret";

const HEX_RE = /^([0-9a-f]{2}){32}$/;

/** The secret as it is stored. */
export function formatSecret(secret: Uint8Array): string {
  return Array.from(secret, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads it; null where it is something else. */
export function parseSecret(text: string): Uint8Array | null {
  if (!HEX_RE.test(text)) return null;
  return new Uint8Array(text.match(/../g)!.map((pair) => parseInt(pair, 16)));
}

/**
 * The secret in the store, which gets `own` (32 bytes) at its first start. Rejects where it cannot
 * be read or written, or is something else.
 */
export function cellSecret(store: Registers, own: Uint8Array): Promise<Uint8Array> {
  const fresh = formatSecret(own);
  return new Promise((resolve, reject) =>
    new CellValue(store, cellText(CELL_SECRET)).update(
      (stored) => stored === null ? fresh : null,
      (error, secret) => {
        if (error !== null) return reject(new Error(`Cannot open the store: ${error.message}`));
        const read = secret === null ? null : parseSecret(secret);
        if (read !== null) return resolve(read);
        reject(new Error("Cannot open the store: the cell's secret in it cannot be read"));
      },
    )
  );
}
