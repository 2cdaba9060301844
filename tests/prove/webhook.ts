/**
 * Webhooks whose receivers are away: the real gateway, edge, shards and store rows in virtual time.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { GatewayFixture, type Receiver } from "../sim/gateway_fixture.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";

const MAIL = "service.mail";
const DEVICE = "gateway" as DeviceId;
const USERS = 50;
/** How long the receiver is away (virtual ms), and what is sent meanwhile. */
const AWAY_MS = 600_000;
const MESSAGES = 4800;
/** Events that the receiver which never returns is owed, and after how many memory is compared. */
const OWED = 60_000;
const OWED_FIRST = 20_000;

const user = (i: number) => `u${i % USERS}` as AccountName;

function openServer(seed: number, topics: readonly ("outcomes" | "presence")[]) {
  const w = new GatewayFixture({ seed });
  w.service("mail", ["send", "outcomes"]);
  for (let i = 0; i < USERS; i++) w.person(user(i), "mail");
  return { w, receiver: w.hook("mail", "main", topics) };
}

/** Every user's phone has what there is, as phones do from time to time. */
function ackAll(w: GatewayFixture): void {
  for (let i = 0; i < USERS; i++) {
    const { snapshot } = w.ask(user(i), "mailbox.snapshot", {});
    w.ask(user(i), "mailbox.ack", { seq: snapshot.seq });
  }
}

/** What is wrong with what a receiver got: nothing, where it is everything once and in order. */
function faultsOf({ events }: Receiver, sent: readonly string[]): string[] {
  const faults: string[] = [];
  events.forEach(({ n }, i) => {
    if (n !== i + 1) faults.push(`position ${i + 1} has event ${n}`);
  });
  const accepted = events.filter((e) => e["state"] === "accepted").map((e) => String(e["key"]));
  if (accepted.join() !== sent.join()) {
    faults.push(`${accepted.length} of ${sent.length} accepted, or not in their order`);
  }
  const delivered = new Map<string, number>();
  for (const event of events) {
    if (event["state"] === "delivered") delivered.set(String(event["to"]), Number(event["upTo"]));
  }
  const total = [...delivered.values()].reduce((sum, count) => sum + count, 0);
  if (total !== sent.length) faults.push(`${total} of ${sent.length} are known as delivered`);
  return faults.slice(0, 5);
}

function proveReturn({ seed, say }: ProofOptions): Verdict {
  const { w, receiver } = openServer(seed, ["outcomes"]);
  receiver.state = "down";
  const beganMs = w.time.nowMs;
  const sent: string[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    const id = `m${i}`;
    w.ask(MAIL, "message.send", { device: DEVICE, to: user(i), id, body: id, ext: "" });
    sent.push(id);
    if (i === MESSAGES / 2) {
      // The server does not stay either.
      w.kill();
      w.start();
    }
    if (i % (MESSAGES / 10) === 0) ackAll(w);
    const dueMs = beganMs + AWAY_MS * (i + 1) / MESSAGES;
    if (dueMs > w.time.nowMs) w.time.runUntil(dueMs);
  }
  ackAll(w);
  w.time.runFor(1000);
  const [{ waiting = 0, failures = 0 } = {}] = w.gateway.hooks.status("mail");
  say(`away for ${AWAY_MS / 1000} virtual s: ${waiting} events wait, ${failures} tries failed`);
  receiver.state = "up";
  receiver.losesAnswers = 1;
  const backMs = w.time.nowMs;
  w.time.runWhile(() => w.gateway.hooks.status("mail")[0]!.waiting > 0, backMs + 200_000);
  const faults = faultsOf(receiver, sent);
  for (const fault of faults) say(fault);
  return {
    pass: faults.length === 0 && receiver.events.length > MESSAGES && receiver.repeated > 0,
    figures: {
      "messages sent while it was away": MESSAGES,
      "events received in order": receiver.events.length,
      "events repeated (an answer was lost)": receiver.repeated,
      "virtual s from its return to the last": ((w.time.nowMs - backMs) / 1000).toFixed(1),
      "largest request, characters": receiver.longest,
    },
  };
}

/** What a receiver that never returns costs: rows on disk, and memory of the process. */
function costOf(w: GatewayFixture) {
  const queue = w.rows("webhook queue");
  const dead = w.rows("webhook dead");
  return { rows: queue.count + dead.count, bytes: queue.bytes + dead.bytes };
}

function proveBound({ seed, say }: ProofOptions): Verdict {
  const { w, receiver } = openServer(seed, ["presence"]);
  const quick = w.hook("mail", "quick", ["presence"]);
  receiver.state = "hangs";
  const tell = (from: number, to: number) => {
    for (let n = from; n < to; n += 100) {
      const presence = Array.from(
        { length: 100 },
        (_, i) => ({ user: user(i), show: "away", status: `change ${n + i}` }),
      );
      const news = { outcomes: [], presence, cursor: "", gap: false };
      w.wait<null>((done) => w.gateway.hooks.store("mail", news, () => done(null)));
      w.time.runFor(50);
    }
  };
  tell(0, OWED_FIRST);
  quick.events.length = 0;
  const first = { ...costOf(w), heap: Deno.memoryUsage().heapUsed };
  const at = (cost: typeof first) =>
    `${cost.rows} rows, ${(cost.bytes / 1e6).toFixed(2)} MB on disk, ` +
    `heap ${(cost.heap / 1e6).toFixed(0)} MB`;
  say(`owed ${OWED_FIRST} events: ${at(first)}`);
  tell(OWED_FIRST, OWED);
  w.time.runFor(5000);
  const last = { ...costOf(w), heap: Deno.memoryUsage().heapUsed };
  say(`owed ${OWED} events: ${at(last)} (garbage of the simulator included)`);
  const rowsMax = w.limits.eventsMax + w.limits.deadMax;
  const gotAll = quick.events.length === OWED - OWED_FIRST &&
    quick.events.every(({ n }, i) => n === OWED_FIRST + i + 1);
  return {
    pass: gotAll && receiver.events.length === 0 && first.rows === rowsMax &&
      last.rows === rowsMax && last.bytes < first.bytes * 1.05,
    figures: {
      "rows kept for it at most": rowsMax,
      "rows after a third, and after all": `${first.rows}, ${last.rows}`,
      "bytes after a third, and after all": `${first.bytes}, ${last.bytes}`,
      "events of the other receiver meanwhile, in order": quick.events.length,
    },
  };
}

/** The proof. */
export const webhookProof: Proof = {
  name: "webhook",
  claim: "a webhook's receiver that is away for ten minutes gets everything in order when it " +
    "returns, across a kill -9 of the server; one that never returns costs a bounded queue",
  seconds: 5,
  run(options) {
    const back = proveReturn(options);
    const never = proveBound(options);
    const figures = { ...back.figures, ...never.figures };
    return Promise.resolve({ pass: back.pass && never.pass, figures });
  },
};
