/**
 * The pair of keys by which push services know this server (VAPID, RFC 8292): one for all nodes of a
 * cell, made at the first start and kept in the store, or read from a file.
 */
import { cellText, CellValue, type Registers } from "../node/cell_value.ts";
import { fromBase64url, isPoint } from "./p256.ts";

/** Both keys in base64url: the point of 65 bytes, and the number of 32 bytes. */
export interface VapidKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** Reads a pair as `web-push generate-vapid-keys --json` writes it; null where it is none. */
export function parseVapidKeys(text: string): VapidKeys | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { publicKey, privateKey } = (value ?? {}) as Record<string, unknown>;
  if (typeof publicKey !== "string" || typeof privateKey !== "string") return null;
  const [point, number] = [fromBase64url(publicKey), fromBase64url(privateKey)];
  if (point === null || !isPoint(point) || number?.length !== 32) return null;
  return { publicKey: publicKey.replace(/=+$/, ""), privateKey: privateKey.replace(/=+$/, "") };
}

/** The pair in the store, which gets `fresh` at the cell's first start. Rejects where it cannot. */
export function storedVapidKeys(store: Registers, fresh: VapidKeys): Promise<VapidKeys> {
  return new Promise((resolve, reject) =>
    new CellValue(store, cellText("vapid")).update(
      (stored) => stored === null ? JSON.stringify(fresh) : null,
      (error, text) => {
        if (error !== null) return reject(new Error(`Cannot open the store: ${error.message}`));
        const keys = parseVapidKeys(text ?? "");
        if (keys !== null) return resolve(keys);
        reject(new Error("Cannot open the store: the keys for push messages in it cannot be read"));
      },
    )
  );
}
