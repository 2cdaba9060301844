/** Clients whose home cell is lost wait at another cell until it is back, each cell a real server. */
import assert from "node:assert/strict";
import { Metrics } from "./metrics.ts";
import { rest } from "./client.ts";
import { tempDir } from "./server.ts";
import { TwoCells } from "./two_cells.ts";
import { until } from "./until.ts";

const WAITING = "roost_cells_waiting_clients";

/** Says hello at a cell, over a WebSocket; what it is refused with, and whether it was by now. */
function greet(wsUrl: string, hello: Readonly<Record<string, unknown>>) {
  const socket = new WebSocket(wsUrl);
  const said = { refused: false };
  const refusal = new Promise<{ code: string; servers: string[] }>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ t: "hello", v: 1, ...hello }));
    socket.onclose = () => reject(new Error("closed without a word"));
    socket.onmessage = ({ data }) => {
      said.refused = true;
      resolve(JSON.parse(data));
    };
  });
  // One that goes away gets none.
  refusal.catch(() => {});
  return { socket, said, refusal };
}

/** Waits until so many clients wait at a server. */
async function waitingAt(url: string, count: number): Promise<void> {
  await Metrics.when(url, (metrics) => metrics.sum(WAITING) === count);
}

Deno.test("12.8: clients of a lost cell wait at another one, and learn its new address when it is back", async () => {
  using dir = tempDir();
  const cells = await TwoCells.start(dir.path);
  const { a, b } = cells;
  try {
    const account = { user: "bob", password: "correct horse battery", device: "desk" };
    const { token } = await rest<{ token: string }>(b.url, "POST", "/v1/register", {
      body: account,
    });
    const [auth, wait] = [{ token }, 20];
    await until("the directory", async () => {
      const { code } = await greet(a.wsUrl, { auth, wait }).refusal;
      return code === "moved";
    });
    await b.kill();
    await until("the link is cut", async () => {
      const { socket, said } = greet(a.wsUrl, { auth, device: "desk", wait });
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.close();
      return !said.refused;
    });
    assert.deepEqual((await greet(a.wsUrl, { auth }).refusal).servers, [b.url], "no offer");
    const clients = [
      greet(a.wsUrl, { auth, wait }),
      greet(a.wsUrl, { auth, device: "desk", wait }),
    ];
    const request = fetch(`${a.url}/v1/sessions?wait=${wait}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    await waitingAt(a.url, 3);
    assert.deepEqual(clients.map(({ said }) => said.refused), [false, false]);
    const gone = greet(a.wsUrl, { auth, wait });
    await waitingAt(a.url, 4);
    gone.socket.close();
    await waitingAt(a.url, 3);
    const again = await cells.restart();
    try {
      const response = await request;
      const refusals = [await response.json()];
      for (const { refusal } of clients) refusals.push(await refusal);
      for (const { code, servers } of refusals) {
        assert.deepEqual([code, servers], ["moved", [again.url]]);
      }
      assert.equal(response.status, 421);
      await waitingAt(a.url, 0);
    } finally {
      await again.stop();
    }
  } finally {
    await a.stop();
    await b.kill();
  }
});
