/** The copy of this cell's own store in another cell, and copies of others that this one serves. */
import { choice, group, int, list, optional } from "./knob.ts";
import { parseBind, parsePublicUrl } from "./address.ts";
import type { Config } from "./config.ts";
import { parseCellName } from "../../shard/name/ids.ts";

/** When a write is acknowledged: once the standby has it, or at once. */
export const STANDBY_MODES = ["sync", "async"] as const;

/** Writes wait while a cell is handed back. */
const HAND_BACK_MIN_MS = 1000;

const wants = "host:port or [IPv6]:port, for example 192.0.2.1:8424";

const standby = {
  at: optional({
    wants: "the name of another cell",
    doc: "The cell that keeps a copy of this cell's own store; empty for none.",
    read: parseCellName,
  }),
  mode: choice({
    default: "sync",
    of: STANDBY_MODES,
    doc: "Whether a write is acknowledged when the standby has it (sync), or at once (async).",
  }),
  voters: list({
    wants: "names of other cells",
    doc:
      "Cells that vote on a takeover with this one and standby.at; without, an operator promotes.",
    read: parseCellName,
  }),
  takeoverMs: int({
    unit: "ms",
    default: 3000,
    min: 1000,
    max: 120_000,
    doc: "How long the standby gets no sign of life of the primary before it takes over.",
  }),
  fillBytesPerSecond: int({
    unit: "bytes",
    default: 20_000_000,
    min: 10_000,
    max: 10_000_000_000,
    doc: "Bytes a second that a standby is filled with, besides the writes that go on.",
  }),
  lagWritesMax: int({
    unit: "writes",
    default: 5000,
    min: 1,
    max: 1_000_000,
    doc: "With async, writes that the standby may lack; beyond that others are refused.",
  }),
  lagMsMax: int({
    unit: "ms",
    default: 10_000,
    min: 100,
    max: 600_000,
    doc: "With async, how long a write may be missing there; beyond that others are refused.",
  }),
  bind: optional({
    wants,
    doc: "Where a cell whose store this one has taken over listens for clients.",
    read: parseBind,
  }),
  publicUrl: optional({
    wants: "an http or https URL such as https://standby.chat.example.org",
    doc: "Where clients reach it; empty for where it listens.",
    read: parsePublicUrl,
  }),
  handBackMs: int({
    unit: "ms",
    default: 0,
    min: 0,
    max: 86_400_000,
    doc: "How often it is handed back if its own place is in sync; 0 for by order only.",
  }),
  listen: optional({
    wants,
    doc: "Where it listens for nodes of other cells; empty for a free port of cells.listen's host.",
    read: parseBind,
  }),
} as const;

/** This group. */
export const STANDBY_KNOBS = { standby: group(standby) } as const;

/** What keeps the settings from being used together. */
export function standbyFaults(
  { cells, standby: { at, handBackMs, voters, mode }, store }: Pick<
    Config,
    "cells" | "standby" | "store"
  >,
): string[] {
  if (handBackMs > 0 && handBackMs < HAND_BACK_MIN_MS) {
    return [`standby.handBackMs is ${handBackMs}: it must be 0, or ${HAND_BACK_MIN_MS} at least`];
  }
  if (at === null) {
    return voters.length === 0
      ? []
      : ["standby.voters is set without standby.at: name the cell that keeps the copy"];
  }
  const faults: string[] = [];
  if (cells.name === null || cells.join.length === 0) {
    faults.push(
      "standby.at is set without cells.name and cells.join: name an address of another cell, so that " +
        "this one learns at its start who serves",
    );
  }
  if (at === cells.name) faults.push(`standby.at is ${at}, this cell: name another one`);
  if (store.url !== null || store.urlFile !== null) {
    faults.push(
      `standby.mode is ${mode} but the store is in PostgreSQL: use its own replication instead`,
    );
  }
  if (voters.includes(at) || voters.some((voter) => voter === cells.name)) {
    faults.push("standby.voters names this cell or standby.at, which vote anyway: name others");
  }
  return faults;
}
