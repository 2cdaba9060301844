/** Looking into the running binary: profiles, log, metrics over the network, experiments. */
import assert from "node:assert/strict";
import { type BinaryFixture, type Check, until } from "./binary_fixture.ts";
import { Client, rest } from "../../process/client.ts";

const profiles: Check = {
  name: "CPU profile and heap snapshot of the running server",
  async run(fixture) {
    const cpu = ["profile", "cpu", "--seconds", "1", "--out", "one.cpuprofile"];
    await fixture.must([...cpu, ...fixture.data]);
    const { nodes, samples } = JSON.parse(Deno.readTextFileSync(fixture.path("one.cpuprofile")));
    assert.ok(nodes.length > 1 && samples.length > 10);
    const heap = ["profile", "heap", "--out", "one.heapsnapshot", "--force"];
    await fixture.must([...heap, ...fixture.data]);
    const text = Deno.readTextFileSync(fixture.path("one.heapsnapshot"));
    assert.ok(JSON.parse(text).nodes.length > 1000);
    const again = await fixture.roost([...heap, ...fixture.data]);
    assert.match(again.err, /it exists already\n$/);
    return `${samples.length} samples, heap of ${(text.length / 1e6).toFixed(1)} MB`;
  },
};

const log: Check = {
  name: "log level changed while it runs",
  async run(fixture) {
    const level = (...words: readonly string[]) =>
      fixture.must(["log", "level", ...words, ...fixture.data]);
    const { server } = fixture;
    assert.equal(await level(), "info\n");
    assert.equal(await level("debug"), "debug\n");
    const [gus] = await fixture.people(server.url, "gus");
    const send = (key: string) =>
      rest(server.url, "POST", "/v1/messages", {
        token: gus!,
        key,
        body: { to: "gus", body: "to myself" },
      });
    await send("one");
    await until("the trace", () => server.log, (text) => /message accepted/.test(text));
    assert.equal(await level("info"), "info\n");
    await send("two");
    const traces = server.log.match(/message accepted/g)?.length;
    assert.equal(traces, 1);
    return "info, debug, info";
  },
};

/** Where the admin API listens; it is printed after the server's own address. */
export async function adminUrl({ server }: BinaryFixture): Promise<string> {
  const line = /The admin API listens at (\S+); its token is in \S+/;
  return line.exec(await until("its line", () => server.output, (text) => line.test(text)))![1]!;
}

const network: Check = {
  name: "the admin API and metrics on the admin listener, with its token alone",
  async run(fixture) {
    const url = await adminUrl(fixture);
    const get = async (path: string, token: string | null) => {
      const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(url + path, { headers });
      return { status: response.status, text: await response.text() };
    };
    const token = (await fixture.must(["admin", "token", ...fixture.data])).trim();
    const { text } = await get("/metrics", token);
    assert.match(text, /^roost_ready 1$/m);
    assert.equal((await get("/admin/status", token)).status, 200);
    assert.equal((await get("/metrics", null)).status, 401);
    const renewed = (await fixture.must(["admin", "token", "--new", ...fixture.data])).trim();
    assert.equal((await get("/admin/status", token)).status, 401);
    assert.equal((await get("/admin/status", renewed)).status, 200);
    const families = text.match(/^# TYPE /gm)?.length ?? 0;
    return `${families} metrics at ${url}`;
  },
};

const experiments: Check = {
  name: "an experiment toggled while it runs",
  async run(fixture) {
    const run = (...words: readonly string[]) => fixture.must([...words, ...fixture.data]);
    const set = (...words: readonly string[]) =>
      run("experiment", "set", "offline-grace", ...words);
    const { server } = fixture;
    assert.equal(await set("--arms", "short=100"), "offline-grace is short=100.\n");
    assert.match(await run("experiment", "list"), /offline-grace +short=100 +set/);
    const [hal] = await fixture.people(server.url, "hal");
    const device = await Client.connect(server.wsUrl, { auth: { token: hal! } });
    const counted = /arm="short",what="sessions"\} ([1-9]\d*)/;
    const metrics = () => fetch(`${server.url}/metrics`).then((answer) => answer.text());
    const text = await until("its count", metrics, (all) => counted.test(all));
    await device.close();
    assert.match(await set("--off"), /is off/);
    await set("--default");
    return `${counted.exec(text)![1]} sessions counted in the arm short`;
  },
};

/** All of it. */
export const LOOK_CHECKS: readonly Check[] = [profiles, log, network, experiments];
