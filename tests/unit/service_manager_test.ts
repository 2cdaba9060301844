/** What the server reports to systemd: to a real socket, and when. */
import assert from "node:assert/strict";
import {
  socketAddress,
  systemServiceManager,
  watchdogPeriodMs,
} from "../../server/system/service_manager.ts";
import type { Timers } from "../../server/node/ports.ts";
import { FakeMachine } from "./cli_machine.ts";

Deno.test("socketAddress makes the sockaddr_un of a path, of an abstract name, of no other", () => {
  const bytes = (text: string) => {
    const address = socketAddress(text);
    return address === null ? null : [...address];
  };
  assert.deepEqual(bytes("/r"), [1, 0, 0x2f, 0x72]);
  assert.deepEqual(bytes("@r"), [1, 0, 0, 0x72]);
  assert.equal(bytes("vsock:2:1234"), null);
  assert.equal(bytes(""), null);
  assert.equal(bytes(`/${"r".repeat(108)}`), null);
});

Deno.test("watchdogPeriodMs is half the time that the watchdog waits for this process", () => {
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000" }, 7), 30_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 7), 30_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, 7), null);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "0" }, 7), null);
  assert.equal(watchdogPeriodMs({}, 7), null);
});

/** A socket that receives datagrams, which Deno itself has only with an unstable flag. */
function receiver(path: string) {
  const { symbols: { socket, bind, recv, close } } = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const fd = socket(1, 2, 0);
  const address = socketAddress(path)!;
  assert.equal(bind(fd, address, address.length), 0);
  return {
    /** The next datagram; null: none waits. */
    next(): string | null {
      const buffer = new Uint8Array(4096);
      const length = Number(recv(fd, buffer, 4096n, 0x40));
      return length < 0 ? null : new TextDecoder().decode(buffer.subarray(0, length));
    },
    [Symbol.dispose]: () => void close(fd),
  };
}

Deno.test({
  name: "systemServiceManager sends datagrams, and feeds the watchdog until it is cancelled",
  ignore: Deno.build.os !== "linux",
  fn() {
    const path = `@roost-test-${crypto.randomUUID()}`;
    using socket = receiver(path);
    const due: (() => void)[] = [];
    const delays: number[] = [];
    const timers: Timers = {
      after: (delayMs, run) => {
        delays.push(delayMs);
        due.push(run);
        return () => void due.splice(due.indexOf(run), 1);
      },
      soon: () => assert.fail("not used"),
    };
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "2000000" };
    const manager = systemServiceManager(env, 7, timers)!;
    manager.notify("READY=1", "STATUS=serves");
    assert.equal(socket.next(), "READY=1\nSTATUS=serves");
    manager.reloading();
    const [, micros] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(socket.next()!)!;
    // Since the machine has started, which this process did later.
    assert.ok(Number(micros) / 1000 > performance.now(), `${micros}`);
    const cancel = manager.feedWatchdog();
    due.shift()!();
    assert.deepEqual([socket.next(), socket.next(), socket.next()], [
      "WATCHDOG=1",
      "WATCHDOG=1",
      null,
    ]);
    assert.deepEqual(delays, [1000, 1000]);
    cancel();
    assert.deepEqual(due, []);
    assert.equal(systemServiceManager({}, 7, timers), null);
  },
});

Deno.test("systemServiceManager goes on where nobody listens", () => {
  const timers: Timers = { after: () => () => {}, soon: () => {} };
  const env = { NOTIFY_SOCKET: `@roost-test-${crypto.randomUUID()}` };
  const manager = systemServiceManager(env, 7, timers);
  manager?.notify("READY=1");
  manager?.feedWatchdog()();
});

Deno.test("roost start reports that it serves and stops, and feeds the watchdog meanwhile", async () => {
  const machine = new FakeMachine();
  machine.onStart = () => {
    machine.signal("SIGTERM");
    machine.finish(0);
  };
  assert.equal(await machine.run(), 0);
  assert.deepEqual(machine.notified, [
    "WATCHDOG=1",
    "READY=1",
    "STATUS=serves localhost at http://h:1",
    "STOPPING=1",
    "STATUS=finishes accepted work",
    "fed no more",
  ]);
});

Deno.test("roost start reports that a place with a standby has started before it has its role", async () => {
  const machine = new FakeMachine();
  machine.onStart = () => machine.finish(0);
  machine.files.set("/cwd/secret", "a secret");
  const cells = ["name=a", "listen=127.0.0.1:0", "secretFile=/cwd/secret", "join=127.0.0.1:1"];
  const args = [...cells.map((each) => `cells.${each}`), "standby.at=b"];
  assert.equal(await machine.run(...args.flatMap((each) => ["--set", each])), 0, machine.err);
  assert.equal(machine.notified[1], "STATUS=waits until it is the primary of its store");
});
