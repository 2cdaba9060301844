/** Where the configuration says that the store in PostgreSQL is. */
import type { Config } from "../config/config.ts";
import { parsePgAddress, type PgAddress } from "../config/pg_url.ts";
import { readConfigFile } from "../system/config_files.ts";
import { StoreOpenError } from "./store_open_error.ts";

/** The address of the store in PostgreSQL that the configuration names. */
export async function pgAddress({ url, urlFile }: Config["store"]): Promise<PgAddress> {
  if (url !== null) return url;
  if (urlFile === null) {
    throw new StoreOpenError(
      "The store is in PostgreSQL: name it with --store-file or ROOST_STORE",
    );
  }
  const text = await readConfigFile("store.urlFile", urlFile);
  const address = parsePgAddress(text.trim());
  if (address !== null) return address;
  throw new StoreOpenError(
    `Cannot use ${urlFile}: it must hold one line like postgres://USER:PASSWORD@HOST:5432/DATABASE`,
  );
}
