/** Users of cells: they send to their contacts and see their presence; what they notice is booked. */
import { Client, type Frame, Refused } from "../process/client.ts";
import { pause } from "./cell_load.ts";
import type { Prng } from "../sim/prng.ts";
import type { ServerProcess } from "../process/server.ts";

/** How often a load looks whether somebody is to send (ms). */
const TICK_MS = 5;
/** Least pause before something that was refused is sent again (ms). */
const AGAIN_MS = 50;
const SHOWS = ["online", "chat", "away", "xa", "dnd"] as const;

/** A message that was sent, and what became of it; times are of this process (ms). */
export interface Sent {
  readonly from: WanUser;
  readonly to: WanUser;
  readonly atMs: number;
  ackedMs: number | null;
  deliveredMs: number | null;
}

/** All messages of a proof, by their ids. */
export class Book {
  readonly sent = new Map<string, Sent>();
  /** What should not be: refusals that are not to be expected, doubles, lost connections. */
  readonly faults: string[] = [];
  refused = 0;

  delivered(id: string, to: WanUser): void {
    const sent = this.sent.get(id);
    if (sent?.to !== to) return void this.faults.push(`${to.name} gets ${id}, which is not for it`);
    if (sent.deliveredMs !== null) this.faults.push(`${to.name} gets ${id} twice`);
    sent.deliveredMs = performance.now();
  }

  /** Messages between cells that are acknowledged and have not arrived. */
  get owed(): number {
    let owed = 0;
    for (const { ackedMs, deliveredMs } of this.sent.values()) {
      if (ackedMs !== null && deliveredMs === null) owed++;
    }
    return owed;
  }
}

/** One user with one connection. */
export class WanUser {
  readonly name: string;
  readonly cell: string;
  readonly token: string;
  readonly contacts: WanUser[] = [];
  /** What was acknowledged, as `faultsOf` of the proof of crashes wants it. */
  readonly acked = new Map<string, { readonly to: string; readonly seq: number }>();
  /** What its presence is, and since when (ms). */
  show: string = "online";
  showMs = 0;
  readonly #book: Book;
  readonly #shown = new Map<string, string>();
  #client!: Client;
  #next = 0;
  #ended = false;

  private constructor(who: { name: string; cell: string; token: string }, book: Book) {
    this.name = who.name;
    this.cell = who.cell;
    this.token = who.token;
    this.#book = book;
  }

  /** Connects it. */
  static async connect(
    server: ServerProcess,
    who: { readonly name: string; readonly cell: string; readonly token: string },
    book: Book,
  ): Promise<WanUser> {
    const user = new WanUser(who, book);
    const auth = { auth: { token: who.token } };
    user.#client = await Client.connect(server.wsUrl, auth, (event) => user.#take(event));
    user.#client.closed.then(() => user.#ended || book.faults.push(`${who.name} is disconnected`));
    return user;
  }

  #take(event: Frame & { k: string }): void {
    if (event.k === "presence") this.#see(String(event["user"]), String(event["show"]));
    if (event.k !== "message" || event["out"] === true) return;
    this.#book.delivered(String(event["id"]), this);
    // A mailbox with too much that is unread takes no more.
    if (Number(event["seq"]) % 20 === 0) this.#read(event);
  }

  #see(user: string, show: string): void {
    const before = this.#shown.get(user) ?? "offline";
    if (show === "offline" && before !== show) {
      this.#book.faults.push(`${user} is shown offline to ${this.name}`);
    }
    this.#shown.set(user, show);
  }

  #read(event: Frame): void {
    for (const { name } of this.contacts) {
      this.#client.command("read", { with: name, upTo: event["seq"] }).catch(() => {});
    }
  }

  /** How many contacts it is shown otherwise than they have been for `forMs`. */
  stale(forMs: number): number {
    const beforeMs = performance.now() - forMs;
    return this.contacts.filter(({ name, show, showMs }) =>
      showMs <= beforeMs && (this.#shown.get(name) ?? "offline") !== show
    ).length;
  }

  /** Asks for the presence of another one, or grants it its own. */
  async subscription(other: WanUser, type: string): Promise<void> {
    await this.#client.command("subscription", { contact: other.name, type });
    if (!this.contacts.includes(other)) this.contacts.push(other);
  }

  /** Sends a message, again where it is refused for a moment. */
  async send(to: WanUser): Promise<void> {
    const key = `${this.name}.${this.#next++}`;
    const sent: Sent = {
      from: this,
      to,
      atMs: performance.now(),
      ackedMs: null,
      deliveredMs: null,
    };
    this.#book.sent.set(key, sent);
    for (;;) {
      try {
        const body = `message ${key} to ${to.name}`;
        const { seq } = await this.#client.command<{ seq: number }>("send", {
          to: to.name,
          key,
          body,
        });
        sent.ackedMs = performance.now();
        this.acked.set(key, { to: to.name, seq });
        return;
      } catch (error) {
        if (!(error instanceof Refused)) return;
        this.#book.refused++;
        if (error.retryAfterMs === 0) {
          return void this.#book.faults.push(`${key} is refused: ${error.message}`);
        }
        await pause(Math.max(AGAIN_MS, error.retryAfterMs));
      }
    }
  }

  /** Shows something else. */
  change(prng: Prng): void {
    const show = prng.pick(SHOWS.filter((one) => one !== this.show));
    [this.show, this.showMs] = [show, performance.now()];
    this.#tell(show);
  }

  /** Sends a presence, again where it is refused for a moment and nothing newer is to be shown. */
  async #tell(show: string): Promise<void> {
    while (this.show === show && !this.#ended) {
      try {
        await this.#client.command("presence", { show });
        return;
      } catch (error) {
        // One whose connection was lost is a fault by itself.
        if (!(error instanceof Refused)) return;
        this.#book.refused++;
        await pause(Math.max(AGAIN_MS, error.retryAfterMs));
        this.showMs = performance.now();
      }
    }
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#client.close();
  }
}

/** What users of a cell do in a second. */
export interface Rates {
  readonly local: number;
  /** To users of other cells. */
  readonly abroad: number;
  readonly presence: number;
}

/** Users of one cell that send at a steady rate, whatever becomes of it. */
export class WanLoad {
  readonly #users: readonly WanUser[];
  readonly #rates: Rates;
  readonly #prng: Prng;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #under = new Set<Promise<void>>();
  readonly #done = { local: 0, abroad: 0, presence: 0 };
  readonly #beganMs = performance.now();

  constructor(users: readonly WanUser[], rates: Rates, prng: Prng) {
    this.#users = users;
    this.#rates = rates;
    this.#prng = prng;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Sends nothing more, and waits until what was sent is acknowledged. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
  }

  #tick(): void {
    const seconds = (performance.now() - this.#beganMs) / 1000;
    for (const what of ["local", "abroad", "presence"] as const) {
      for (; this.#done[what] < Math.floor(seconds * this.#rates[what]); this.#done[what]++) {
        this.#act(what);
      }
    }
  }

  #act(what: keyof Rates): void {
    const user = this.#prng.pick(this.#users);
    if (what === "presence") return user.change(this.#prng);
    const to = user.contacts.filter(({ cell }) => (cell === user.cell) === (what === "local"));
    const sending = user.send(this.#prng.pick(to));
    this.#under.add(sending);
    sending.finally(() => this.#under.delete(sending));
  }
}
