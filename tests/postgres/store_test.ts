/** The contract of stores on PostgreSQL. Needs Debian's postgresql-15. */
import { fencesContract } from "../unit/store_fences_contract.ts";
import { type Medium } from "../unit/store_media.ts";
import { openPgStore } from "../../server/store/pg_open.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import { rowsContract } from "../unit/store_rows_contract.ts";
import { startCluster } from "./cluster.ts";
import { systemTimers } from "../../server/system/timers.ts";

const cluster = startCluster(["fsync = off"]);
globalThis.addEventListener("unload", () => cluster.stop());
let databases = 0;

function pgMedium(): Medium {
  databases++;
  const made = cluster.database(`contract_${databases}`);
  return {
    open: async () => {
      const address = parsePgAddress(await made)!;
      return (await openPgStore({ address, rootCert: null, timers: systemTimers() })).store;
    },
    run: () => {},
    end: () => {},
  };
}

rowsContract("pg_store", pgMedium);
fencesContract("pg_store", pgMedium);
