/**
 * The stream between a primary and its standby as bytes, by the schemas that the log has too. A frame
 * begins with the number of its kind. A write travels as it is stored, with the checksums of its rows.
 */
import {
  bool,
  bytes,
  list,
  optional,
  OTHER,
  type Schema,
  uint,
} from "../../shard/record/schema.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { checkKey, KEY_BYTES_MAX } from "../store/store_limits.ts";
import { decodeKey, encodeKey } from "../store/key_bytes.ts";
import { DIGEST_BYTES } from "./row_ranges.ts";
import { numberMutation, position } from "./write_number.ts";
import { struct, union, variant } from "../../shard/record/struct.ts";
import type { FromStandby, ToStandby } from "./stream.ts";
import type { Mutation, Row, StoreKey } from "../node/ports.ts";

/** Longest frame (bytes): one write within the store's limits, with room for keys and numbers. */
export const STREAM_FRAME_BYTES_MAX = 2 * 1024 * 1024;

/** Bytes of a stored value: those of the store's limit behind a checksum. */
const STORED_BYTES_MAX = 65_536;
/** Changes of one write, that of its number among them. */
const CHANGES_MAX = 1000;

function readKey(encoded: Uint8Array): StoreKey {
  if (encoded.length > KEY_BYTES_MAX) throw new CorruptBytes(`key: ${encoded.length} bytes`);
  const read = decodeKey(encoded);
  try {
    checkKey("stream", read);
  } catch (cause) {
    throw new CorruptBytes("key: it cannot be one of a store", { cause });
  }
  return read;
}

const key: Schema<StoreKey> = {
  op: OTHER,
  bytesMin: 1,
  open: false,
  write: (w, value) => void w.bytes(encodeKey(value)),
  read: (r) => readKey(r.view()),
  skip: (r) => void readKey(r.view()),
};

const stored: Schema<Uint8Array> = {
  op: OTHER,
  bytesMin: 1,
  open: false,
  write: (w, value) => void w.bytes(value),
  read: (r) => {
    const value = r.bytes();
    if (value.length > STORED_BYTES_MAX) throw new CorruptBytes(`value: ${value.length} bytes`);
    return value;
  },
  skip: (r) => void stored.read(r),
};

const row = struct({ key, value: stored }) satisfies Schema<Row>;
const changed = struct({ key, value: optional("value", stored) });

const TO_STANDBY = union("frame to a standby", {
  continue: variant(1, {}),
  compare: variant(2, { at: position }),
  // Without the change of the number, which follows from `at`.
  write: variant(3, { at: position, after: optional("position", position), rows: list(changed) }),
  same: variant(4, { n: uint }),
  page: variant(5, { n: uint, upTo: optional("key", key), rows: list(row), kept: list(key) }),
  equal: variant(6, { n: uint }),
});

const FROM_STANDBY = union("frame of a standby", {
  hello: variant(1, { position: optional("position", position) }),
  ack: variant(2, { at: position, filling: bool }),
  range: variant(3, {
    n: uint,
    after: optional("key", key),
    upTo: optional("key", key),
    count: uint,
    digest: bytes,
  }),
  compared: variant(4, { n: uint }),
}) satisfies Schema<FromStandby>;

/** The bytes of a frame of the primary. */
export function encodeToStandby(frame: ToStandby): Uint8Array {
  const w = new ByteWriter();
  if (frame.kind !== "write") TO_STANDBY.write(w, frame);
  else {
    const { at, after, rows } = frame.entry;
    const changes = rows.slice(0, -1).map((change) => ({
      key: change.key,
      value: change.kind === "set" ? change.value : null,
    }));
    TO_STANDBY.write(w, { kind: "write", at, after, rows: changes });
  }
  return w.take();
}

/** Reads what `encodeToStandby` wrote; throws `CorruptBytes` where that is something else. */
export function decodeToStandby(bytes: Uint8Array): ToStandby {
  const frame = decoded(TO_STANDBY, bytes);
  if (frame.kind !== "write") return frame;
  const { at, after } = frame;
  if (frame.rows.length >= CHANGES_MAX) throw new CorruptBytes("a write of too many changes");
  const rows: Mutation[] = frame.rows.map(({ key, value }) =>
    value === null ? { kind: "delete", key } : { kind: "set", key, value }
  );
  return { kind: "write", entry: { at, after, rows: [...rows, numberMutation(at)] } };
}

/** The bytes of a frame of the standby. */
export function encodeFromStandby(frame: FromStandby): Uint8Array {
  const w = new ByteWriter();
  FROM_STANDBY.write(w, frame);
  return w.take();
}

/** Reads what `encodeFromStandby` wrote; throws `CorruptBytes` where that is something else. */
export function decodeFromStandby(bytes: Uint8Array): FromStandby {
  const frame = decoded(FROM_STANDBY, bytes);
  if (frame.kind === "range" && frame.digest.length !== DIGEST_BYTES) {
    throw new CorruptBytes(`a digest of ${frame.digest.length} bytes`);
  }
  return frame;
}

function decoded<T>(schema: Schema<T>, bytes: Uint8Array): T {
  if (bytes.length > STREAM_FRAME_BYTES_MAX) throw new CorruptBytes(`${bytes.length} bytes`);
  const r = new ByteReader(bytes);
  const read = schema.read(r);
  if (!r.done) throw new CorruptBytes("a frame goes on behind its end");
  return read;
}
