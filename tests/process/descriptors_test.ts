import { equal, match, ok } from "node:assert/strict";
import { RawConnection } from "./hostile_client.ts";
import { Probe } from "./probe.ts";
import { register } from "./pulse.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** Files that the server may have open. */
const FILES_MAX = 300;

Deno.test("issue 9 A8: a burst beyond the file descriptors is survived, and sessions go on", async () => {
  using dir = tempDir();
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const shell = `ulimit -n ${FILES_MAX}; exec "$@"`;
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", main];
  const server = await ServerProcess.start({
    dataDir: dir.path,
    command: ["/bin/sh", "-c", shell, "sh", ...deno],
    flags: ["--registration", "open"],
  });
  try {
    const token = await register(server.url, "ann");
    const session = await Probe.connect(server.wsUrl, { auth: { token }, device: "phone" });
    const burst: Promise<RawConnection>[] = [];
    for (let i = 0; i < 1000; i++) {
      burst.push(RawConnection.open(server.url, `127.0.2.${i % 10 + 1}`));
    }
    // Those that the system takes though the server cannot.
    const opened = await Promise.all(burst);
    await new Promise<void>((resolve) => setTimeout(resolve, 500));
    for (const connection of opened) connection.destroy();
    const began = performance.now();
    const connection = await healthy(server.url).catch((error) => {
      throw new Error(`${error.message}: ${server.log}`);
    });
    ok(performance.now() - began < 20_000);
    match(connection.text, /^HTTP\/1\.1 200/);
    connection.destroy();
    equal((await session.command("ping")).t, "ok");
    await session.close();
  } finally {
    equal(await server.stop(), 0, server.log);
  }
});

/** Asks until there is an answer: a connection that the lost listener holds gets none. */
async function healthy(url: string): Promise<RawConnection> {
  for (let i = 0; i < 40; i++) {
    const connection = await RawConnection.open(url, "127.0.3.1");
    connection.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const late = new Promise<void>((resolve) => setTimeout(resolve, 500));
    await Promise.race([connection.until((text) => text.includes("ok")), late]);
    if (connection.text === "") await late;
    if (connection.text !== "") return connection;
    connection.destroy();
  }
  throw new Error("healthy: the server answers no more");
}
