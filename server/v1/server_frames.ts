/**
 * The frames that a server sends, and the values of commands: they make the AsyncAPI document, and the
 * tests hold the golden transcripts to them.
 */
import { z } from "zod";
import { ANSWERS } from "./answers.ts";
import type { CommandName } from "./schemas.ts";

const id = z.int().min(0).describe("The command's own");
const servers = z.array(z.string()).optional();

/** Every frame of the server but those that carry a value, by its `t`. */
export const SERVER_FRAMES = {
  welcome: z.object({ t: z.literal("welcome"), ...ANSWERS.Welcome.shape }),
  challenge: z.object({
    t: z.literal("challenge"),
    message: z.string().describe("SCRAM's server-first message (RFC 5802)"),
  }),
  error: z.object({
    t: z.literal("error"),
    id: id.optional().describe("Of the command; absent where the frame was none"),
    ...ANSWERS.Error.shape,
  }),
  events: z.object({
    t: z.literal("events"),
    soft: z.int().min(0),
    ev: z.array(z.union([ANSWERS.DurableEvent, ANSWERS.SoftEvent])),
  }),
  goaway: z.object({
    t: z.literal("goaway"),
    reason: z.enum([
      "signed_out",
      "replaced",
      "revoked",
      "expired",
      "slow",
      "idle",
      "shutdown",
      "protocol",
    ]),
    retryAfterMs: z.int().min(0).optional(),
    servers: servers.describe("Of `shutdown`: where else to connect"),
  }),
} as const;

/** Name of such a frame. */
export type ServerFrameName = keyof typeof SERVER_FRAMES;

/** The value of each command's `ok`; null where it has none. */
export const COMMAND_VALUES: Readonly<Record<CommandName, z.ZodType | null>> = {
  send: ANSWERS.Sent,
  edit: ANSWERS.Sent,
  remove: ANSWERS.Sent,
  react: ANSWERS.Sent,
  ack: null,
  read: ANSWERS.Unread,
  history: ANSWERS.History,
  search: ANSWERS.Found,
  events: z.object({ events: z.array(ANSWERS.DurableEvent), cursor: z.string() }),
  snapshot: ANSWERS.SnapshotAt,
  presence: null,
  signal: null,
  contact: ANSWERS.Contact,
  uncontact: null,
  subscription: null,
  block: null,
  settings: null,
  push: null,
  unpush: null,
  pushes: z.array(ANSWERS.Push),
  devices: z.array(ANSWERS.Device),
  revoke: null,
  password: null,
  factors: ANSWERS.Factors,
  totp: ANSWERS.TotpSetup,
  totp_on: ANSWERS.RecoveryCodes,
  totp_off: null,
  recovery: ANSWERS.RecoveryCodes,
  passkeys: z.array(ANSWERS.Passkey),
  passkey_ask: ANSWERS.PasskeyAsked,
  passkey_add: ANSWERS.PasskeyAdded,
  passkey_name: null,
  passkey_remove: null,
  bye: null,
  signout: null,
  ping: z.object({ serverTime: z.int().min(0).describe("Milliseconds since 1970") }),
};

/** The `ok` of a command. */
export function okFrame(command: CommandName): z.ZodType {
  const value = COMMAND_VALUES[command];
  return z.object({ t: z.literal("ok"), id, ...(value === null ? {} : { value }) });
}
