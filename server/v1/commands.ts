/**
 * The commands of protocol v1, one table for every transport: WebSocket frames and REST requests
 * are checked against the same schemas and run the same code.
 */
import type { z } from "zod";
import {
  type AccountId,
  type AccountName,
  type DeviceId,
  formatCursor,
  parseCursor,
} from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Clock } from "../node/ports.ts";
import type { Counting } from "./counting.ts";
import type { Router } from "../node/router.ts";
import type { Session } from "../edge/types.ts";
import type { SignIn } from "../auth/types.ts";
import type { ProtocolLimits } from "./limits.ts";
import { type Content, contentOf, editOf, reactionOf, removalOf } from "./changes.ts";
import type { CommandName, ProtocolSchemas } from "./schemas.ts";
import { devicePresence } from "./sign_in.ts";
import { validate } from "../text/validate.ts";
import { fromBase64url } from "../push/p256.ts";
import type { RateClass } from "./rates.ts";
import { encodeFound, encodeSnapshot } from "./encode.ts";
import { encodeEvent, encodeRosterItem } from "../text/event_json.ts";

/**
 * The router for what a client asks of the account that it has proved to be. Without the account's
 * id, a request that is repeated inside a cell may reach a later account of the name.
 */
export function routerOf(router: Router, account: AccountId | undefined): Router {
  return account === undefined ? router : router.forAccount?.(account) ?? router;
}

/** The caller, and what there is to answer with. One for each connection or REST request. */
export interface CommandContext {
  readonly router: Router;
  readonly signIn: SignIn;
  readonly clock: Clock;
  readonly domain: string;
  readonly limits: ProtocolLimits;
  readonly user: AccountName;
  readonly device: DeviceId;
  /** null where a REST request names no session. */
  readonly session: Pick<Session, "present"> | null;
  /** The client's IP address, for the rate limits of password checks. */
  readonly address: string;
  /** Counts that a shard's rate has held the request back. */
  readonly limited: Counting["limited"];
  /** Takes more of the caller's rate of commands, for a command that cost more than `cost`. */
  charge(cost: number): void;
}

/** The JSON text of a command's value; null where it has none. */
export type JsonText = string | null;
/** Called exactly once, possibly before the call that takes it returns. */
export type Done = (result: Result<JsonText>) => void;

/** A row of the table. */
export interface Command {
  readonly name: CommandName;
  /** What it does, in half a sentence; for the documents. */
  readonly summary: string;
  /** What it takes of the caller's rate of commands. */
  readonly cost: number;
  /** The rate that limits it besides the one of all commands. */
  readonly rate: RateClass;
  /** Changes something that is stored: asks admission first. */
  readonly write: boolean;
  /** Its answers may be pages of events: not made for a client that does not read. */
  readonly bulky: boolean;
  /** Ends the connection or session that asked, after the answer. */
  readonly ends: boolean;
  /** Checks the input (a frame, or a REST request's fields in one object) and runs it. */
  run(ctx: CommandContext, input: unknown, done: Done): void;
}

/** Every command. */
export type CommandTable = Readonly<Record<CommandName, Command>>;

type Input<K extends CommandName> = z.output<ProtocolSchemas["commands"][K]>;

interface Traits {
  readonly cost?: number;
  readonly rate?: RateClass;
  readonly write?: boolean;
  readonly bulky?: boolean;
  readonly ends?: boolean;
}

type Define = <K extends CommandName>(
  name: K,
  summary: string,
  traits: Traits,
  run: (ctx: CommandContext, input: Input<K>, done: Done) => void,
) => Command;

/** Makes the function that turns typed rows into rows that check their own input. */
function definer(schemas: ProtocolSchemas): Define {
  return (name, summary, traits, run) => ({
    name,
    summary,
    cost: traits.cost ?? 1,
    rate: traits.rate ?? "frames",
    write: traits.write ?? false,
    bulky: traits.bulky ?? false,
    ends: traits.ends ?? false,
    run(ctx, raw, done) {
      const input = validate<z.ZodType>(schemas.commands[name], raw);
      if (!input.ok) return done(input);
      run(ctx, input.value as Input<typeof name>, done);
    },
  });
}

/** The table under the given schemas. */
export function commandTable(schemas: ProtocolSchemas): CommandTable {
  const define = definer(schemas);
  return {
    ...messageCommands(define),
    ...mailboxCommands(define),
    ...searchCommands(define),
    ...presenceCommands(define),
    ...rosterCommands(define),
    ...pushCommands(define),
    ...accountCommands(define),
    ...factorCommands(define),
  };
}

const WRITE: Traits = { write: true };

const SEND: Traits = { write: true, rate: "sends" };

/** Sends a message, or what changes one. */
function send(
  ctx: CommandContext,
  input: { readonly to: string; readonly key: string },
  content: Content,
  done: Done,
): void {
  withName(ctx, input.to, done, (to) => {
    const message = { device: ctx.device, to, id: input.key, ...content };
    ctx.router.request(ctx.user, "message.send", message, (result) => {
      if (!result.ok) return done(result);
      const { seq, at, num, waits } = result.value;
      const more = waits === true ? ',"waits":true' : "";
      done(ok(`{"seq":${seq},"at":${at},"num":${num}${more}}`));
    });
  });
}

function messageCommands(define: Define) {
  return {
    send: define("send", "sends a message", SEND, (ctx, input, done) => {
      send(ctx, input, contentOf(input.body, input.ext, input.reply), done);
    }),
    edit: define("edit", "changes the text of a message of mine", SEND, (ctx, input, done) => {
      send(ctx, input, editOf(input.num, input.body), done);
    }),
    remove: define("remove", "removes a message of mine", SEND, (ctx, input, done) => {
      send(ctx, input, removalOf(input.num), done);
    }),
    react: define("react", "sets my reactions at a message", SEND, (ctx, input, done) => {
      send(ctx, input, reactionOf(input, input.emoji), done);
    }),
    ack: define("ack", "says that this device has the events", WRITE, (ctx, input, done) => {
      ctx.router.request(ctx.user, "mailbox.ack", { seq: input.seq }, asJson(done));
    }),
    read: define("read", "marks a conversation as read", WRITE, (ctx, input, done) => {
      withName(ctx, input.with, done, (peer) => {
        const mark = { with: peer, upTo: input.upTo };
        ctx.router.request(ctx.user, "conversation.read", mark, asJson(done));
      });
    }),
    signal: define(
      "signal",
      "sends a signal, not stored",
      { rate: "signals" },
      (ctx, input, done) => {
        withName(ctx, input.to, done, (to) => {
          const toDevice = (input.device ?? null) as DeviceId | null;
          const { type, body = "", key = "" } = input;
          const signal = { device: ctx.device, to, toDevice, type, body, id: key };
          ctx.router.request(ctx.user, "signal.send", signal, asJson(done));
        });
      },
    ),
  };
}

const PAGE_EVENTS = 50;
const FOUND_MESSAGES = 20;
/** Blocks that the cost of a page includes, and the cost of each further one. */
const PAGE_BLOCKS_FREE = 2;
const BLOCK_COST = 1;
/** The cost of each contact and conversation of a snapshot. */
const ITEM_COST = 1 / 100;

function mailboxCommands(define: Define) {
  const page: Traits = { cost: 2, bulky: true };
  return {
    history: define("history", "pages through a conversation", page, (ctx, input, done) => {
      withName(ctx, input.with, done, (peer) => {
        const { before = null, after = null, limit = PAGE_EVENTS } = input;
        const bytesMax = ctx.limits.pageBytesMax;
        const asked = { with: peer, before, after, limit, bytesMax };
        ctx.router.request(ctx.user, "conversation.history", asked, (result) => {
          if (!result.ok) return done(result);
          const { events, more, blocks } = result.value;
          ctx.charge(Math.max(0, blocks - PAGE_BLOCKS_FREE) * BLOCK_COST);
          done(ok(`{"events":${eventList(events)},"more":${more}}`));
        });
      });
    }),
    events: define("events", "reads the mailbox on from a cursor", page, (ctx, input, done) => {
      const cursor = parseCursor(input.after);
      const { limit = PAGE_EVENTS } = input;
      const asked = { cursor, limit, bytesMax: ctx.limits.pageBytesMax };
      ctx.router.request(ctx.user, "mailbox.read", asked, (result) => {
        if (!result.ok) return done(result);
        const { mailboxId, events } = result.value;
        const seq = events.at(-1)?.seq ?? cursor?.seq ?? 0;
        const next = formatCursor({ mailboxId, seq });
        done(ok(`{"events":${eventList(events)},"cursor":"${next}"}`));
      });
    }),
    snapshot: define(
      "snapshot",
      "gives the state to start a device from",
      { cost: 5, bulky: true },
      (ctx, _input, done) => {
        ctx.router.request(ctx.user, "mailbox.snapshot", {}, (result) => {
          if (!result.ok) return done(result);
          const { mailboxId, snapshot } = result.value;
          const { roster, conversations } = snapshot;
          ctx.charge((roster.length + conversations.length) * ITEM_COST);
          const cursor = formatCursor({ mailboxId, seq: snapshot.seq });
          done(ok(`{"cursor":"${cursor}","snapshot":${encodeSnapshot(snapshot)}}`));
        });
      },
    ),
  };
}

function searchCommands(define: Define) {
  return {
    search: define(
      "search",
      "finds messages by their words",
      { cost: 2, bulky: true },
      (ctx, input, done) => {
        const { text, before = null, limit = FOUND_MESSAGES } = input;
        const search = (peer: AccountName | null) => {
          const asked = { text, with: peer, before, limit };
          ctx.router.request(ctx.user, "mailbox.search", asked, (result) => {
            if (!result.ok && result.code === "rate_limited") ctx.limited("searches");
            done(result.ok ? ok(encodeFound(result.value)) : result);
          });
        };
        input.with === undefined ? search(null) : withName(ctx, input.with, done, search);
      },
    ),
  };
}

function presenceCommands(define: Define) {
  return {
    presence: define("presence", "sets my presence", { rate: "presence" }, (ctx, input, done) => {
      if (ctx.session === null) {
        return done(fail("bad_request", "Presence belongs to a session: name it in Roost-Session"));
      }
      const presence = input.invisible === true ? null : devicePresence(input);
      ctx.session.present(presence, asJson(done));
    }),
    ping: define("ping", "tells the server's time", {}, (ctx, _input, done) => {
      done(ok(`{"serverTime":${ctx.clock.wallMs()}}`));
    }),
  };
}

function rosterCommands(define: Define) {
  return {
    contact: define("contact", "adds or changes a contact", WRITE, (ctx, input, done) => {
      withName(ctx, input.contact, done, (contact) => {
        const item = { contact, label: input.label ?? "", groups: input.groups ?? [] };
        ctx.router.request(ctx.user, "roster.set", item, (result) => {
          done(result.ok ? ok(encodeRosterItem(result.value)) : result);
        });
      });
    }),
    uncontact: define("uncontact", "removes a contact", WRITE, (ctx, input, done) => {
      withName(ctx, input.contact, done, (contact) => {
        ctx.router.request(ctx.user, "roster.remove", { contact }, asJson(done));
      });
    }),
    subscription: define(
      "subscription",
      "asks for, grants, ends or withdraws a subscription",
      { cost: 2, write: true },
      (ctx, input, done) => {
        withName(ctx, input.contact, done, (contact) => {
          const asked = { contact, type: input.type };
          ctx.router.request(ctx.user, "roster.subscription", asked, (result) => {
            if (!result.ok && result.code === "rate_limited") ctx.limited("subscription_requests");
            asJson(done)(result);
          });
        });
      },
    ),
    block: define("block", "blocks or unblocks an account", WRITE, (ctx, input, done) => {
      withName(ctx, input.contact, done, (contact) => {
        const { blocked } = input;
        ctx.router.request(ctx.user, "roster.block", { contact, blocked }, asJson(done));
      });
    }),
    settings: define("settings", "says who may write to me", WRITE, (ctx, input, done) => {
      const { messagesFrom } = input;
      ctx.router.request(ctx.user, "settings.set", { messagesFrom }, asJson(done));
    }),
  };
}

const NO_PUSH = fail("unsupported", "This server sends no push messages");

function pushCommands(define: Define) {
  const set = "sends push messages to this device from now on";
  return {
    push: define("push", set, { cost: 2, write: true }, (ctx, input, done) => {
      if (ctx.limits.push === null) return done(NO_PUSH);
      const { endpoint, keys, content = "full" } = input;
      const [p256dh, auth] = [fromBase64url(keys.p256dh)!, fromBase64url(keys.auth)!];
      const { device } = ctx;
      const target = { endpoint, p256dh, auth, content, service: "" };
      ctx.router.request(ctx.user, "push.set", { device, target }, asJson(done));
    }),
    unpush: define("unpush", "ends push messages to this device", WRITE, (ctx, _input, done) => {
      ctx.router.request(ctx.user, "push.remove", { device: ctx.device }, asJson(done));
    }),
    pushes: define("pushes", "lists the devices that get push messages", {}, (ctx, _i, done) => {
      ctx.router.request(ctx.user, "push.list", {}, (result) => {
        if (!result.ok) return done(result);
        // Who knows the rest of an endpoint can send to it.
        const shown = result.value.map(({ device, at, endpoint, content }) => {
          const { origin } = new URL(endpoint);
          return { device, at, service: origin, content };
        });
        done(ok(JSON.stringify(shown)));
      });
    }),
  };
}

function accountCommands(define: Define) {
  return {
    devices: define("devices", "lists my devices", {}, (ctx, _input, done) => {
      ctx.router.request(ctx.user, "device.list", {}, asJson(done));
    }),
    revoke: define("revoke", "revokes a device's token", WRITE, (ctx, input, done) => {
      const device = input.device as DeviceId;
      ctx.router.request(ctx.user, "device.revoke", { device }, asJson(done));
    }),
    password: define(
      "password",
      "changes the password and signs every other device out",
      { cost: 5, write: true },
      (ctx, input, done) => {
        const { user, address, device: keepDevice } = ctx;
        const change = {
          user,
          oldPassword: input.old,
          newPassword: input.new,
          keepDevice,
          address,
        };
        ctx.signIn.changePassword(change, asJson(done));
      },
    ),
    bye: define("bye", "signs the session out, keeps the token", { ends: true }, (_c, _i, done) => {
      done(ok(null));
    }),
    signout: define(
      "signout",
      "signs the session out and revokes the token",
      { ends: true },
      (ctx, _input, done) => {
        const { device } = ctx;
        ctx.router.request(ctx.user, "device.revoke", { device }, (result) => {
          // A device that signed in by an outside issuer has no token to revoke.
          const gone = result.ok || result.code === "not_found";
          done(gone ? ok(null) : result);
        });
      },
    ),
  };
}

/** Second factors. What they check costs as much as a password. */
function factorCommands(define: Define) {
  const proves: Traits = { cost: 5, write: true };
  return {
    factors: define("factors", "tells my second factors", {}, (ctx, _input, done) => {
      ctx.signIn.factors.view(ctx.user, asJson(done));
    }),
    totp: define(
      "totp",
      "begins to set an authenticator app up",
      { cost: 5 },
      (ctx, input, done) => {
        ctx.signIn.factors.beginTotp({ ...callerOf(ctx), ...input }, asJson(done));
      },
    ),
    totp_on: define("totp_on", "sets an authenticator app up", proves, (ctx, input, done) => {
      ctx.signIn.factors.confirmTotp({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    totp_off: define("totp_off", "removes the authenticator app", proves, (ctx, input, done) => {
      ctx.signIn.factors.removeTotp({ ...callerOf(ctx), ...input }, asJson(done));
    }),
    recovery: define("recovery", "makes new recovery codes", proves, (ctx, input, done) => {
      ctx.signIn.factors.renewRecovery({ ...callerOf(ctx), ...input }, asJson(done));
    }),
  };
}

function callerOf({ address, device, user }: CommandContext) {
  return { address, device, user };
}

/** Goes on with the account name that `text` stands for, or answers why it stands for none. */
function withName(
  ctx: CommandContext,
  text: string,
  done: Done,
  then: (name: AccountName) => void,
): void {
  const address = parseAddress(text, ctx.domain);
  if (address.ok) return then(address.name);
  const code = address.kind === "foreign" ? "not_found" : "bad_request";
  done(fail(code, `This is not an account here: ${address.reason}`));
}

/** Answers with a value that is JSON as it stands. */
function asJson(done: Done): (result: Result<unknown>) => void {
  return (result) => {
    if (!result.ok) return done(result);
    done(ok(result.value === null ? null : JSON.stringify(result.value)));
  };
}

function eventList(events: readonly MailboxEvent[]): string {
  return `[${events.map(encodeEvent).join(",")}]`;
}
