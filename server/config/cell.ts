/** The other nodes of a cell: where this one listens for them, and how they know each other. */
import { group, int, optional, optionalPath } from "./knob.ts";
import { parseBind } from "./address.ts";

const wants = "host:port or [IPv6]:port, for example 10.0.0.5:8422";

const cell = {
  listen: optional({
    wants,
    doc: "Where this node listens for the other nodes of its cell; empty where it is the only one.",
    read: parseBind,
  }),
  advertise: optional({
    wants,
    doc: "Where the other nodes reach this one; empty for where it listens.",
    read: parseBind,
  }),
  withoutStoreMs: int({
    unit: "ms",
    default: 120_000,
    min: 0,
    max: 3_600_000,
    doc:
      "How long nodes of a cell vouch for each other's reads and presence while the store is away.",
  }),
  secretFile: optionalPath({
    doc: "The file of the secret that all nodes of the cell share; see `roost secret create`.",
  }),
} as const;

/** This group. */
export const CELL_KNOBS = { cell: group(cell) } as const;
