/**
 * A server in memory that speaks as much of protocol v1 as the load tool needs, over a fake
 * network; it can break each promise that the tool checks.
 */
import type { Timers } from "../../server/node/ports.ts";
import type { HttpConnection, Network, SocketHandler } from "../../server/load/network.ts";
import { contactAt, poolName, type Ring } from "../../server/load/ring.ts";

/** A promise to break; each is broken once, at the `FLAW_AT`th chance. */
export type Flaw =
  | "lose_message"
  | "repeat_message"
  | "swap_messages"
  | "lose_presence"
  | "old_presence"
  | "wrong_show"
  | "wrong_user"
  | "no_grace"
  | "jump_seq"
  | "refuse_sign_in";

const FLAW_AT = 5;
const utf8 = new TextEncoder();

interface Presence {
  readonly show: string;
  readonly status: string;
}

interface FakeUser {
  readonly index: number;
  session: string;
  connection: Connection | null;
  presence: Presence | null;
  before: Presence | null;
  readonly mailbox: string[];
  readonly sent: Map<number, number>;
  epoch: number;
}

type Frame = Readonly<Record<string, unknown>>;

/** One connection, from the server's side. */
class Connection {
  readonly #server: FakeRoost;
  readonly #handler: SocketHandler;
  user: FakeUser | null = null;
  open = true;

  constructor(server: FakeRoost, handler: SocketHandler) {
    this.#server = server;
    this.#handler = handler;
  }

  send(text: string): void {
    this.#server.timers.after(this.#server.delayMs, () => {
      if (this.open) this.#handler.message(utf8.encode(text));
    });
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#server.timers.soon(() => this.#handler.closed("the server closed the connection"));
  }
}

/** The server. */
export class FakeRoost {
  readonly timers: Timers;
  readonly ring: Ring;
  readonly delayMs: number;
  readonly #pool: string;
  readonly #graceMs: number;
  readonly #users: FakeUser[];
  #flaw: Flaw | null;
  #chances = 0;
  #sessions = 0;
  #down = false;
  #held: { readonly pair: string; readonly deliver: () => void } | null = null;
  /** Sign-ins that are refused as busy before the next is taken. */
  busy = 0;
  connections = 0;

  constructor(options: {
    readonly timers: Timers;
    readonly ring: Ring;
    readonly pool: string;
    readonly delayMs?: number;
    readonly graceMs?: number;
    readonly flaw?: Flaw;
  }) {
    this.timers = options.timers;
    this.ring = options.ring;
    this.#pool = options.pool;
    this.delayMs = options.delayMs ?? 1;
    this.#graceMs = options.graceMs ?? 10_000;
    this.#flaw = options.flaw ?? null;
    this.#users = Array.from({ length: options.ring.users }, (_, index) => ({
      index,
      session: "",
      connection: null,
      presence: null,
      before: null,
      mailbox: [],
      sent: new Map(),
      epoch: 0,
    }));
  }

  readonly network: Network = {
    webSocket: (_target, _from, handler) => {
      const connection = new Connection(this, handler);
      this.connections++;
      if (this.#down) {
        connection.open = false;
        this.timers.soon(() => handler.closed("connection refused"));
      } else {
        this.timers.soon(() => handler.opened());
      }
      const disconnect = () => {
        connection.open = false;
        this.#lost(connection);
      };
      return {
        send: (text) => {
          if (connection.open) this.frame(connection, JSON.parse(text));
        },
        end: () => this.timers.soon(disconnect),
        destroy: disconnect,
      };
    },
    http: (): HttpConnection => ({
      pending: 0,
      ask: (_request, done) => {
        const response = { status: 200, body: utf8.encode("{}") };
        this.timers.after(this.delayMs, () => done({ ok: true, response }));
      },
      drop() {},
    }),
  };

  /** Breaks every connection, as a restart would. */
  breakAll(): void {
    for (const { connection } of this.#users) {
      if (connection === null) continue;
      connection.close();
      this.#lost(connection);
    }
  }

  /** Ends and, after a while in which nobody can connect, starts again without any session. */
  restart(downMs: number): void {
    this.#down = true;
    this.breakAll();
    for (const user of this.#users) {
      user.session = "";
      user.presence = null;
      user.epoch++;
    }
    this.timers.after(downMs, () => this.#down = false);
  }

  frame(connection: Connection, frame: Frame): void {
    const { user } = connection;
    const t = frame["t"];
    if (user === null) return this.#hello(connection, frame);
    const id = frame["id"];
    const ok = (value = "") => connection.send(`{"t":"ok","id":${id}${value}}`);
    switch (t) {
      case "presence":
        ok();
        return this.#setPresence(user, frame as unknown as Presence);
      case "send":
        return ok(`,"value":{"seq":1,"at":1,"num":${this.#message(user, frame)}}`);
      case "signal":
        ok();
        return this.#events(this.#named(String(frame["to"])), [
          `{"k":"signal","from":"${this.#name(user)}","device":"load",` +
          `"type":"typing","body":"${frame["body"]}"}`,
        ]);
      case "bye":
        this.#offline(user);
        user.session = "";
        user.connection = null;
        return;
      default:
        return ok();
    }
  }

  #strikes(flaw: Flaw): boolean {
    if (this.#flaw !== flaw || ++this.#chances < FLAW_AT) return false;
    this.#flaw = null;
    return true;
  }

  #name(user: FakeUser): string {
    return poolName(this.#pool, user.index);
  }

  #named(name: string): FakeUser {
    return this.#users[Number(name.slice(-6))]!;
  }

  #contacts(user: FakeUser): readonly FakeUser[] {
    return Array.from(
      { length: this.ring.contacts },
      (_, slot) => this.#users[contactAt(this.ring, user.index, slot)]!,
    );
  }

  #hello(connection: Connection, frame: Frame): void {
    const refuse = (code: string) => {
      connection.send(`{"t":"error","code":"${code}","message":"no","retryAfterMs":100}`);
      this.timers.after(this.delayMs + 1, () => connection.close());
    };
    if (this.busy > 0) {
      this.busy--;
      return refuse("busy");
    }
    if (this.#strikes("refuse_sign_in")) return refuse("unauthorized");
    const { token } = frame["auth"] as { readonly token: string };
    const name = atob(token.split("_")[1]!.replaceAll("-", "+").replaceAll("_", "/"));
    const user = this.#named(name);
    const resumed = user.session !== "" && frame["session"] === user.session;
    user.connection?.close();
    user.connection = connection;
    connection.user = user;
    user.epoch++;
    if (!resumed) user.session = `session${String(++this.#sessions).padStart(9, "0")}`;
    const after = typeof frame["after"] === "string" ? Number(frame["after"].split(":")[1]) : null;
    const seq = after ?? user.mailbox.length;
    connection.send(
      `{"t":"welcome","v":1,"session":"${user.session}","resumed":${resumed},` +
        `"mode":"${after === null ? "snapshot" : "resume"}","cursor":"mailbox000000000:${seq}"` +
        `${after === null ? `,"snapshot":{"roster":[]}` : ""}}`,
    );
    if (!resumed) this.#setPresence(user, frame["presence"] as Presence);
    const here = this.#contacts(user).filter((contact) => resumed || contact.presence !== null);
    this.#events(user, [
      ...here.map((contact) => this.#presenceEvent(contact, contact.presence)),
      ...user.mailbox.slice(seq),
    ]);
  }

  #presenceEvent(user: FakeUser, presence: Presence | null): string {
    const show = presence?.show ?? "offline";
    const shown = this.#strikes("wrong_show") ? "dnd?" : show;
    const name = this.#strikes("wrong_user") ? poolName(this.#pool, 999_999) : this.#name(user);
    const status = presence === null ? "" : `,"status":"${presence.status}"`;
    return `{"k":"presence","user":"${name}","show":"${shown}"${status}}`;
  }

  #setPresence(user: FakeUser, presence: Presence | null): void {
    user.before = user.presence;
    user.presence = presence;
    for (const contact of this.#contacts(user)) {
      if (contact.connection === null || this.#strikes("lose_presence")) continue;
      if (user.before !== null && this.#strikes("old_presence")) {
        this.#events(contact, [this.#presenceEvent(user, presence)]);
        this.#events(contact, [this.#presenceEvent(user, user.before)]);
      }
      this.#events(contact, [this.#presenceEvent(user, presence)]);
    }
  }

  #offline(user: FakeUser): void {
    if (user.presence !== null) this.#setPresence(user, null);
  }

  #lost(connection: Connection): void {
    const { user } = connection;
    if (user === null || user.connection !== connection) return;
    user.connection = null;
    const { epoch } = user;
    const graceMs = this.#strikes("no_grace") ? 0 : this.#graceMs;
    this.timers.after(graceMs, () => {
      if (user.epoch !== epoch || user.connection !== null) return;
      this.#offline(user);
      if (graceMs > 0) user.session = "";
    });
  }

  #message(from: FakeUser, frame: Frame): number {
    const to = this.#named(String(frame["to"]));
    const num = (from.sent.get(to.index) ?? 0) + 1;
    from.sent.set(to.index, num);
    if (this.#strikes("lose_message")) return num;
    const deliver = () => {
      const times = this.#strikes("repeat_message") ? 2 : 1;
      for (let i = 0; i < times; i++) {
        if (this.#strikes("jump_seq")) to.mailbox.push("{}");
        const seq = to.mailbox.length + 1;
        const event = `{"k":"message","seq":${seq},"at":1,"with":"${this.#name(from)}",` +
          `"num":${num},"id":"k","body":"${frame["body"]}"}`;
        to.mailbox.push(event);
        this.#events(to, [event]);
      }
    };
    const pair = `${from.index}-${to.index}`;
    if (this.#strikes("swap_messages")) this.#held = { pair, deliver };
    else deliver();
    if (this.#held?.pair === pair && this.#held.deliver !== deliver) {
      this.#held.deliver();
      this.#held = null;
    }
    return num;
  }

  #events(user: FakeUser, events: readonly string[]): void {
    if (events.length > 0) user.connection?.send(`{"t":"events","soft":1,"ev":[${events}]}`);
  }
}
