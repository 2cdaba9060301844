import assert from "node:assert/strict";
import { PasswordQueue } from "../../server/auth/password_queue.ts";
import type { Failure } from "../../shard/errors.ts";
import { countingRandom, nameOf } from "./sign_in_fixture.ts";

function open(change: Partial<ConstructorParameters<typeof PasswordQueue>[0]> = {}) {
  const options = {
    concurrency: 2,
    waitingMax: 3,
    perAddressMax: 99,
    waitMaxMs: 10_000,
    busyRetryMs: 1000,
    ...change,
  };
  const time = { nowMs: 0 };
  const clock = { monoMs: () => time.nowMs };
  const queue = new PasswordQueue(options, clock, countingRandom(0.5));
  const started: number[] = [];
  const releases: (() => void)[] = [];
  const refused = new Map<number, Failure>();
  let next = 0;
  let ended = 0;
  /** Returns the refusal, where it comes at once. */
  const push = (address = "a", known = false, name = `user${next}`): Failure | null => {
    const number = next++;
    queue.push(
      { name: nameOf(name), address, known, hashes: 1 },
      (release) => {
        started.push(number);
        releases.push(release);
      },
      (failure) => refused.set(number, failure),
    );
    return refused.get(number) ?? null;
  };
  /** Ends jobs one by one, each after so long, until none is left. */
  const drain = (jobMs = 0) => {
    while (ended < releases.length) {
      time.nowMs += jobMs;
      releases[ended++]!();
    }
  };
  return { queue, time, started, releases, refused, push, drain };
}

Deno.test("PasswordQueue: runs so many at a time, the others in order", () => {
  const { queue, started, releases, push } = open();
  for (let i = 0; i < 5; i++) assert.equal(push(), null);
  assert.deepEqual(started, [0, 1]);
  assert.deepEqual(queue.load, { waiting: 3, running: 2 });
  releases[1]!();
  assert.deepEqual(started, [0, 1, 2]);
  for (let i = 0; i < 5; i++) if (i !== 1) releases[i]!();
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
  assert.deepEqual(queue.load, { waiting: 0, running: 0 });
});

Deno.test("PasswordQueue: refuses as busy with a jittered wait when it is full", () => {
  const { started, releases, push } = open();
  for (let i = 0; i < 5; i++) push();
  const refused = push();
  assert.equal(refused?.code, "busy");
  assert.equal(refused?.retryAfterMs, 1500);
  releases[0]!();
  assert.equal(push(), null);
  assert.deepEqual(started, [0, 1, 2]);
});

Deno.test("PasswordQueue: one address leaves room for others", () => {
  const { releases, push } = open({ perAddressMax: 2 });
  assert.equal(push("flood"), null);
  assert.equal(push("flood"), null);
  assert.equal(push("flood")?.code, "busy");
  assert.equal(push("other"), null);
  releases[0]!();
  assert.equal(push("flood"), null);
});

Deno.test("PasswordQueue: the addresses of one IPv6 network are one address", () => {
  const { releases, push } = open({ perAddressMax: 2 });
  assert.equal(push("2001:db8::1"), null);
  assert.equal(push("2001:db8::2"), null);
  assert.equal(push("2001:db8:0:0:ffff::3")?.code, "busy");
  assert.equal(push("2001:db8:0:1::1"), null);
  releases[0]!();
  assert.equal(push("2001:db8::4"), null);
});

Deno.test("PasswordQueue: jobs that end at once do not pile up", () => {
  const { queue } = open({ concurrency: 1 });
  let ran = 0;
  for (let i = 0; i < 10_000; i++) {
    queue.push(
      { name: nameOf("bob"), address: "a", known: false, hashes: 1 },
      (release) => {
        ran++;
        release();
      },
      () => assert.fail("refused"),
    );
  }
  assert.equal(ran, 10_000);
  assert.deepEqual(queue.load, { waiting: 0, running: 0 });
});

Deno.test("PasswordQueue: a place released twice is a bug", () => {
  const { releases, push } = open();
  push();
  releases[0]!();
  assert.throws(() => releases[0]!(), /twice/);
});

/** Four attempts each from 100 addresses of as many networks, or of one. */
function flood(push: (address: string) => unknown, one: boolean): void {
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 100; i++) push(one ? `192.0.2.${i}` : `10.0.${i}.1`);
  }
}

for (const one of [true, false]) {
  const from = one ? "one network" : "100 networks";
  Deno.test(`10.10: PasswordQueue: 400 attempts of ${from} keep nobody else out`, () => {
    const { started, releases, refused, push } = open({ waitingMax: 128 });
    flood(push, one);
    assert.equal(started.length, 2);
    assert.equal(push("198.51.100.7"), null, "it replaces one of the flood");
    assert.equal(push("198.51.100.7", true), null);
    assert.equal(refused.size, 400 - 2 - 128 + 1);
    // The first attempts of 100 networks look like those of honest ones.
    const turns = one ? 4 : 101;
    for (let i = 0; i < turns; i++) releases[i]!();
    assert.ok(started.includes(400) && started.includes(401), `${started}`);
    assert.ok(started.indexOf(401) <= 3, "a known place is next");
  });
}

Deno.test("10.10: PasswordQueue: networks that have used much lately come after others", () => {
  const { time, started, push, drain } = open({ waitingMax: 128 });
  for (let second = 0; second < 3; second++) {
    flood(push, false);
    drain(20);
  }

  flood(push, false);
  const before = started.length;
  assert.equal(push("198.51.100.7"), null);
  const honest = 1600;
  drain(20);
  assert.equal(started.indexOf(honest), before, "it is next");
  // They are like others again when they have asked for nothing for some time.
  time.nowMs += 600_000;
  for (let i = 0; i < 2; i++) push("198.51.100.8");
  assert.equal(push("10.0.0.1"), null);
  assert.equal(push("203.0.113.1"), null);
  const after = started.length;
  drain();
  assert.deepEqual(started.slice(after), [honest + 3, honest + 4]);
});

Deno.test("10.10: PasswordQueue: a wider network has more, but not all", () => {
  const rows = [
    // Each other network than the last is a part of the widest of the first.
    ["192.0.2.1", "192.0.2.2", "198.51.100.1"],
    ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:100::1"],
    ["2001:db8:1:1::1", "2001:db8:1:2100::1", "2001:db8:2::1"],
  ] as const;
  for (const [one, beside, apart] of rows) {
    const { started, push, drain } = open({ concurrency: 1, waitingMax: 64 });
    for (let i = 0; i < 40; i++) push(one);
    push(beside);
    push(apart);
    drain();
    const [at, atApart] = [started.indexOf(40), started.indexOf(41)];
    assert.ok(atApart < at && at < 40, `${beside}: ${at}, ${apart}: ${atApart}`);
  }
});

Deno.test("10.10: PasswordQueue: attempts at one account do not delay those at others", () => {
  const { started, push, drain } = open({ concurrency: 1, waitingMax: 64 });
  for (let i = 0; i < 20; i++) push(`10.0.${i}.1`, false, "victim");
  push("198.51.100.7", false, "bob");
  push("198.51.100.8", true, "victim");
  drain();
  assert.deepEqual(started.slice(0, 4), [0, 21, 20, 1]);
});

Deno.test("10.10: PasswordQueue: known places get most turns, others the rest", () => {
  const { started, push, drain } = open({ concurrency: 1, waitingMax: 64 });
  const known = Array.from({ length: 12 }, (_, i) => push(`10.0.${i}.1`, true));
  const others = Array.from({ length: 4 }, (_, i) => push(`10.1.${i}.1`));
  assert.ok([...known, ...others].every((refusal) => refusal === null));
  drain();
  const turns = started.map((number) => number < 12 ? "k" : "o").join("");
  assert.equal(turns, "kkkokkkokkkokkko");
});

Deno.test("10.10: PasswordQueue: the wait of a refusal is what those before it need", () => {
  const { time, push, drain, started } = open({ concurrency: 2, waitingMax: 64, busyRetryMs: 100 });
  for (let i = 0; i < 200; i++) {
    push(`10.${i}.0.1`);
    drain(100);
  }
  for (let i = 0; i < 66; i++) assert.equal(push(`10.${i}.1.1`), null);
  const refused = push("198.51.100.7");
  const waitMs = refused!.retryAfterMs! / 1.5;
  assert.ok(waitMs > 3000 && waitMs < 3400, `66 jobs of 100 ms, two at a time: ${waitMs} ms`);
  time.nowMs += waitMs;
  drain();
  const before = started.length;
  push("198.51.100.7");
  assert.equal(started.length, before + 1);
});

Deno.test("10.10: PasswordQueue: what has waited too long is refused", () => {
  const { time, refused, releases, started, push } = open({ concurrency: 1, waitMaxMs: 500 });
  push();
  push();
  time.nowMs += 400;
  push("b");
  time.nowMs += 200;
  releases[0]!();
  assert.deepEqual([...refused.keys()], [1]);
  assert.equal(refused.get(1)?.code, "busy");
  assert.deepEqual(started, [0, 2]);
});

/** What ordinary users of a flooded queue have waited (ms), those at known places and others. */
interface Waits {
  readonly known: number[];
  readonly others: number[];
}

/** Of a busy machine. */
const JOB_MS = 80;
const STEP_MS = 10;

/**
 * 400 connections from 100 networks flood a queue for 15 s of virtual time: each asks again 200 ms
 * after a refusal or its end. Meanwhile two ordinary users a second sign in, one of them at a known
 * place; each has used its network three times in the minute before.
 */
function floodFor15s(flooders: { readonly known: boolean }): Waits {
  const { queue, time } = open({ waitingMax: 256, perAddressMax: 16 });
  const due = new Map<number, (() => void)[]>();
  const at = (ms: number, act: () => void) => {
    const step = Math.ceil(ms / STEP_MS) * STEP_MS;
    due.set(step, [...due.get(step) ?? [], act]);
  };
  const ask = (name: string, address: string, known: boolean, ended: (ok: boolean) => void) =>
    queue.push(
      { name: nameOf(name), address, known, hashes: 1 },
      (release) =>
        at(time.nowMs + JOB_MS, () => {
          release();
          ended(true);
        }),
      () => ended(false),
    );
  const waits: Waits = { known: [], others: [] };
  const user = (number: number, known: boolean) => {
    const askedMs = time.nowMs;
    const from = `10.${known ? 1 : 2}.${number % 50}.1`;
    ask(`user${number % 50}`, from, known, (ok) => {
      waits[known ? "known" : "others"].push(ok ? time.nowMs - askedMs : Infinity);
    });
  };
  const flooder = (i: number) => {
    const again = () => at(time.nowMs + 200, () => flooder(i));
    ask(`mallory${i % 100}`, `10.3.${i % 100}.1`, flooders.known, again);
  };
  for (let number = 0; number < 3 * 50; number++) {
    for (const known of [true, false]) at(number * 400, () => user(number, known));
  }
  const beganMs = 70_000;
  at(beganMs, () => {
    waits.known.length = waits.others.length = 0;
    for (let i = 0; i < 400; i++) flooder(i);
  });
  for (let number = 0; number < 15; number++) {
    for (const known of [true, false]) at(beganMs + number * 1000, () => user(number, known));
  }
  for (; time.nowMs < beganMs + 15_000; time.nowMs += STEP_MS) {
    for (const act of due.get(time.nowMs) ?? []) act();
  }
  return waits;
}

for (const known of [true, false]) {
  const places = known ? "known places of theirs" : "unknown places";
  Deno.test(`10.10: PasswordQueue: a flood of 100 networks at ${places} delays nobody else`, () => {
    const waits = floodFor15s({ known });
    for (const [who, ms] of Object.entries(waits)) {
      assert.equal(ms.length, 15, `${who}: all have ended`);
      // One that runs, and one of the other kind before it.
      assert.ok(Math.max(...ms) <= 3 * JOB_MS, `${who}: ${ms}`);
    }
  });
}

Deno.test("10.10: PasswordQueue: known places that ask for much have no privilege", () => {
  const { started, push, drain } = open({ concurrency: 1, waitingMax: 64 });
  for (let i = 0; i < 40; i++) push("10.0.0.1", true, "mallory");
  for (let i = 0; i < 4; i++) push(`10.1.${i}.1`);
  push("10.2.0.1", true);
  drain();
  assert.deepEqual(started.slice(1, 6).toSorted((a, b) => a - b), [40, 41, 42, 43, 44]);
  assert.equal(started[1], 44, "an ordinary one at a known place is first");
});

Deno.test("10.10: PasswordQueue: a wrong password counts twice", () => {
  const { queue, started, push, drain } = open({ concurrency: 1, waitingMax: 64 });
  push("10.9.0.1");
  const wrong = { name: nameOf("bob"), address: "10.0.0.1", known: true };
  queue.failed(wrong);
  push("10.0.0.1", true, "bob");
  push("10.1.0.1", true, "carol");
  drain();
  assert.deepEqual(started, [0, 2, 1]);
});
