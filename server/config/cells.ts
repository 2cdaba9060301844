/** The other cells of a federation: what this cell is called, and where it finds them. */
import { bool, group, int, list, optional, optionalPath } from "./knob.ts";
import { parseBind } from "./address.ts";
import { parseCellName } from "../../shard/name/ids.ts";

const wants = "host:port or [IPv6]:port, for example cell-a.example.org:8423";

const cells = {
  name: optional({
    wants: "1 to 32 of a-z, 0-9 and -",
    doc: "The name of this cell among those that share the domain; empty where it is the only one.",
    read: parseCellName,
  }),
  listen: optional({
    wants,
    doc:
      "Where this node listens for nodes of other cells; worker N takes the port N - 1 above it.",
    read: parseBind,
  }),
  advertise: optional({
    wants,
    doc: "Where nodes of other cells reach this one; empty for where it listens.",
    read: parseBind,
  }),
  join: list({
    wants: "addresses such as cell-b.example.org:8423",
    doc: "Nodes of other cells to connect to: one of the federation suffices to find the others.",
    read: (value) => parseBind(value) === null ? null : value,
  }),
  secretFile: optionalPath({
    doc: "The file of the secret that all cells share; see `roost secret create`.",
  }),
  witness: bool({
    default: false,
    doc: "Whether this cell votes on names, but has no users; see `roost witness`.",
  }),
  relay: bool({
    default: false,
    doc: "Whether clients whose account is at home in another cell are passed on, or sent there.",
  }),
  relayMax: int({
    unit: "connections",
    default: 2000,
    min: 1,
    max: 1_000_000,
    doc: "Connections and requests that this node passes on to one other cell at once.",
  }),
  silentMs: int({
    unit: "ms",
    default: 10_000,
    min: 1000,
    max: 120_000,
    doc: "How long a node of another cell may be silent, or take nothing, before its link ends.",
  }),
  presenceUnknownMs: int({
    unit: "ms",
    default: 60_000,
    min: 1000,
    max: 3_600_000,
    doc: "How long another cell may be away before the presence of its users is shown as unknown.",
  }),
  arrivalsPerSecondMax: int({
    unit: "accounts/s",
    default: 100,
    min: 1,
    max: 10_000,
    doc: "Accounts that a node takes in from other cells in a second, at most; fewer at first.",
  }),
  queueBytesMax: int({
    unit: "bytes",
    default: 16_777_216,
    min: 1_048_576,
    max: 1_073_741_824,
    doc: "Bytes that may wait for one node of another cell; what is more is sent again later.",
  }),
} as const;

/** This group. */
export const CELLS_KNOBS = { cells: group(cells) } as const;
