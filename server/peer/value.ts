/**
 * Plain data of any shape, for the inputs and results of operations that are rare between nodes: a
 * byte that says what follows, then that. Objects have their fields by name; a field that is
 * undefined is left out.
 */
import { type ByteReader, type ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { OTHER, type Schema } from "../../shard/record/schema.ts";

/** Values in values, at most. */
export const DEPTH_MAX = 16;

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const UINT = 3;
const DOUBLE = 4;
const TEXT = 5;
const BYTES = 6;
const LIST = 7;
const OBJECT = 8;

/** Names of fields that are kept; a power of two. */
const NAMES = 256;

type Fields = Record<string, unknown>;

const double = new DataView(new ArrayBuffer(8));

/** Objects of one shape come in numbers: the names of their fields are mostly those just read. */
const knownNames = new Array<string | undefined>(NAMES).fill(undefined);

function writeNumber(w: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
    return void w.u8(UINT).uint(value);
  }
  double.setFloat64(0, value);
  w.u8(DOUBLE).raw(new Uint8Array(double.buffer));
}

function writeObject(w: ByteWriter, value: Fields, depth: number): void {
  const names = Object.keys(value);
  let count = 0;
  for (const name of names) if (value[name] !== undefined) count++;
  w.u8(OBJECT).uint(count);
  for (const name of names) {
    const field = value[name];
    if (field !== undefined) write(w.str(name), field, depth + 1);
  }
}

function write(w: ByteWriter, value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) throw new RangeError(`a value is over ${DEPTH_MAX} deep`);
  if (value === null || value === undefined) w.u8(NULL);
  else if (typeof value === "boolean") w.u8(value ? TRUE : FALSE);
  else if (typeof value === "number") writeNumber(w, value);
  else if (typeof value === "string") w.u8(TEXT).str(value);
  else if (value instanceof Uint8Array) w.u8(BYTES).bytes(value);
  else if (Array.isArray(value)) {
    w.u8(LIST).uint(value.length);
    for (const item of value) write(w, item, depth + 1);
  } else if (typeof value === "object") {
    writeObject(w, value as Fields, depth);
  } else throw new TypeError(`a ${typeof value} cannot be sent`);
}

function read(r: ByteReader, depth: number): unknown {
  if (depth > DEPTH_MAX) throw new CorruptBytes(`a value is over ${DEPTH_MAX} deep`);
  const kind = r.u8();
  switch (kind) {
    case NULL:
      return null;
    case FALSE:
    case TRUE:
      return kind === TRUE;
    case UINT:
      return r.uint();
    case DOUBLE:
      for (let i = 0; i < 8; i++) double.setUint8(i, r.u8());
      return double.getFloat64(0);
    case TEXT:
      return r.str();
    case BYTES:
      return r.bytes();
    case LIST:
      return readList(r, depth);
    case OBJECT:
      return readObject(r, depth);
    default:
      throw new CorruptBytes(`a value of unknown kind ${kind}`);
  }
}

function readList(r: ByteReader, depth: number): unknown {
  const items: unknown[] = [];
  for (let left = r.count(); left > 0; left--) items.push(read(r, depth + 1));
  return items;
}

function readObject(r: ByteReader, depth: number): unknown {
  const object: Fields = {};
  for (let left = r.count(2); left > 0; left--) {
    const name = r.strOf(knownNames);
    if (name === "__proto__") throw new CorruptBytes("a field that is none");
    object[name] = read(r, depth + 1);
  }
  return object;
}

/** Values of a type that the sender and the recipient agree on; what is read is not checked. */
export function value<T>(): Schema<T> {
  return {
    op: OTHER,
    bytesMin: 1,
    open: false,
    write: (w, v) => write(w, v, 0),
    read: (r) => read(r, 0) as T,
    skip: (r) => void read(r, 0),
  };
}
