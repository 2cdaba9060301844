/** Registers as rows: the version before the value. */
import { ByteReader, ByteWriter } from "../../shard/record/bytes.ts";
import type { Register, StoreKey } from "../node/ports.ts";

/** First byte of a register's row. Rows of earlier versions begin with another one. */
const REGISTER_FORMAT = 2;

/** The key of a register's row. */
export function registerKey(name: string): StoreKey {
  return ["meta", name];
}

/** The row of a register. */
export function encodeRegister({ version, value }: Register): Uint8Array {
  return new ByteWriter(value.length + 16).u8(REGISTER_FORMAT).uint(version).raw(value).take();
}

/** Reads a register's row. What an earlier program has stored under the name is version 1. */
export function decodeRegister(bytes: Uint8Array): Register {
  if (bytes[0] !== REGISTER_FORMAT) return { version: 1, value: bytes };
  const r = new ByteReader(bytes, 1);
  const version = r.uint();
  return { version, value: bytes.slice(new ByteWriter().u8(REGISTER_FORMAT).uint(version).length) };
}
