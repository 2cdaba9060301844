/** Users who write at all nodes of a cell, and how long it takes until every shard writes. */
import { again, pause, Sender, untilAll } from "./cell_load.ts";
import type { CellNodes } from "./cell_nodes.ts";
import { type Event, faultsOf, mailbox, makeUsers, USERS } from "./crash.ts";
import { Prng } from "../sim/prng.ts";
import { rest } from "../process/client.ts";
import type { ServerProcess } from "../process/server.ts";

/** Before, after and at the end of what is under load, ms. */
const CALM_MS = 3000;

/** How long until a write of every shard is acknowledged at a node (ms). */
export function untilWritten({ url }: ServerProcess, tokens: readonly string[]): Promise<number> {
  return untilAll(tokens, async (token) => {
    // One of the two is a change.
    for (const messagesFrom of ["anyone", "contacts"]) {
      await rest(url, "PUT", "/v1/settings", { token, body: { messagesFrom } });
    }
  });
}

/** Users at all nodes who send until the run is over, and what was found in the end. */
export async function underLoad(nodes: CellNodes, seed: number, run: () => Promise<void>) {
  const first = nodes.all[0]!;
  const tokens = await makeUsers(first);
  const senders = USERS.map((name, i) =>
    new Sender(name, tokens.get(name)!, nodes.live, new Prng(seed + i + 1))
  );
  const running = senders.map((s) => s.run());
  await pause(CALM_MS);
  await run();
  await pause(CALM_MS);
  for (const s of senders) s.stopped = true;
  await Promise.all(running);
  await pause(CALM_MS);
  const boxes = new Map<string, Event[]>();
  for (const user of USERS) boxes.set(user, await again(() => mailbox(first, tokens.get(user)!)));
  return {
    acked: senders.reduce((sum, s) => sum + s.acked.size, 0),
    repeated: senders.reduce((sum, s) => sum + s.repeated, 0),
    faults: faultsOf(senders, boxes),
  };
}
