/**
 * Any client, on any transport, whatever happens to it: every durable event once and in order, and
 * in the end the presence of everybody as it is.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MailboxEvent } from "../../shard/ops.ts";
import type { Session } from "../../server/edge/types.ts";
import {
  batch,
  device,
  FakeSink,
  MAILBOX,
  name,
  on,
  opened,
  poll,
  type Polling,
  type Rig,
  rig,
  type Wire,
} from "../unit/edge_fixture.ts";

const CONTACTS = ["bob", "carol", "dave"];

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("event" as const), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("late" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("presence" as const), who: fc.nat(2), up: fc.nat(2) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stall" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("take" as const), bytes: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("socket" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("poll" as const), lost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("hold" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A client with one device that keeps what it knows over its transports. */
class Client {
  readonly #rig: Rig;
  session: Session;
  #sink: FakeSink | null = null;
  #read = 0;
  #polling: Polling | null = null;
  #soft = 0;
  /** Position of the last event, which must be one more each time. */
  seq = 0;
  readonly shows = new Map<unknown, unknown>();

  constructor(fixture: Rig) {
    this.#rig = fixture;
    this.session = this.connect();
  }

  get sink(): FakeSink | null {
    return this.#sink;
  }

  /** A new socket: the session's, or a new session where it has ended. */
  connect(): Session {
    this.collect();
    this.lose();
    const resume = this.session?.id ?? null;
    const sink = new FakeSink();
    const cursor = { mailboxId: MAILBOX, seq: this.seq };
    const opening = this.#rig.open({ resume, cursor, sink });
    // The answer may be buffered; then the client gives up and comes again later.
    const [result] = opening.results;
    if (result === undefined || !result.ok) return this.session;
    const { session, resumed, mode } = opened(opening);
    assert.equal(mode, "resume");
    if (!resumed) this.shows.clear();
    this.#sink = sink;
    this.#read = 0;
    this.session = session;
    session.start();
    return session;
  }

  lose(): void {
    if (this.#sink !== null) this.session.lost(this.#sink);
    this.#sink = null;
  }

  /** Takes the answer of the last poll, or never gets it, and polls again. */
  poll(answerLost: boolean): void {
    if (answerLost) this.#polling = null;
    this.collect();
    this.#sink = null;
    this.#polling?.cancel();
    this.#polling = poll(this.session, { seq: this.seq, soft: this.#soft, waitMs: 5000 });
  }

  /** Takes in what has come. */
  collect(): void {
    const answer = this.#polling?.answers[0];
    if (answer?.ok) {
      const { events, soft, seq } = batch(this.#polling!);
      this.#polling = null;
      events.forEach((event) => this.#take(event));
      this.#soft = soft;
      assert.equal(seq, this.seq, "the cursor is that of the last event");
    }
    for (const frame of this.#sink?.frames.slice(this.#read) ?? []) {
      const { ev, soft } = JSON.parse(frame) as { ev: Wire[]; soft: number };
      ev.forEach((event) => this.#take(event));
      this.#soft = soft;
    }
    this.#read = this.#sink?.frames.length ?? 0;
  }

  #take(event: Wire): void {
    if (event["k"] === "presence") this.shows.set(event["user"], event["show"]);
    else assert.equal(event["seq"], ++this.seq, "a gap, or an event twice");
  }
}

function check(steps: readonly Step[]): void {
  const r = rig({ outboxBytesMax: 1500, stalledMs: 4000, graceMs: 5000 });
  r.router.contacts.set("alice", CONTACTS);
  const client = new Client(r);
  /** Pushed later than it was committed. */
  let late: MailboxEvent[] = [];
  const push = (events: readonly MailboxEvent[]) =>
    r.deliver({
      kind: "events",
      owner: name("alice"),
      sinceMs: 0,
      sessions: [client.session.id],
      events,
    });
  const append = (count: number) =>
    r.router.append("alice", Array.from({ length: count }, (_, i) => "x".repeat(i * 60)));
  for (const action of steps) {
    switch (action.do) {
      case "event":
        push([...late, ...append(action.count)]);
        late = [];
        break;
      case "late":
        late.push(...append(1));
        break;
      case "presence":
        r.presence(CONTACTS[action.who]!, action.up === 0 ? [] : on("away", `${action.up}`));
        break;
      case "wait":
        r.time.runFor(action.ms);
        break;
      case "stall":
        if (client.sink !== null) client.sink.taking = false;
        break;
      case "take":
        client.sink?.take(action.bytes);
        break;
      case "lose":
        client.collect();
        client.lose();
        break;
      case "socket":
        client.connect();
        break;
      case "poll":
        client.poll(action.lost);
        break;
      case "hold":
        r.router.held.add("mailbox.read");
        break;
      case "release":
        r.router.release();
    }
  }
  checkEnd(r, client, () => push(late));
}

/** The faults end: everything that is owed comes. */
function checkEnd(r: ReturnType<typeof rig>, client: Client, pushLate: () => void): void {
  r.router.held.clear();
  r.router.release();
  pushLate();
  client.connect();
  client.connect();
  r.time.runFor(3000);
  client.collect();
  assert.equal(client.seq, r.router.seq("alice"));
  for (const contact of CONTACTS) {
    const wanted = (r.router.online.get(contact) ?? []).length === 0 ? "offline" : "away";
    assert.equal(client.shows.get(contact) ?? "offline", wanted, contact);
  }
  assert.ok(r.edge.find(client.session.id, name("alice"), device("phone")) !== null);
}

Deno.test("whatever happens, a client gets every event once, in order, and true presence", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), check), { numRuns: 1500 });
});
