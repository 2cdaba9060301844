/** People who write to each other at a steady rate, and count what becomes of it. */
import { Client } from "../../process/client.ts";
import { type BinaryFixture, pause, until } from "./binary_fixture.ts";

/** Between two messages of one person. */
const EVERY_MS = 40;
/** Messages of one between two changes of presence: below what a session may (2 a second). */
const PRESENCE_EVERY = 20;

/** See the head of this file. */
export class Traffic {
  /** What was refused, lost, doubled or misordered. */
  readonly faults: string[] = [];
  sent = 0;
  got = 0;
  readonly #clients: Client[] = [];
  readonly #loops: Promise<void>[] = [];
  /** The last number shown, by recipient and sender. */
  readonly #last = new Map<string, number>();
  #running = true;

  /** Makes people with these names, who begin at once. */
  static async start(fixture: BinaryFixture, names: readonly string[]): Promise<Traffic> {
    const traffic = new Traffic();
    const tokens = await fixture.people(fixture.server.url, ...names);
    for (const [i, name] of names.entries()) {
      const { wsUrl } = fixture.server;
      const client = await Client.connect(wsUrl, { auth: { token: tokens[i] } }, (event) => {
        if (event.k !== "message" || event["out"] === true) return;
        traffic.#see(name, String(event["with"]), Number(event["body"]));
      });
      traffic.#clients.push(client);
    }
    traffic.#clients.forEach((client, i) => traffic.#loops.push(traffic.#write(client, names, i)));
    return traffic;
  }

  #see(to: string, from: string, number: number): void {
    const way = `${from}>${to}`;
    const due = (this.#last.get(way) ?? 0) + 1;
    if (number !== due) this.faults.push(`${way}: ${number} came where ${due} was due`);
    this.#last.set(way, number);
    this.got++;
  }

  async #write(client: Client, names: readonly string[], self: number): Promise<void> {
    const others = names.filter((_, i) => i !== self);
    for (let i = 0; this.#running; i++) {
      const body = String(1 + Math.floor(i / others.length));
      const to = others[i % others.length]!;
      try {
        await client.command("send", { to, key: `${to}-${body}`, body });
        this.sent++;
        if (i % PRESENCE_EVERY === 0) {
          await client.command("presence", { show: "away", status: body });
        }
      } catch (error) {
        this.faults.push(`${names[self]}: ${error}`);
      }
      await pause(EVERY_MS);
    }
  }

  /** Ends it when all that was sent has come; its figures. Throws where something is wrong. */
  async stop(): Promise<string> {
    this.#running = false;
    await Promise.all(this.#loops);
    await until("every message", () => this.got, (got) => got >= this.sent);
    for (const client of this.#clients) await client.close();
    if (this.faults.length > 0) throw new Error(this.faults.slice(0, 5).join("; "));
    return `${this.sent} messages, no error, each once and in order`;
  }
}
