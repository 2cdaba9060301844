/**
 * An account that is sent far more messages than it takes, by contacts and strangers without end: no
 * more are taken than its rate allows, each of a contact arrives once or is `undelivered`, and those
 * who have sent nothing lately still get through.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "./node_fixture.ts";
import { Prng } from "./prng.ts";
import { Violation } from "./history.ts";

const VICTIM = "victim" as AccountName;
const BURST = 48;
const TOKEN_MS = 50;
const STEPS = 10;
const STEP_MS = 20;
/** After this nothing of what was sent before counts (ms). */
const FORGOTTEN_MS = 10 * BURST * TOKEN_MS;

/** One node with the account and those who write to it. */
class Flood {
  readonly #prng: Prng;
  readonly #fixture: NodeFixture;
  readonly #contacts: readonly string[];
  readonly #strangers: readonly string[];
  /** Accepted messages, by their sender. */
  readonly #sent = new Map<string, number>();

  constructor(seed: number) {
    const prng = new Prng(seed).fork("inbound");
    this.#prng = prng;
    const limits = { inboundMessageBurst: BURST, inboundMessageMs: TOKEN_MS };
    this.#fixture = new NodeFixture({ seed, shards: prng.int(1, 3), limits });
    const names = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    this.#contacts = names("noisy", prng.int(0, 2));
    this.#strangers = names("stranger", prng.pick([0, 1, 2, 8]));
    const w = this.#fixture;
    w.account(VICTIM);
    w.must(VICTIM, "settings.set", { messagesFrom: "anyone" });
    for (const name of [...this.#contacts, ...this.#strangers, "friend", "newcomer"]) {
      w.account(name);
    }
    for (const name of [...this.#contacts, "friend"]) w.befriend(name, VICTIM);
  }

  run(): void {
    const strangersFirst = this.#prng.chance(0.5);
    const [first, then] = strangersFirst
      ? [this.#strangers, this.#contacts]
      : [this.#contacts, this.#strangers];
    for (let i = 0; i < STEPS; i++) this.#step(first);
    for (let i = 0; i < STEPS; i++) this.#step(then);
    for (let i = 0; i < STEPS; i++) this.#step([...first, ...then]);
    // A stranger leaves seven of eight parts of what is the strangers'. Then time has passed.
    const few = this.#contacts.length === 0 && this.#strangers.length <= 2;
    if (few) this.#arrives("newcomer", 2);
    // Each contact that floods leaves half, all strangers half of that, and of it the friend gets half.
    else this.#arrives("friend", Math.floor(BURST / 2 ** (this.#contacts.length + 2)) - 2);
    this.#checkRate();
    for (const name of [...this.#contacts, "friend"]) this.#checkOutcomes(name);
    this.#fixture.settle(FORGOTTEN_MS);
    this.#arrives("friend", BURST / 2);
  }

  /** Everybody named sends some messages, which nobody waits for. */
  #step(names: readonly string[]): void {
    for (const name of this.#prng.shuffle(names)) this.#send(name, this.#prng.int(1, 4));
    this.#fixture.time.runFor(STEP_MS);
  }

  #send(from: string, count: number): void {
    for (let i = 0; i < count; i++) {
      const sent = (this.#sent.get(from) ?? 0) + 1;
      this.#sent.set(from, sent);
      const id = `${from}-${sent}`;
      const message = { device: "phone" as DeviceId, to: VICTIM, id, body: id, ext: "" };
      this.#fixture.node.request(from as AccountName, "message.send", message, (result) => {
        if (!result.ok) throw new Violation("liveness", `${from} cannot send: ${result.code}`);
      });
    }
  }

  #taken(from?: string) {
    return this.#fixture.mailbox(VICTIM).flatMap((e) => {
      return e.kind === "message" && !e.out && (from ?? e.with) === e.with ? [e] : [];
    });
  }

  /** One who has sent nothing lately sends so many messages at once, and all of them are taken. */
  #arrives(from: string, count: number): void {
    const before = this.#taken(from).length;
    this.#send(from, count);
    this.#fixture.settle();
    const taken = this.#taken(from).length - before;
    if (taken === count) return;
    const flooding = `${this.#contacts.length} contacts and ${this.#strangers.length} strangers`;
    const text = `of ${count} messages of ${from}, ${taken} are taken beside ${flooding}`;
    throw new Violation("nobody keeps out another's messages", text, [VICTIM, from]);
  }

  /** In no time more are taken than a burst and what the rate allows. */
  #checkRate(): void {
    const times = this.#taken().map(({ at }) => at);
    times.forEach((from, i) =>
      times.slice(i).forEach((to, more) => {
        if (more + 1 <= BURST + (to - from) / TOKEN_MS + 1) return;
        const text = `${more + 1} messages are taken in ${to - from} ms`;
        throw new Violation("no more messages are taken than the rate allows", text, [VICTIM]);
      })
    );
  }

  /** Of a contact each message was taken once, or is known not to have been. */
  #checkOutcomes(name: string): void {
    const taken = this.#taken(name).map(({ id }) => id);
    const refused = this.#fixture.mailbox(name).flatMap((e) => {
      return e.kind === "undelivered" ? [`${e.id} ${e.reason}`] : [];
    });
    const outcomes = [...taken.map((id) => `${id} quota`), ...refused];
    const wanted = Array.from({ length: this.#sent.get(name) ?? 0 }, (_, i) => {
      return `${name}-${i + 1} quota`;
    });
    if (outcomes.sort().join() === wanted.sort().join()) return;
    const text =
      `${name} sent ${wanted.length}: ${taken.length} are taken, ${refused.length} refused`;
    throw new Violation("a refused message is undelivered", text, [VICTIM, name]);
  }
}

/** Runs the flooded account with its own seed. Throws a `Violation`. */
export function runInboundFlood(seed: number): void {
  new Flood(seed).run();
}
