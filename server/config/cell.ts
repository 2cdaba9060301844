/** The other nodes of a cell: where this one listens for them, and how they know each other. */
import { choice, group, int, optional, optionalPath, text } from "./knob.ts";
import { parseBind, parsePublicUrl } from "./address.ts";

/** When links over TCP are encrypted: to addresses that are not private, always, never. */
export const LINK_TLS = ["public", "always", "never"] as const;

/** One of them. */
export type LinkTls = typeof LINK_TLS[number];

const wants = "host:port or [IPv6]:port, for example 10.0.0.5:8422";

/** Most workers of one machine. */
export const WORKERS_MAX = 64;

/** A number of workers, or `auto`: as many as the machine has cores. */
export type Workers = number | "auto";

function parseWorkers(value: string): Workers | null {
  if (value === "auto") return value;
  const count = Number(value);
  return /^[0-9]{1,2}$/.test(value) && count >= 1 && count <= WORKERS_MAX ? count : null;
}

const cell = {
  workers: text<Workers>({
    default: "1",
    wants: `auto or a whole number from 1 to ${WORKERS_MAX}`,
    doc: "Processes of this machine that share its store and its port; auto: one for each core.",
    read: parseWorkers,
  }),
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
  publicUrl: optional({
    wants: "an http or https URL such as https://node-a.chat.example.org",
    doc: "Where clients reach this very node; empty for server.publicUrl.",
    read: parsePublicUrl,
  }),
  withoutStoreMs: int({
    unit: "ms",
    default: 120_000,
    min: 0,
    max: 3_600_000,
    doc:
      "How long nodes of a cell vouch for each other's reads and presence while the store is away.",
  }),
  tls: choice({
    default: "public",
    of: LINK_TLS,
    doc: "Which links between nodes are encrypted: those to public addresses, all, or none.",
  }),
  secretFile: optionalPath({
    doc: "The file of the secret that all nodes of the cell share; see `roost secret create`.",
  }),
} as const;

/** This group. */
export const CELL_KNOBS = { cell: group(cell) } as const;
