import { equal, ok } from "node:assert/strict";
import { RawConnection } from "./hostile_client.ts";
import { Metrics } from "./metrics.ts";
import { Probe } from "./probe.ts";
import { befriend, register } from "./pulse.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Files that the server may have open, and connections that come at once. */
const SIZES = [{ filesMax: 300, burst: 1000 }, { filesMax: 1024, burst: 2048 }] as const;

/** A server that may open so many files. */
async function startWithin(filesMax: number, dataDir: string): Promise<ServerProcess> {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const shell = `ulimit -n ${filesMax}; exec "$@"`;
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", main];
  return await ServerProcess.start({
    dataDir,
    command: ["/bin/sh", "-c", shell, "sh", ...deno],
    flags: ["--registration", "open", "--set", "limits.sendsBurst=100"],
  });
}

/** What a stream has brought so far; `until` resolves when it holds the text. */
async function openStream(url: string, token: string) {
  const abort = new AbortController();
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  const { body } = await fetch(`${url}/v1/events`, { headers, signal: abort.signal });
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async until(wanted: string): Promise<void> {
      while (!text.includes(wanted)) {
        const { value, done } = await reader.read();
        ok(!done, `the stream ended: ${text}`);
        text += value;
      }
    },
    end: () => abort.abort(),
  };
}

/** Opens all at once. Returns those that got a response or broke off, and those that wait. */
async function burstOf(url: string, count: number): Promise<Record<"over" | "open", number>> {
  const attempts = Array.from(
    { length: count },
    (_, i) => RawConnection.open(url, `127.0.2.${i % 10 + 1}`),
  );
  // Those that the system takes though the server cannot, too.
  const opened = await Promise.all(attempts);
  await new Promise<void>((resolve) => setTimeout(resolve, 4000));
  const over = opened.filter((connection) => connection.over).length;
  for (const connection of opened) connection.destroy();
  return { over, open: count - over };
}

for (const { filesMax, burst } of SIZES) {
  Deno.test(`issue 9 A8: ${burst} at once over ${filesMax} files are refused, sessions go on`, async () => {
    using dir = tempDir();
    const server = await startWithin(filesMax, dir.path);
    try {
      const { url, wsUrl } = server;
      const [ann, bob] = [await register(url, "ann"), await register(url, "bob")];
      await befriend(url, ["ann", ann], ["bob", bob]);
      const session = await Probe.connect(wsUrl, { auth: { token: ann }, device: "phone" });
      const stream = await openStream(url, bob);
      const say = async (text: string) => {
        const sent = await session.command("send", {
          to: "bob",
          key: text.replaceAll(" ", "-"),
          body: text,
        });
        equal(sent.t, "ok", JSON.stringify(sent));
        await stream.until(text);
      };
      await say("before the burst");
      const seen = burstOf(url, burst);
      for (let i = 0; i < 20; i++) await say(`during the burst ${i}`);
      const { over, open } = await seen;
      // A client that is not served gets a refusal, or a reset: nobody waits in the system's queue.
      ok(open < filesMax, `${over} refused, ${open} left waiting\n${server.log}`);
      await say("after the burst");
      const began = performance.now();
      const connection = await healthy(url).catch((error) => {
        throw new Error(`${error.message}: ${server.log}`);
      });
      ok(performance.now() - began < 20_000);
      connection.destroy();
      const metrics = await Metrics.of(url);
      const logged = server.log.match(/listener_reopened/g) ?? [];
      equal(metrics.get("roost_listener_reopened_total"), logged.length);
      stream.end();
      await session.close();
    } finally {
      equal(await server.stop(), 0, server.log);
    }
  });
}

/** Asks until it is served: the lost listener answers nobody, and a full server takes nobody. */
async function healthy(url: string): Promise<RawConnection> {
  for (let i = 0; i < 40; i++) {
    const connection = await RawConnection.open(url, "127.0.3.1");
    connection.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const late = new Promise<void>((resolve) => setTimeout(resolve, 500));
    await Promise.race([connection.until((text) => text.includes("ok")), late]);
    if (connection.text === "") await late;
    if (connection.text.startsWith("HTTP/1.1 200")) return connection;
    if (connection.text !== "") await late;
    connection.destroy();
  }
  throw new Error("healthy: the server answers no more");
}
