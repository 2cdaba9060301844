/** What a real server's metrics count of sign-ins and of rates that limit clients. */
import assert from "node:assert/strict";
import { freePort } from "./pinned.ts";
import { Metrics } from "./metrics.ts";
import { Probe } from "./probe.ts";
import { Refused, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const PASSWORD = "correct horse";
const COUNTED = /^roost_(sign_ins|rate_limited)_total/;

/** What has been counted since `before`, without the metrics' names. */
async function counted(server: ServerProcess, before: Metrics): Promise<Record<string, number>> {
  const risen = Object.entries((await Metrics.of(server.url)).since(before));
  return Object.fromEntries(
    risen.filter(([name]) => COUNTED.test(name)).map(([name, n]) => [name.replace(COUNTED, ""), n]),
  );
}

interface Live {
  readonly last: number;
  readonly at: readonly number[];
  readonly series: Readonly<Record<string, readonly number[]>>;
}

/** What the dashboard gets since its start, when that fits; the last of it after 15 s. */
async function dashboard(dir: string, port: number, fits: (live: Live) => boolean): Promise<Live> {
  const token = (await roost(["admin", "token", "--data", dir])).out.trim();
  const headers = { authorization: `Bearer ${token}` };
  const endMs = performance.now() + 15_000;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/admin/live`, { headers });
    const live: Live = await response.json();
    if (fits(live) || performance.now() > endMs) return live;
  }
}

/** How often something has happened, of samples that say how often a second. */
function times({ at, series }: Live, name: string): number {
  const happened = series[name]!.map((rate, i) =>
    i === 0 ? 0 : rate * (at[i]! - at[i - 1]!) / 1000
  );
  return Math.round(happened.reduce((sum, n) => sum + n, 0));
}

Deno.test("metrics count sign-ins by kind and result, and what rates limit", async () => {
  using dir = tempDir();
  const port = freePort();
  const flags = [
    ...["--set", `admin.listen=127.0.0.1:${port}`],
    ...["--set", "limits.presencePerSecond=1", "--set", "limits.presenceBurst=1"],
  ];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  // What happened before the first sample is in none.
  await dashboard(dir.path, port, ({ last }) => last > 0);
  const before = await Metrics.of(server.url);
  const post = (path: string, body: Readonly<Record<string, unknown>>, token?: string) =>
    rest<{ token: string } & Record<string, unknown>>(server.url, "POST", path, {
      body,
      ...(token === undefined ? {} : { token }),
    });
  const ann = { user: "ann", password: PASSWORD, device: "phone" };
  const { token } = await post("/v1/register", ann);
  await assert.rejects(post("/v1/register", ann), Refused);
  await assert.rejects(post("/v1/auth/password", { ...ann, password: "wrong" }), Refused);
  await assert.rejects(post("/v1/auth/password", { user: "ann" }), Refused);
  await (await Probe.connect(server.wsUrl, { auth: { user: "ann", password: PASSWORD } })).close();
  const probe = await Probe.connect(server.wsUrl, { auth: { token }, device: "phone" });
  const none = `${token.slice(0, -43)}${"A".repeat(43)}`;
  for (const device of [{ device: "phone" }, {}]) {
    await assert.rejects(Probe.connect(server.wsUrl, { auth: { token: none }, ...device }));
  }
  let limited = 0;
  for (let i = 0; i < 8; i++) {
    if ((await probe.command("presence", { show: "dnd" }))["code"] === "rate_limited") limited++;
  }
  await probe.close();
  assert.deepEqual(await counted(server, before), {
    '{kind="register",result="ok"}': 1,
    '{kind="register",result="refused"}': 1,
    '{kind="password",result="ok"}': 1,
    '{kind="password",result="refused"}': 1,
    '{kind="token",result="ok"}': 1,
    '{kind="token",result="refused"}': 2,
    '{limit="presence"}': limited,
  });
  const live = await dashboard(dir.path, port, (live) => times(live, "rateLimited") >= limited);
  assert.deepEqual([times(live, "signInsRefused"), times(live, "rateLimited")], [4, limited]);
  assert.equal(await server.stop(), 0);
});
