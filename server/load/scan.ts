/**
 * Finds events in the bytes of a frame without building objects: at 100,000 events a second,
 * `JSON.parse` would be most of what this tool does. It knows JSON's structure and reads the few
 * fields it wants wherever they stand; frames are trusted to be valid JSON (a sample of them is
 * parsed in full by the caller).
 */

/** What an event is about; `other` for kinds that are only counted. */
export type EventKind = "presence" | "message" | "undelivered" | "signal" | "durable" | "other";

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** One event, as offsets into the frame's bytes; the same object for every event of a scanner. */
export class ScannedEvent {
  bytes: Uint8Array = new Uint8Array();
  kind: EventKind = "other";
  /** Mailbox position; −1 for soft events. */
  seq = -1;
  /** Number in the conversation; −1 where it has none. */
  num = -1;
  out = false;
  /** The other user: `user`, `with` or `from`. `to` is exclusive; −1, −1 where absent. */
  userFrom = -1;
  userTo = -1;
  showFrom = -1;
  showTo = -1;
  /** `status` or `body`. */
  textFrom = -1;
  textTo = -1;

  /** Makes it an event without fields. */
  clear(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.kind = "other";
    this.seq = this.num = -1;
    this.out = false;
    this.userFrom =
      this.userTo =
      this.showFrom =
      this.showTo =
      this.textFrom =
      this.textTo =
        -1;
  }
}

/** End of the string whose opening quote is at `at`: the offset of its closing quote. */
function stringEnd(bytes: Uint8Array, at: number): number {
  let i = at + 1;
  for (;;) {
    const c = bytes[i];
    if (c === QUOTE) return i;
    if (c === undefined) throw new Error("Cannot read a frame: a string does not end");
    i += c === BACKSLASH ? 2 : 1;
  }
}

/** Offset behind the value that begins at `at`. */
function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return stringEnd(bytes, at) + 1;
  if (first === OPEN || first === OPEN_LIST) {
    let depth = 0;
    for (let i = at;;) {
      const c = bytes[i];
      if (c === undefined) throw new Error("Cannot read a frame: an object or list does not end");
      if (c === QUOTE) {
        i = stringEnd(bytes, i) + 1;
        continue;
      }
      if (c === OPEN || c === OPEN_LIST) depth++;
      else if ((c === CLOSE || c === CLOSE_LIST) && --depth === 0) return i + 1;
      i++;
    }
  }
  // A number, true, false or null; not the space of JSON that is not compact.
  if (first === undefined || first <= SPACE) throw new Error("Cannot read a frame: no value");
  for (let i = at; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === COMMA || c === CLOSE || c === CLOSE_LIST) return i;
  }
  return bytes.length;
}

/** The whole number that begins at `at`. */
function readInt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at;; i++) {
    const digit = bytes[i]! - 0x30;
    if (!(digit >= 0 && digit <= 9)) return value;
    value = value * 10 + digit;
  }
}

/** Kinds by their first letter and length: no two that exist share both. */
function kindOf(bytes: Uint8Array, from: number, to: number): EventKind {
  const length = to - from;
  switch (bytes[from]) {
    case 0x70: // presence
      return length === 8 ? "presence" : "other";
    case 0x6d: // message
      return length === 7 ? "message" : "other";
    case 0x75: // undelivered
      return length === 11 ? "undelivered" : "other";
    case 0x73: // signal, settings
      return length === 6 ? "signal" : "durable";
    default:
      return "durable";
  }
}

/** Takes one field of an event; returns the offset behind its value. */
function takeField(e: ScannedEvent, keyFrom: number, keyTo: number, at: number): number {
  const { bytes } = e;
  const length = keyTo - keyFrom;
  const first = bytes[keyFrom];
  if (bytes[at] === QUOTE) {
    const to = stringEnd(bytes, at);
    if (length === 1 && first === 0x6b) {
      e.kind = kindOf(bytes, at + 1, to);
    } else if (length === 4) {
      if (first === 0x75 || first === 0x77 || first === 0x66) { // user, with, from
        e.userFrom = at + 1;
        e.userTo = to;
      } else if (first === 0x73) { // show
        e.showFrom = at + 1;
        e.showTo = to;
      } else if (first === 0x62) { // body
        e.textFrom = at + 1;
        e.textTo = to;
      }
    } else if (length === 6 && first === 0x73) { // status
      e.textFrom = at + 1;
      e.textTo = to;
    }
    return to + 1;
  }
  if (length === 3) {
    if (first === 0x73) e.seq = readInt(bytes, at); // seq
    else if (first === 0x6e) e.num = readInt(bytes, at); // num
    else if (first === 0x6f) e.out = bytes[at] === 0x74; // out
  }
  return skipValue(bytes, at);
}

/** Reads a list of events of which `at` is the opening bracket; returns the offset behind it. */
function scanList(
  bytes: Uint8Array,
  at: number,
  event: ScannedEvent,
  found: (event: ScannedEvent) => void,
): number {
  let i = at + 1;
  while (bytes[i] === OPEN) {
    event.clear(bytes);
    i++;
    while (bytes[i] === QUOTE) {
      const keyTo = stringEnd(bytes, i);
      i = takeField(event, i + 1, keyTo, keyTo + 2);
      if (bytes[i] === COMMA) i++;
    }
    if (bytes[i] !== CLOSE) throw new Error("Cannot read a frame: an event does not end");
    i++;
    found(event);
    if (bytes[i] === COMMA) i++;
  }
  if (bytes[i] !== CLOSE_LIST) throw new Error("Cannot read a frame: its events do not end");
  return i + 1;
}

/**
 * Calls `found` for each event of the object at `from`, whose list of events is under `listKey`.
 * Throws where the object is not compact JSON (the caller may still parse it). The event is reused.
 */
export function scanEvents(
  bytes: Uint8Array,
  from: number,
  listKey: string,
  event: ScannedEvent,
  found: (event: ScannedEvent) => void,
): void {
  let i = from + 1;
  while (bytes[i] === QUOTE) {
    const keyTo = stringEnd(bytes, i);
    const at = keyTo + 2;
    const isList = equals(bytes, i + 1, keyTo, listKey) && bytes[at] === OPEN_LIST;
    i = isList ? scanList(bytes, at, event, found) : skipValue(bytes, at);
    if (bytes[i] === COMMA) i++;
  }
  if (bytes[i] !== CLOSE) throw new Error("Cannot read a frame: it does not end");
}

/** The whole number under `key` of the object at `from`; −1 where there is none. */
export function scanInt(bytes: Uint8Array, from: number, key: string): number {
  let i = from + 1;
  while (bytes[i] === QUOTE) {
    const keyTo = stringEnd(bytes, i);
    if (equals(bytes, i + 1, keyTo, key)) return readInt(bytes, keyTo + 2);
    i = skipValue(bytes, keyTo + 2);
    if (bytes[i] === COMMA) i++;
  }
  return -1;
}

/** Whether the JSON object at `from` begins with the member `t` and its value with `letter`. */
export function beginsWithType(bytes: Uint8Array, from: number, letters: string): boolean {
  const start = `{"t":"${letters}`;
  for (let i = 0; i < start.length; i++) {
    if (bytes[from + i] !== start.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether `bytes[from … to)` are the letters of an ASCII text. */
export function equals(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[from + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
