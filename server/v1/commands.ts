/**
 * The commands of protocol v1, one table for every transport: WebSocket frames and REST requests
 * are checked against the same schemas and run the same code.
 */
import {
  type AccountName,
  type DeviceId,
  formatCursor,
  parseCursor,
} from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import { fail, ok } from "../../shard/errors.ts";
import {
  accountCommands,
  factorCommands,
  passkeyCommands,
  pushCommands,
} from "./account_commands.ts";
import {
  asJson,
  type CommandContext,
  type CommandTable,
  type Define,
  definer,
  type Done,
  type Traits,
  withName,
  WRITE,
} from "./command.ts";
import { type Content, contentOf, editOf, reactionOf, removalOf } from "./changes.ts";
import type { ProtocolSchemas } from "./schemas.ts";
import { devicePresence } from "./sign_in.ts";
import { encodeFound, encodeSnapshot } from "./encode.ts";
import { encodeEvent, encodeRosterItem } from "../text/event_json.ts";

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
    ...passkeyCommands(define),
  };
}

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

function eventList(events: readonly MailboxEvent[]): string {
  return `[${events.map(encodeEvent).join(",")}]`;
}
