/** The other nodes of a cell: where this one listens for them, and how they know each other. */
import { group, optional, optionalPath } from "./knob.ts";
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
  secretFile: optionalPath({
    doc: "The file of the secret that all nodes of the cell share; see `roost secret create`.",
  }),
} as const;

/** This group. */
export const CELL_KNOBS = { cell: group(cell) } as const;
