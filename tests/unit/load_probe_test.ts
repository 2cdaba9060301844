import assert from "node:assert/strict";
import {
  parseChildren,
  parseCpuUs,
  parseListener,
  parseLock,
  parseMetrics,
  parseStatus,
  sumOfUses,
} from "../../server/load/probe.ts";
import { metricsDelta } from "../../server/load/server_view.ts";
import { thisMachine } from "../../server/load/machine.ts";

Deno.test("parseCpuUs adds user and system time, whatever the process is called", () => {
  const stat = "42 (a) b) (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 12 0 900 1 2";
  assert.equal(parseCpuUs(stat), 3_000_000);
  assert.equal(parseCpuUs(""), null);
});

Deno.test("11: a server of several processes uses what its supervisor and its workers use", () => {
  assert.deepEqual(parseChildren("12 345 6 \n"), [12, 345, 6]);
  assert.deepEqual(parseChildren(""), []);
  const one = { cpuUs: 1, rssBytes: 20, threads: 3 };
  assert.deepEqual(sumOfUses([one, one, one]), { cpuUs: 3, rssBytes: 60, threads: 9 });
});

Deno.test("parseStatus and parseLock read what they are for, or nothing", () => {
  assert.deepEqual(parseStatus("Name:\tx\nVmRSS:\t  2048 kB\nThreads:\t7\n"), {
    rssBytes: 2_097_152,
    threads: 7,
  });
  assert.equal(parseStatus("Name:\tx\n"), null);
  assert.equal(parseLock("1234\n"), 1234);
  for (const text of ["", "0", "x", "-5"]) assert.equal(parseLock(text), null);
});

Deno.test("parseMetrics adds up labels, leaves buckets out, and skips what is no number", () => {
  const sums = parseMetrics(
    '# HELP a_total x\n# TYPE a_total counter\na_total{k="x"} 2\na_total{k="y}"} 3 1700\n' +
      'h_bucket{le="1"} 9\nh_sum 1.5e-3\nh_count 4\nbad NaN\nrubbish\n',
  );
  assert.deepEqual([...sums], [["a_total", 5], ["h_sum", 0.0015], ["h_count", 4]]);
});

Deno.test("metricsDelta subtracts counters and keeps gauges", () => {
  const before = new Map([["a_total", 5], ["b", 5], ["same_total", 1]]);
  const after = new Map([["a_total", 7], ["b", 6], ["new_count", 3], ["same_total", 1]]);
  assert.deepEqual(metricsDelta(before, after), { a_total: 2, b: 6, new_count: 3 });
  assert.deepEqual(metricsDelta(null, null), {});
});

Deno.test("parseListener finds the socket that listens on a port, and no other", () => {
  const tcp = "  sl  local_address rem_address   st tx rx tr tm retrnsmt   uid  timeout inode\n" +
    "   0: 0100007F:20E4 0100007F:1234 01 0:0 0:0 0 0 0 111 1\n" +
    "   1: 0100007F:20E4 00000000:0000 0A 0:0 0:0 0 0 0 222 1\n" +
    "   2: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 333 1\n";
  assert.equal(parseListener(tcp, 8420), "222");
  assert.equal(parseListener(tcp, 80), "333");
  assert.equal(parseListener(tcp, 81), null);
});

Deno.test("thisMachine sees this process as it sees a server", () => {
  const machine = thisMachine();
  const use = machine.use(Deno.pid);
  assert.ok(use !== null && use.cpuUs > 0 && use.rssBytes > 1e6 && use.threads > 0);
  assert.equal(machine.use(2 ** 30), null);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  assert.equal(machine.serverPid({ dataDir: null, port }), Deno.pid);
  listener.close();
  const before = machine.nowUs();
  assert.ok(Math.abs(before / 1000 - Date.now()) < 1000);
  assert.ok(machine.nowUs() >= before);
});

Deno.test("thisMachine writes secret files for their owner alone, in one step", async () => {
  const machine = thisMachine();
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/deep/pool.json`;
    await machine.writeFile(path, "a", true);
    await machine.writeFile(path, "b", true);
    assert.equal(await machine.readFile(path), "b");
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    await machine.appendFile(`${dir}/log`, "1\n");
    await machine.appendFile(`${dir}/log`, "2\n");
    assert.equal(await machine.readFile(`${dir}/log`), "1\n2\n");
    await machine.removeFile(path);
    await machine.removeFile(path);
    assert.equal(await machine.readFile(path), null);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
