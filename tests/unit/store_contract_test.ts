/** The contract of stores, on each kind that needs no server. */
import { fencesContract } from "./store_fences_contract.ts";
import { MEDIA } from "./store_media.ts";
import { rowsContract } from "./store_rows_contract.ts";

for (const [name, medium] of MEDIA) {
  rowsContract(name, medium);
  fencesContract(name, medium);
}
