/** Values between the store's port and PostgreSQL's statements. */
import { Buffer } from "node:buffer";
import { encodeKey } from "./key_bytes.ts";
import { fenced } from "./own_claims.ts";
import type { LaneError, PgValue } from "./pg_lane.ts";
import type { Mutation, StoreError } from "../node/ports.ts";
import { RAISED } from "./pg_sql.ts";

/** Calls back in a later turn. */
export function later(run: () => void): void {
  queueMicrotask(run);
}

/** How a statement failed, as the store says it. */
export function storeError(error: LaneError | null): StoreError | null {
  if (error?.kind !== "raised") return error;
  if (error.state === RAISED.fenced) return fenced(error.detail.split(",").map(Number));
  return { kind: "failed", message: `The store refuses the change: ${error.state}` };
}

/** Whole numbers as an array of PostgreSQL. */
export function ints(values: readonly number[]): string {
  return `{${values.join(",")}}`;
}

/** Bytes in hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** The driver's bytes as plain ones. */
export function ownBytes(value: unknown): Uint8Array {
  return new Uint8Array(value as Uint8Array);
}

/** Mutations for `roost_put`: the last one of each key, in the order of keys. */
export function packed(mutations: readonly Mutation[]): readonly PgValue[] {
  const last = new Map<string, readonly [key: Uint8Array, mutation: Mutation]>();
  for (const mutation of mutations) {
    const key = encodeKey(mutation.key);
    last.set(hex(key), [key, mutation]);
  }
  const rows = [...last].sort(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row);
  const values = rows.map(([, m]) => m.kind === "set" ? m.value : null);
  return [
    ints(rows.map(([key]) => key.length)),
    ints(values.map((value) => value?.length ?? -1)),
    Buffer.concat(rows.flatMap(([key], i) => [key, values[i] ?? new Uint8Array()])),
  ];
}
