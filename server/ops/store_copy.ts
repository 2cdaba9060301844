/** Copies the store of a stopped server into another one of another kind, and compares the two. */
import type { Random } from "../node/ports.ts";
import { DataDirError, openDataDir, restoreDataDir } from "../system/data_dir.ts";
import { formatPgAddress, parsePgAddress, type PgAddress } from "../config/pg_url.ts";
import { ImageDigest, type ImageSource, type ImageTarget } from "../store/store_image.ts";
import { openKvImage } from "../store/kv_image.ts";
import { openPgImage, type PgImage } from "../store/pg_image.ts";
import { readConfigFile } from "../system/config_files.ts";
import { StoreOpenError } from "../store/store_open_error.ts";
import { systemRandom } from "../system/random.ts";
import { systemTimers } from "../system/timers.ts";

/** One end of a copy. */
export type StorePlace =
  | { readonly kind: "dir"; readonly path: string }
  | { readonly kind: "postgres"; readonly address: PgAddress };

/** How far a copy is; `total` is known while it is read back. */
export interface CopyProgress {
  readonly step: "copying" | "comparing";
  readonly rows: number;
  readonly bytes: number;
  readonly total: number | null;
}

/** What was copied: rows and records of logs, and the bytes of their values. */
export interface Copied {
  readonly rows: number;
  readonly records: number;
  readonly bytes: number;
}

/** Copies of stores; rejects with an error whose message says what to change and has no password. */
export interface StoreCopies {
  /** Which place a command names; see `roost store copy --help`. */
  place(text: string): Promise<StorePlace>;
  copy(from: StorePlace, to: StorePlace, progress: (at: CopyProgress) => void): Promise<Copied>;
}

/** The real ones. */
export function systemStoreCopies(): StoreCopies {
  return { place: placeOf, copy: (from, to, progress) => copyStore(from, to, progress) };
}

async function placeOf(text: string): Promise<StorePlace> {
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: "postgres", address: addressOf(text, text) };
  const found = await Deno.stat(text).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (found?.isFile !== true) return { kind: "dir", path: text };
  const address = addressOf((await readConfigFile("the store's address", text)).trim(), text);
  return { kind: "postgres", address };
}

function addressOf(url: string, named: string): PgAddress {
  const address = parsePgAddress(url);
  if (address === null) {
    const shown = named === url ? "it" : named;
    throw new StoreOpenError(
      `Cannot use ${shown === "it" ? "the store's address" : shown}: ` +
        "it must be like postgres://USER@HOST:5432/DATABASE",
    );
  }
  if (named === url && address.password !== null) {
    throw new StoreOpenError(
      "Everybody on the machine sees the arguments of a command: write the address with its " +
        "password to a file (mode 0600), and name the file",
    );
  }
  return address;
}

/** Opens a store in PostgreSQL, which servers may use. */
export async function openPgPlace(address: PgAddress): Promise<PgImage> {
  const { rootCertFile } = address;
  const rootCert = rootCertFile === null
    ? null
    : await readConfigFile("the root certificate", rootCertFile);
  return await openPgImage({ address, rootCert, timers: systemTimers() });
}

async function openStopped(address: PgAddress): Promise<PgImage> {
  const image = await openPgPlace(address);
  const servers = await image.servers();
  if (servers === 0) return image;
  await image.close();
  throw new StoreOpenError(
    `Cannot copy: servers use ${
      formatPgAddress(address)
    } (${servers} connections). Stop them first.`,
  );
}

async function copyStore(
  from: StorePlace,
  to: StorePlace,
  progress: (at: CopyProgress) => void,
): Promise<Copied> {
  const random = systemRandom();
  if (from.kind === "dir") {
    const dir = await openDataDir(from.path, random, false);
    try {
      const source = await openKvImage(dir.kvPath);
      return await closing(source, () => copyTo(source, dir.serverSecret, to, random, progress));
    } finally {
      dir.release();
    }
  }
  const source = await openStopped(from.address);
  return await closing(source, async () => {
    const secret = await source.secret() ?? random.bytes(32);
    return await copyTo(source, secret, to, random, progress);
  });
}

async function copyTo(
  source: ImageSource,
  secret: Uint8Array,
  to: StorePlace,
  random: Random,
  progress: (at: CopyProgress) => void,
): Promise<Copied> {
  if (to.kind === "postgres") {
    const target = await openStopped(to.address);
    return await closing(target, async () => {
      await target.begin(secret);
      const copied = await transfer(source, target, progress);
      await target.finish();
      return copied;
    });
  }
  let copied: Copied = { rows: 0, records: 0, bytes: 0 };
  await restoreDataDir(to.path, random, secret, async (kvPath) => {
    // Until the format file follows, nothing starts from it.
    Deno.truncateSync(kvPath);
    const target = await openKvImage(kvPath);
    await closing(target, async () => copied = await transfer(source, target, progress));
  });
  return copied;
}

/** Copies all parts, then reads the target and compares; rejects where they differ. */
export async function transfer(
  source: ImageSource,
  target: ImageTarget,
  progress: (at: CopyProgress) => void,
): Promise<Copied> {
  const [read, written] = [new ImageDigest(), new ImageDigest()];
  for await (const part of source.parts()) {
    await target.write(part);
    read.add(part);
    const { rows, records, bytes } = read.size;
    progress({ step: "copying", rows: rows + records, bytes, total: null });
  }
  const total = read.size.rows + read.size.records;
  if (total === 0) throw new DataDirError("missing", "Nothing to copy: the store is empty.");
  for await (const part of target.parts()) {
    written.add(part);
    const { rows, records, bytes } = written.size;
    progress({ step: "comparing", rows: rows + records, bytes, total });
  }
  if (read.take() !== written.take()) {
    throw new StoreOpenError("The copy is not like the original: nothing can be served from it.");
  }
  return read.size;
}

async function closing<T>(
  image: { close(): Promise<void> },
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } finally {
    await image.close();
  }
}
