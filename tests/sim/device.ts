/**
 * A user's client: holds a token, a cursor and what it has been shown, connects over either
 * transport, returns with whatever it has, and checks all that it gets.
 */
import type { SimNode } from "./sim_node.ts";
import { isApart } from "./sessions_end.ts";
import type { Answer, Greeting, Link, LinkHost, PresenceFields, Proof, Welcome } from "./link.ts";
import type { Setting } from "./register.ts";
import type { Life } from "./oracle.ts";
import type { Person } from "./person.ts";
import type { SoftEvent, WireEvent } from "./view.ts";
import type { Cluster } from "./cluster.ts";
import { PollLink, SocketLink } from "./link.ts";
import { Register } from "./register.ts";
import { brief, View } from "./view.ts";
import { Violation } from "./history.ts";

type Presence = SoftEvent & { readonly k: "presence" };

/** One device of one user. */
export class Device {
  readonly person: Person;
  readonly id: string;
  /** How history and messages name it. */
  readonly who: string;
  /** Whether it wants to be connected. */
  wanted = false;
  /** The transport of its next connection. */
  transport: "socket" | "poll" = "socket";
  /** Whether it has been welcomed and not lost its link since. */
  online = false;
  view: View | null = null;
  token: string | null = null;
  /** The presence that the server was last told, where it is certain that it knows. */
  shown: { readonly presence: PresenceFields | null; readonly certain: boolean } = {
    presence: null,
    certain: false,
  };
  /** What it was last shown of each user. */
  readonly seen = new Map<string, Presence>();
  readonly #cluster: Cluster;
  readonly #address: string;
  #link: Link | null = null;
  /** The node that it connected to last. */
  #node: SimNode | null = null;
  #life: Life | null = null;
  #session: string | null = null;
  #askedAfter: string | null = null;
  /** The presence it gave with its greeting. */
  #offered: PresenceFields | null = null;
  #signingIn: Setting<string | null> | null = null;
  readonly #signals = new Set<string>();
  /** Rises with every link, so that what comes from an old one is known as such. */
  #links = 0;
  #notBeforeMs = 0;
  /** It has asked to be signed out: nothing else is asked on this connection. */
  #leaving = false;
  /** Changes of presence without an answer. */
  #showing = 0;

  constructor(cluster: Cluster, person: Person, id: string, address: string) {
    this.#cluster = cluster;
    this.person = person;
    this.id = id;
    this.who = `${person.name}/${id}`;
    this.#address = address;
  }

  /** The session that it has, as far as it knows. */
  get session(): string | null {
    return this.#session;
  }

  get link(): Link | null {
    return this.#link;
  }

  /** The account that its session belongs to. */
  get life(): Life | null {
    return this.#life;
  }

  note(text: string): void {
    this.#cluster.history.add(this.who, text, this.person.name);
  }

  /** Connects where it wants to be connected and is not; called every now and then. */
  look(): void {
    const { prng, time } = this.#cluster;
    if (!this.wanted || this.#link !== null || time.nowMs < this.#notBeforeMs) return;
    const life = this.person.life;
    if (life === null) return;
    if (this.#life !== life) this.#forget(life);
    const greeting = this.#greeting(life);
    this.#askedAfter = greeting.after;
    const links = ++this.#links;
    const host = this.#hostOf(links);
    const node = this.#node = this.#cluster.nodeFor(this, prng);
    this.note(
      `connects to ${node.who} by ${this.transport} ` +
        `with ${"token" in greeting.proof ? "token" : "password"}` +
        `${greeting.session === null ? "" : ", session"}, after ${greeting.after ?? "nothing"}`,
    );
    const Kind = this.transport === "socket" ? SocketLink : PollLink;
    const nodeOf = () => this.#cluster.nodeForRequest(this, node);
    this.#link = new Kind(this.#cluster.network, node, this.#address, greeting, host, nodeOf);
  }

  #greeting(life: Life): Greeting {
    const { prng, oracle } = this.#cluster;
    let proof: Proof;
    if (this.token !== null) proof = { token: this.token };
    else {
      const password = prng.pick(life.password.possible(oracle.nowMs));
      proof = { user: this.person.name, password };
      this.#signingIn = oracle.token(life, this.id).begin("?", oracle.nowMs);
    }
    const knows = this.view !== null && this.view.mailboxId === life.mailboxId;
    const after = knows && prng.chance(0.9) ? this.view!.cursor : null;
    const own = after !== null && prng.chance(0.8) ? this.#session : null;
    const session = prng.chance(0.03) ? this.#stolen() : own;
    const presence = prng.chance(0.1) ? null : this.person.presence();
    this.#offered = presence;
    return { proof, device: this.id, after, session, presence };
  }

  /** The session of another device of the user, which must be of no use. */
  #stolen(): string | null {
    const others = this.person.devices.filter((d) => d !== this);
    return others.length === 0 ? null : this.#cluster.prng.pick(others).#session;
  }

  /** Another account has the name now. */
  #forget(life: Life): void {
    this.#life = life;
    this.token = null;
    this.view = null;
    this.#session = null;
    this.seen.clear();
  }

  #hostOf(links: number): LinkHost {
    const current = () => links === this.#links;
    return {
      welcome: (w) => current() && this.welcome(w),
      events: (e) => current() && this.events(e),
      token: (t) => current() && this.tokenMade(t),
      down: (code, ms) => current() && this.down(code, ms),
    };
  }

  // ---- what the link tells

  tokenMade(token: string): void {
    this.token = token;
    const setting = this.#signingIn;
    this.#signingIn = null;
    if (setting === null) return;
    this.#life!.places.add(this.#address);
    setting.value = token;
    Register.end(setting, "done", this.#cluster.oracle.nowMs);
  }

  welcome(w: Welcome): void {
    const { name } = this.person;
    if (w.user !== name || w.device !== this.id) {
      throw new Violation("who is welcomed", `${this.who} is ${w.user}/${w.device}`, [name]);
    }
    if (w.token !== undefined) this.tokenMade(w.token);
    this.note(`is welcomed: ${w.resumed ? "resumed, " : ""}${w.mode} ${w.cursor}`);
    if (this.person.devices.some((d) => d !== this && d.#session === w.session)) {
      throw new Violation("sessions belong to one device", `${this.who} gets another's`, [name]);
    }
    this.online = true;
    this.#session = w.session;
    // The first batch shows everybody who is online.
    this.seen.clear();
    // A session that is taken up again has the presence it had.
    if (!w.resumed) this.shown = { presence: this.#offered, certain: true };
    if (w.mode === "resume") this.#resumes(w);
    else this.#starts(w);
    this.person.welcomed(this);
  }

  #resumes(w: Welcome): void {
    if (w.cursor !== this.#askedAfter) {
      const text = `${this.who} asked to go on after ${this.#askedAfter}, is at ${w.cursor}`;
      throw new Violation("resume goes on where it was", text, [this.person.name]);
    }
  }

  #starts(w: Welcome): void {
    const { oracle } = this.#cluster;
    const life = this.#life!;
    const before = this.view;
    this.view = new View(this.person.name, w.cursor, w.snapshot!);
    oracle.snapshot(life, this.view, this.who);
    const known = before !== null && before.mailboxId === this.view.mailboxId;
    if (w.mode === "reset" && known && !this.#cluster.config.trims) {
      const text = `${this.who} is reset at ${this.#askedAfter}, though nothing is ever trimmed`;
      throw new Violation("cursors stay valid", text, [this.person.name]);
    }
    if (known && this.view.seq < before.seq) {
      const text = `${this.who} knows ${before.seq}, the snapshot ends at ${this.view.seq}`;
      throw new Violation("what was shown is durable", text, [this.person.name]);
    }
  }

  events(events: readonly (WireEvent | SoftEvent)[]): void {
    const life = this.#life!;
    const { oracle } = this.#cluster;
    for (const event of events) {
      if ("seq" in event) {
        this.note(`< ${brief(event)}`);
        oracle.saw(life, this.view!.mailboxId, event, this.who);
        this.view!.apply(event);
        this.person.learnt(this, event);
      } else {
        this.note(`< ${brief(event)}`);
        oracle.sawSoft(life, event, () => isApart(this.#cluster, this.#node, this.person));
        if (event.k === "presence") this.seen.set(event.user, event);
        else if (event.k === "signal") this.#signalled(event);
      }
    }
  }

  #signalled(event: SoftEvent & { k: "signal" }): void {
    const body = event.body ?? "";
    this.person.signals.add(body);
    if (this.#signals.has(body)) {
      const text = `${this.who} got ${JSON.stringify(event)} twice`;
      throw new Violation("signals come once", text, [this.person.name, event.from]);
    }
    this.#signals.add(body);
  }

  down(code: string | null, retryAfterMs: number): void {
    this.note(`is disconnected: ${code ?? "no word"}`);
    const { prng, oracle, time } = this.#cluster;
    this.#link = null;
    this.#leaving = false;
    this.online = false;
    this.#notBeforeMs = time.nowMs + retryAfterMs + prng.int(20, 2000);
    if (this.#signingIn !== null) Register.end(this.#signingIn, "unknown", oracle.nowMs);
    this.#signingIn = null;
    // A session that is over, or another transport's, is not asked for again.
    if (code !== null && prng.chance(0.5)) this.#session = null;
    if (code === "unauthorized" || code === "revoked" || code === "expired") {
      this.token = null;
      this.#session = null;
    }
    // The other device that has taken its place is this one itself.
    if (code === "replaced" && this.token === null) this.#notBeforeMs += 1000;
  }

  // ---- what it does

  /** Asks the server for something; null: no answer came. */
  command(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    done: (answer: Answer | null) => void,
  ): void {
    if (this.#link === null || this.#leaving) return done(null);
    const leaves = name === "bye" || name === "signout";
    this.#leaving = leaves;
    this.note(`> ${name} ${JSON.stringify(fields).slice(0, 120)}`);
    this.#link.command(name, fields, (answer) => {
      if (leaves && !answer?.ok) this.#leaving = false;
      const text = answer === null
        ? "no answer"
        : answer.ok
        ? `ok ${JSON.stringify(answer.value).slice(0, 60)}`
        : answer.code;
      const { key = "" } = fields;
      this.note(`  ${name} ${key}: ${text}`);
      done(answer);
    });
  }

  /** The connection goes; how much the node hears of it depends. */
  drop(how: "silently" | "politely" | "reset"): void {
    const link = this.#link;
    if (link === null) return;
    this.note(`drops its connection ${how}`);
    this.#links++;
    if (how === "reset" && link.connection !== null) link.connection.reset();
    link.close(how === "silently");
    this.down(null, 0);
  }

  /** Sets its presence; `done` gets whether the server knows it. */
  show(presence: PresenceFields | null, done: (known: boolean) => void = () => {}): void {
    this.shown = { presence, certain: false };
    const links = this.#links;
    // Single requests overtake each other: with another one under way, even one whose answer gets
    // lost (it may have taken effect until then), nothing is certain.
    const alone = this.#showing++ === 0;
    this.command(
      "presence",
      presence === null ? { invisible: true } : { ...presence },
      (answer) => {
        this.#showing--;
        const known = answer?.ok === true && links === this.#links && alone &&
          this.#showing === 0 && this.shown.presence === presence;
        if (known) this.shown = { presence, certain: true };
        done(known);
      },
    );
  }

  /** Reconnects at once, without waiting as it otherwise would, with a new session. */
  reconnect(): void {
    this.wanted = true;
    this.drop("politely");
    this.#session = null;
    this.#notBeforeMs = 0;
    this.look();
  }

  /** Signs the session out politely, then goes. */
  leave(): void {
    const links = this.#links;
    this.command("bye", {}, () => {
      if (links === this.#links) this.drop("politely");
    });
  }

  /** Reads the mailbox on from a position; what comes is checked. */
  page(after: number, limit: number, done: (events: readonly WireEvent[] | null) => void): void {
    const view = this.view!;
    const life = this.#life!;
    this.command("events", { after: `${view.mailboxId}:${after}`, limit }, (answer) => {
      if (!answer?.ok) return done(null);
      const { events } = answer.value as { readonly events: readonly WireEvent[] };
      events.forEach((event, i) => {
        this.#cluster.oracle.saw(life, view.mailboxId, event, this.who);
        if (event.seq === after + 1 + i) return;
        const text = `${this.who} asked for what is after ${after}, got ${brief(event)}`;
        throw new Violation("gap-free", text, [this.person.name]);
      });
      done(events);
    });
  }

  /** Reads a page of a conversation; what comes is checked. */
  history(
    query: {
      readonly with: string;
      readonly limit: number;
      readonly before?: number;
      readonly after?: number;
    },
    done: (page: { readonly events: readonly WireEvent[]; readonly more: boolean } | null) => void,
  ): void {
    const view = this.view!;
    const life = this.#life!;
    this.command("history", query, (answer) => {
      if (!answer?.ok) return done(null);
      const page = answer.value as {
        readonly events: readonly WireEvent[];
        readonly more: boolean;
      };
      let last = query.after ?? 0;
      for (const event of page.events) {
        this.#cluster.oracle.saw(life, view.mailboxId, event, this.who);
        const mine = event.k === "message" || event.k === "undelivered";
        const before = query.before ?? Infinity;
        if (mine && event.with === query.with && event.seq > last && event.seq < before) {
          last = event.seq;
          continue;
        }
        const text = `${this.who} asked for ${JSON.stringify(query)}, got ${brief(event)}`;
        throw new Violation("history is of one conversation", text, [this.person.name]);
      }
      done(page);
    });
  }

  /** Takes a snapshot, which is checked in the end. */
  takeSnapshot(): void {
    const life = this.#life!;
    this.command("snapshot", {}, (answer) => {
      if (!answer?.ok) return;
      const { cursor, snapshot } = answer.value as {
        readonly cursor: string;
        readonly snapshot: ConstructorParameters<typeof View>[2];
      };
      const view = new View(this.person.name, cursor, snapshot);
      this.#cluster.oracle.snapshot(life, view, this.who);
    });
  }

  /** Its session and token, given up by itself. */
  signedOut(): void {
    this.token = null;
    this.#session = null;
  }
}
