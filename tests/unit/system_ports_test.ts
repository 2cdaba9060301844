/** The real ports that are small enough for one file; they run on the machine's own time. */
import assert from "node:assert/strict";
import { systemClock } from "../../server/system/clock.ts";
import { systemKdf } from "../../server/system/kdf.ts";
import { commitError } from "../../server/store/kv_store.ts";
import { openProcessFigures, parseVirtualBytes } from "../../server/system/process_figures.ts";
import { parseFilesMax, systemProcess } from "../../server/system/process.ts";
import { systemRandom } from "../../server/system/random.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { simKdf } from "../sim/sim_ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("systemClock goes on, and its wall time is of this century", () => {
  const clock = systemClock();
  const monoMs = clock.monoMs();
  assert.ok(clock.monoMs() >= monoMs);
  assert.ok(clock.wallMs() > Date.UTC(2025, 0) && clock.wallMs() < Date.UTC(2100, 0));
});

Deno.test("systemTimers are never early, not even by a fraction of a millisecond", async () => {
  const [clock, timers] = [systemClock(), systemTimers()];
  const delays = [0, 0.1, 0.9, 1, 1.5, 2.999, 3.0001, -5];
  const lateMs = await Promise.all(delays.map((delayMs) => {
    const dueMs = clock.monoMs() + delayMs;
    return new Promise<number>((resolve) =>
      timers.after(delayMs, () => resolve(clock.monoMs() - dueMs))
    );
  }));
  lateMs.forEach((ms, i) => assert.ok(ms >= 0, `${delays[i]} was early by ${-ms} ms`));
});

Deno.test("systemTimers cancel, take delays beyond 2^31 ms, refuse what is no number", async () => {
  const timers = systemTimers();
  let ran = 0;
  const cancels = [0, 2 ** 31, 1e15].map((delayMs) => timers.after(delayMs, () => ran += 1));
  cancels[0]!();
  await new Promise<void>((resolve) => void timers.after(5, resolve));
  assert.equal(ran, 0);
  for (const cancel of cancels) cancel();
  for (const delayMs of [NaN, Infinity]) {
    assert.throws(() => timers.after(delayMs, () => {}), /delay is/);
  }
});

Deno.test("systemTimers soon runs after the turn and its microtasks, in order", async () => {
  const timers = systemTimers();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    timers.soon(() => {
      order.push("first");
      queueMicrotask(() => order.push("its microtask"));
    });
    timers.soon(() => {
      order.push("second");
      resolve();
    });
    queueMicrotask(() => order.push("microtask"));
    order.push("turn");
  });
  assert.deepEqual(order, ["turn", "microtask", "first", "its microtask", "second"]);
});

Deno.test("systemRandom gives fresh bytes and numbers below 1", () => {
  const random = systemRandom();
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
  assert.equal(random.bytes(0).length, 0);
  const n = random.number();
  assert.ok(n >= 0 && n < 1);
});

/** RFC 6070 (SHA-1) and RFC 7914 section 11 (SHA-256, its first 32 bytes). */
const KDF_VECTORS = [
  ["SHA-1", "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"],
  ["SHA-1", "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"],
  [
    "SHA-256",
    "passwd",
    "salt",
    1,
    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
  ],
] as const;

for (const [hash, password, salt, iterations, wanted] of KDF_VECTORS) {
  Deno.test(`systemKdf and simKdf give the RFC's key for ${hash}, ${iterations}`, async () => {
    const encoder = new TextEncoder();
    const time = new VirtualTime();
    for (const kdf of [systemKdf(), simKdf(time.global.timers)]) {
      const secret = encoder.encode(password);
      const key = await new Promise<Uint8Array>((resolve) => {
        kdf.pbkdf2(hash, secret, encoder.encode(salt), iterations, resolve);
        // The caller may wipe the password at once.
        secret.fill(0);
        time.runUntilIdle();
      });
      const hex = Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join("");
      assert.equal(hex, wanted);
    }
  });
}

Deno.test("systemKdf takes an empty password", async () => {
  const empty = new Uint8Array();
  const key = await new Promise<Uint8Array>((resolve) =>
    systemKdf().pbkdf2("SHA-256", empty, new Uint8Array(16), 1, resolve)
  );
  assert.equal(key.length, 32);
});

Deno.test("parseFilesMax reads the soft limit", () => {
  const limits = (soft: string) =>
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max processes             100                  200                  processes \n" +
    `Max open files            ${soft.padEnd(20)} 524288               files     \n`;
  assert.equal(parseFilesMax(limits("20000")), 20_000);
  assert.equal(parseFilesMax(limits("unlimited")), Number.MAX_SAFE_INTEGER);
  assert.equal(parseFilesMax("something else"), null);
});

Deno.test("systemProcess says what it uses", () => {
  const process = systemProcess();
  assert.equal(process.pid, Deno.pid);
  assert.ok(process.rssBytes() > 1_000_000);
});

Deno.test({
  name: "openProcessFigures says what is open and how large the process is",
  ignore: Deno.build.os !== "linux",
  fn() {
    const figures = openProcessFigures();
    const [open, max] = [figures.filesOpen(), figures.filesMax];
    assert.ok(open !== null && max !== null && open > 2 && open < max, `${open} of ${max}`);
    assert.equal(max, systemProcess().filesMax());
    // Other tests of the same process open and close files of their own meanwhile: a few.
    const files = Array.from({ length: 200 }, () => Deno.openSync("/proc/self/limits"));
    const more = figures.filesOpen()! - open;
    for (const file of files) file.close();
    assert.ok(more > 100 && more < 300, `${more} more`);
    const resident = systemProcess().rssBytes();
    assert.ok(figures.virtualBytes()! > resident, `${figures.virtualBytes()} of ${resident}`);
    const now = new Date().getTime();
    assert.ok(figures.startedAtMs > now - 86_400_000 && figures.startedAtMs <= now);
    figures.close();
  },
});

Deno.test("parseVirtualBytes finds the field behind any name of a program", () => {
  const fields = Array.from({ length: 40 }, (_, i) => i === 20 ? 8192 : i + 1).join(" ");
  assert.equal(parseVirtualBytes(`12 (a b) c) ${fields}\n`), 8192);
  assert.equal(parseVirtualBytes("12 (deno) R 1"), null);
  assert.equal(parseVirtualBytes(""), null);
});

Deno.test("commitError says full or failed only where the outcome is certain", () => {
  const cases = [
    ["database or disk is full", "full"],
    ["database is locked", "failed"],
    ["attempt to write a readonly database", "failed"],
    ["disk I/O error", "unknown"],
    ["Database is closed.", "unknown"],
    ["anything else", "unknown"],
  ] as const;
  for (const [message, kind] of cases) {
    assert.deepEqual(commitError(new TypeError(message)), { kind, message });
  }
  assert.deepEqual(commitError("odd"), { kind: "unknown", message: "odd" });
});

Deno.test("10.10: timers that are due follow each other at once, before what the first one puts off", async () => {
  const timers = systemTimers();
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  timers.after(1, () => {
    order.push("first");
    timers.soon(() => order.push("soon"));
  });
  timers.after(1.5, () => {
    order.push("second");
    timers.soon(done.resolve);
  });
  for (const endMs = performance.now() + 5; performance.now() < endMs;);
  await done.promise;
  assert.deepEqual(order, ["first", "second", "soon"]);
});
