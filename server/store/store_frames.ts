/**
 * What a process that has no store of its own and the one that has it say to each other, as bytes:
 * requests and replies by the schemas that the log has too. Requests are numbered by the sender. A
 * reply that is a long list travels in parts.
 */
import {
  bool,
  bytes,
  int,
  list,
  optional,
  type Schema,
  text,
  uint,
} from "../../shard/record/schema.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeKey, encodeKey } from "./key_bytes.ts";
import { nodeRef } from "../../shard/record/fields.ts";
import { OTHER } from "../../shard/record/schema.ts";
import { struct, union, variant } from "../../shard/record/struct.ts";
import type { TypeOf } from "../../shard/record/schema.ts";
import type { Mutation, StoreError, StoreKey } from "../node/ports.ts";

/** Version of these frames; a client of another version is refused. */
export const STORE_FRAMES_VERSION = 1;

/** Longest frame (bytes): one write within the store's limits, with room for keys and numbers. */
export const STORE_FRAME_BYTES_MAX = 2 * 1024 * 1024;

const key: Schema<StoreKey> = {
  op: OTHER,
  bytesMin: 1,
  open: false,
  write: (w, value) => void w.bytes(encodeKey(value)),
  read: (r) => decodeKey(r.view()),
  skip: (r) => void decodeKey(r.view()),
};

const stored = struct({ key, value: optional("value", bytes) });

const mutation: Schema<Mutation> = {
  op: OTHER,
  bytesMin: stored.bytesMin,
  open: false,
  write: (w, m) => stored.write(w, { key: m.key, value: m.kind === "set" ? m.value : null }),
  read: (r) => {
    const { key, value } = stored.read(r);
    return value === null ? { kind: "delete", key } : { kind: "set", key, value };
  },
  skip: (r) => stored.skip(r),
};

const claim = struct({ shard: uint, epoch: uint });
const owned = struct({ shard: uint, epoch: uint, head: int });

const REQUEST = union("request", {
  hello: variant(0, { version: uint, node: text }),
  append: variant(1, {
    n: uint,
    batches: list(struct({ shard: uint, epoch: uint, from: uint, records: list(bytes) })),
  }),
  read_log: variant(2, { n: uint, log: uint, after: int, bytesMax: uint }),
  checkpoint: variant(3, {
    n: uint,
    claims: list(claim),
    rows: list(mutation),
    cuts: list(struct({ log: uint, from: uint, below: uint })),
  }),
  write: variant(4, { n: uint, rows: list(mutation) }),
  read: variant(5, { n: uint, keys: list(key) }),
  list: variant(6, {
    n: uint,
    prefix: key,
    after: optional("key", key),
    limit: uint,
    keysOnly: bool,
  }),
  holders: variant(7, { n: uint }),
  claim: variant(8, { n: uint, claims: list(claim), owner: nodeRef }),
  reshape: variant(9, {
    n: uint,
    version: uint,
    table: bytes,
    seal: list(owned),
    open: list(struct({ shard: uint, epoch: uint, start: uint, owner: nodeRef })),
  }),
  register: variant(10, { n: uint, name: text }),
  cas: variant(11, { n: uint, name: text, version: uint, value: bytes, rows: list(mutation) }),
  watch: variant(12, { name: text }),
});

const error = union("error", {
  full: variant(0, { message: text }),
  failed: variant(1, { message: text }),
  unknown: variant(2, { message: text }),
  damaged: variant(3, { message: text, keys: list(key) }),
  fenced: variant(4, { message: text, shards: list(uint) }),
}) as Schema<StoreError>;

const REPLY = union("reply", {
  failed: variant(0, { n: uint, error }),
  done: variant(1, { n: uint }),
  /** Lists: `more` where another part follows. */
  values: variant(2, { n: uint, values: list(optional("value", bytes)), more: bool }),
  rows: variant(3, { n: uint, rows: list(struct({ key, value: bytes })), more: bool }),
  records: variant(4, {
    n: uint,
    records: list(struct({ lsn: uint, bytes })),
    end: bool,
    more: bool,
  }),
  holders: variant(5, {
    n: uint,
    holders: list(struct({ shard: uint, epoch: uint, owner: optional("owner", nodeRef) })),
  }),
  owned: variant(6, { n: uint, owned: list(optional("owned", owned)) }),
  made: variant(7, { n: uint, made: bool }),
  register: variant(8, {
    n: uint,
    register: optional("register", struct({ version: uint, value: bytes })),
  }),
  /** A register that the recipient watches has this version. */
  hint: variant(9, { name: text, version: uint }),
});

/** What a client of the store sends. */
export type StoreRequest = TypeOf<typeof REQUEST>;
/** What the store's process sends. */
export type StoreReply = TypeOf<typeof REPLY>;

/** The bytes of a request. */
export function encodeRequest(request: StoreRequest): Uint8Array {
  return encoded(REQUEST, request);
}

/** Reads what `encodeRequest` wrote; throws `CorruptBytes` where that is something else. */
export function decodeRequest(frame: Uint8Array): StoreRequest {
  return decoded(REQUEST, frame);
}

/** The bytes of a reply. */
export function encodeReply(reply: StoreReply): Uint8Array {
  return encoded(REPLY, reply);
}

/** Reads what `encodeReply` wrote; throws `CorruptBytes` where that is something else. */
export function decodeReply(frame: Uint8Array): StoreReply {
  return decoded(REPLY, frame);
}

function encoded<T>(schema: Schema<T>, value: T): Uint8Array {
  const w = new ByteWriter();
  schema.write(w, value);
  return w.take();
}

function decoded<T>(schema: Schema<T>, frame: Uint8Array): T {
  const r = new ByteReader(frame);
  const read = schema.read(r);
  if (!r.done) throw new CorruptBytes("a frame goes on behind its end");
  return read;
}
