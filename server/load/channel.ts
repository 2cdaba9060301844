/** What a synthetic user has to do with a server, whatever transport carries it. */

/** How to sign in. */
export type Proof =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "password"; readonly password: string }
  /** SCRAM-SHA-256 with the same password. */
  | { readonly kind: "scram"; readonly password: string };

/** What a session is opened with. */
export interface Opening {
  readonly user: string;
  readonly proof: Proof;
  readonly device: string;
  /** The session to take up again, null for a new one. */
  readonly session: string | null;
  /** What is known from before, to get only what came after it; null for a snapshot. */
  readonly after: string | null;
  readonly status: string;
  readonly show: string;
}

/** The part of a welcome that matters here. */
export interface Welcome {
  readonly session: string;
  readonly resumed: boolean;
  readonly mode: string;
  /** Position of the mailbox, `mailboxId:seq`. */
  readonly cursor: string;
  /** Contacts in the snapshot; −1 where there is none. */
  readonly contacts: number;
}

/** A refusal, as the server or this tool words it. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

/** What a command is answered: the conversation's number where it has one, else −1. */
export type Answer =
  | { readonly ok: true; readonly num: number }
  | { readonly ok: false; readonly refusal: Refusal };

/** Commands that synthetic users send, with their fields in protocol v1. */
export type Command =
  | { readonly t: "send"; readonly to: string; readonly key: string; readonly body: string }
  | { readonly t: "presence"; readonly show: string; readonly status: string }
  | { readonly t: "ack"; readonly seq: number }
  | { readonly t: "read"; readonly with: string; readonly upTo: number }
  | { readonly t: "history"; readonly with: string; readonly limit: number }
  | { readonly t: "signal"; readonly to: string; readonly type: string; readonly body: string };

/** What comes from the server. After `lost` nothing does. */
export interface ChannelHandler {
  welcome(welcome: Welcome): void;
  /** The sign-in is refused; `lost` follows. */
  refused(refusal: Refusal): void;
  /** A compact JSON object whose list `key` holds events; the bytes are reused afterwards. */
  events(bytes: Uint8Array, from: number, to: number, key: "ev" | "events"): void;
  /** The server asks to leave; null: at a time of one's choice. */
  goaway(retryAfterMs: number | null): void;
  /** The connection is gone. Commands without an answer get none: their outcome is unknown. */
  lost(why: string): void;
}

/** A session's way to the server. */
export interface Channel {
  /** Sends a command; `done` is called at most once. */
  command(command: Command, done: (answer: Answer) => void): void;
  /** Signs out and closes. */
  leave(): void;
  /** Vanishes without a word: the server sees a broken connection. `lost` is not called. */
  vanish(): void;
}

/** Opens a channel. */
export type OpenChannel = (opening: Opening, handler: ChannelHandler) => Channel;

/** A refusal out of the fields of an error frame or body. */
export function refusalOf(fields: Readonly<Record<string, unknown>>): Refusal {
  const { code, message, retryAfterMs } = fields;
  return {
    code: typeof code === "string" ? code : "unknown",
    message: typeof message === "string" ? message : "",
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : null,
  };
}

/** A welcome out of the fields of a frame or body; throws where it is none. */
export function welcomeOf(fields: Readonly<Record<string, unknown>>): Welcome {
  const { session, resumed, mode, cursor, snapshot } = fields;
  if (typeof session !== "string" || typeof cursor !== "string" || typeof mode !== "string") {
    throw new Error("Cannot read a welcome: session, mode or cursor is missing");
  }
  const roster = (snapshot as { readonly roster?: unknown } | undefined)?.roster;
  const contacts = Array.isArray(roster) ? roster.length : -1;
  return { session, resumed: resumed === true, mode, cursor, contacts };
}
