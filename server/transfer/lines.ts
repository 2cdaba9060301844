/**
 * The lines of an export, one JSON object each: a head; for each account `account`, `contact`s,
 * `blocked`, `conversation`s, `event`s in the order of the mailbox, `end`; and at last `done`.
 * Readers ignore fields that they do not know.
 */
import { encodeBase64 } from "byte-encodings/base64";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Credentials, MailboxEvent, ScramKey } from "../../shard/ops.ts";
import type { ExportedAccount } from "../../shard/account/transfer.ts";
import { encodeEvent } from "../text/event_json.ts";

/** Version of the lines that this program writes; it reads this one and all before it. */
export const EXPORT_VERSION = 1;

/** What the first line says. */
export interface ExportHead {
  /** 16 characters that no other export has. */
  readonly export: string;
  readonly domain: string;
  readonly program: string;
  /** When it was begun (ms since 1970). */
  readonly at: number;
  readonly credentials: boolean;
}

/** Events of one page, and about their bytes. */
export const EXPORT_PAGE = { limit: 500, bytesMax: 262_144 } as const;

/** The first line. */
export function headLine(head: ExportHead): string {
  return JSON.stringify({ t: "roost", v: EXPORT_VERSION, ...head });
}

function scramKey({ salt, iterations, storedKey, serverKey }: ScramKey) {
  return {
    salt: encodeBase64(salt),
    iterations,
    storedKey: encodeBase64(storedKey),
    serverKey: encodeBase64(serverKey),
  };
}

function credentialsField({ sha256, sha1 }: Credentials) {
  return { sha256: scramKey(sha256), sha1: sha1 === null ? null : scramKey(sha1) };
}

/** Everything of an account that stands before its events. */
export function accountLines(name: AccountName, a: ExportedAccount): string[] {
  const { state, createdAt, lastSeen, messagesFrom, first, last, devices, credentials } = a;
  const kept = a.keptFrom === undefined ? {} : { keptFrom: a.keptFrom };
  const facts = { state, createdAt, lastSeen, messagesFrom, first, ...kept, last };
  const account = { t: "account", name, ...facts };
  const secret = credentials === null ? {} : { credentials: credentialsField(credentials) };
  return [
    JSON.stringify({ ...account, devices, ...secret }),
    ...a.contacts.map(({ state, ...contact }) =>
      JSON.stringify({ t: "contact", ...contact, ...state })
    ),
    ...a.blocked.map((contact) => JSON.stringify({ t: "blocked", contact })),
    ...a.conversations.map((c) => JSON.stringify({ t: "conversation", ...c })),
  ];
}

/** An event as the protocol writes it. */
export function eventLine(event: MailboxEvent): string {
  return `{"t":"event",${encodeEvent(event).slice(1)}`;
}

/** What follows an account's events. */
export function endLine(name: AccountName | string, events: number): string {
  return JSON.stringify({ t: "end", name, events });
}

/** The last line: without it, the file is not whole. */
export function doneLine(accounts: number): string {
  return JSON.stringify({ t: "done", accounts });
}
