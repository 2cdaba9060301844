/**
 * The secret that all nodes of a cell share: fake salts and the seals of exchanges are derived from
 * it. Where the nodes have one store on several machines it is in that store; else with the disk.
 */
import { cellText, CellValue, type Registers } from "./cell_value.ts";

const HEX_RE = /^([0-9a-f]{2}){32}$/;

/**
 * The secret in the store, which gets `own` (32 bytes) at its first start. Rejects where it cannot
 * be read or written, or is something else.
 */
export function cellSecret(store: Registers, own: Uint8Array): Promise<Uint8Array> {
  const fresh = Array.from(own, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new Promise((resolve, reject) =>
    new CellValue(store, cellText("secret")).update(
      (stored) => stored === null ? fresh : null,
      (error, secret) => {
        if (error !== null) reject(new Error(`Cannot open the store: ${error.message}`));
        else if (secret === null || !HEX_RE.test(secret)) {
          reject(new Error("Cannot open the store: the cell's secret in it cannot be read"));
        } else resolve(new Uint8Array(secret.match(/../g)!.map((pair) => parseInt(pair, 16))));
      },
    )
  );
}
