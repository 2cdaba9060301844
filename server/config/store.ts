/** Where a cell's store is. */
import { bool, group, optional, optionalPath } from "./knob.ts";
import { parsePgAddress, withoutPassword } from "./pg_url.ts";

const store = {
  url: optional({
    wants: "an address like postgres://USER@HOST:5432/DATABASE",
    doc: "The PostgreSQL database of the cell; empty for the data directory's own store.",
    read: parsePgAddress,
    shown: (raw) => typeof raw === "string" ? withoutPassword(raw) : raw,
    env: "ROOST_STORE",
  }),
  urlFile: optionalPath({
    doc: "A file that holds the address instead, with its password, for its owner alone.",
  }),
  requireSynchronous: bool({
    default: false,
    doc: "Whether a start is refused where commits wait for no synchronous standby.",
  }),
} as const;

/** This group. */
export const STORE_KNOBS = { store: group(store) } as const;
