/** The token of the admin API over the network, in a file of the data directory. */
import { encodeBase64Url } from "byte-encodings/base64url";
import { join } from "node:path";
import type { Random } from "../node/ports.ts";

const TOKEN = /^ra1_[A-Za-z0-9_-]{43}$/;

/** Where it is kept. */
export function adminTokenFile(dataDir: string): string {
  return join(dataDir, "admin.token");
}

/** The token of the data directory; made, for this user only, where there is none or to `renew`. */
export function adminToken(dataDir: string, random: Random, renew = false): string {
  const file = adminTokenFile(dataDir);
  const kept = renew ? null : readToken(file);
  return kept ?? writeToken(file, random);
}

function readToken(file: string): string | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(file).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  if (TOKEN.test(text)) return text;
  throw new Error(`Cannot read the admin token: ${file} holds something else. Remove it.`);
}

function writeToken(file: string, random: Random): string {
  const token = `ra1_${encodeBase64Url(random.bytes(32))}`;
  const made = `${file}.new`;
  const written = Deno.openSync(made, { create: true, truncate: true, write: true, mode: 0o600 });
  try {
    written.writeSync(new TextEncoder().encode(`${token}\n`));
    written.syncSync();
  } finally {
    written.close();
  }
  Deno.renameSync(made, file);
  return token;
}
