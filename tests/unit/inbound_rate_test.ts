import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { RATES, SHARD_LIMITS } from "../sim/limits.ts";
import { InboundRate } from "../../shard/message/inbound_rate.ts";

const RATE = { tokenMs: 10, burst: 2000 };
const name = (text: string) => text as AccountName;

/** Messages of `peer` that are taken, each `everyMs` from `fromMs` to `toMs`. */
function flood(
  inbound: InboundRate,
  peer: string,
  isContact: boolean,
  [fromMs, toMs, everyMs]: readonly [number, number, number],
  also: (atMs: number) => void = () => {},
): number {
  let taken = 0;
  for (let atMs = fromMs; atMs < toMs; atMs += everyMs) {
    if (inbound.take(RATE, atMs, name(peer), isContact)) taken++;
    also(atMs);
  }
  return taken;
}

Deno.test("10.10: InboundRate: a contact that floods for an hour keeps out no message of another", () => {
  const inbound = new InboundRate();
  let refused = 0;
  let sent = 0;
  const taken = flood(inbound, "noisy", true, [0, 3_600_000, 5], (atMs) => {
    if (atMs % 500 !== 0) return;
    sent++;
    if (!inbound.take(RATE, atMs, name("friend"), true)) refused++;
  });
  assert.deepEqual([refused, sent], [0, 7200]);
  // Half of 100 a second.
  assert.ok(taken > 175_000 && taken < 185_000, String(taken));
});

Deno.test("10.10: InboundRate: hundreds of strangers keep out no contact, and no other stranger", () => {
  const inbound = new InboundRate();
  let taken = 0;
  let atMs = 0;
  for (let i = 0; i < 60_000; i++, atMs += 1) {
    if (inbound.take(RATE, atMs, name(`s${i % 300}`), false)) taken++;
  }
  assert.ok(taken > 1000 && taken < 6000, String(taken));
  for (let i = 0; i < 50; i++) assert.ok(inbound.take(RATE, atMs, name("friend"), true));
});

Deno.test("10.10: InboundRate: contacts and strangers that flood together leave room for a contact", () => {
  const inbound = new InboundRate();
  let atMs = 0;
  // Contacts first, so that strangers could take the rest.
  for (const [senders, count] of [[3, 6000], [300, 60_000]] as const) {
    for (let i = 0; i < count; i++, atMs += 1 / 60) {
      inbound.take(RATE, atMs, name(`${senders}-${i % senders}`), senders === 3);
    }
  }
  for (let i = 0; i < 25; i++) assert.ok(inbound.take(RATE, atMs, name("friend"), true), String(i));
});

Deno.test("InboundRate takes a burst of one contact, and all of it again after a while", () => {
  const inbound = new InboundRate();
  const burst = (atMs: number) =>
    Array.from({ length: 3000 }, () => inbound.take(RATE, atMs, name("friend"), true))
      .filter(Boolean).length;
  assert.deepEqual([burst(0), burst(0), burst(300_000)], [1000, 0, 1000]);
});

Deno.test("10.10: InboundRate: by default a contact with ten sessions sends for hours unrefused", () => {
  const { inboundMessageMs: tokenMs, inboundMessageBurst: burst } = SHARD_LIMITS;
  const { sends } = RATES;
  const inbound = new InboundRate();
  const take = (atMs: number) => inbound.take({ tokenMs, burst }, atMs, name("friend"), true);
  let taken = 0;
  for (let i = 0; i < 10 * sends.burst; i++) if (take(0)) taken++;
  const eachMs = 1000 / (10 * sends.perSecond);
  for (let i = 1; i <= 360_000; i++) if (take(i * eachMs)) taken++;
  assert.equal(taken, 10 * sends.burst + 360_000);
});

Deno.test("InboundRate takes no more than its rate from any number of contacts", () => {
  const inbound = new InboundRate();
  let taken = 0;
  for (let i = 0; i < 600_000; i++) {
    if (inbound.take(RATE, i / 10, name(`c${i % 40}`), true)) taken++;
  }
  // A minute: the burst, and 100 a second.
  assert.ok(taken <= 2000 + 6000 && taken > 6000, String(taken));
});
