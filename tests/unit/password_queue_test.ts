import assert from "node:assert/strict";
import { PasswordQueue } from "../../server/auth/password_queue.ts";
import { countingRandom } from "./sign_in_fixture.ts";

function open(change: Partial<ConstructorParameters<typeof PasswordQueue>[0]> = {}) {
  const options = { concurrency: 2, waitingMax: 3, perAddressMax: 99, busyRetryMs: 1000 };
  const queue = new PasswordQueue({ ...options, ...change }, countingRandom(0.5));
  const started: number[] = [];
  const releases: (() => void)[] = [];
  let next = 0;
  const push = (address = "a") => {
    const number = next++;
    return queue.push(address, (release) => {
      started.push(number);
      releases.push(release);
    });
  };
  return { queue, started, releases, push };
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

Deno.test("PasswordQueue: answers busy with a jittered wait when it is full", () => {
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
    assert.equal(
      queue.push("a", (release) => {
        ran++;
        release();
      }),
      null,
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
