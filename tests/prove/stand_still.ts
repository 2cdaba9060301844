/**
 * One node of a cell stands still for three leases, while others take its shards over and accounts are
 * changed there. Requests for those accounts wait at the node when it goes on: it must not answer them
 * from what it has in memory.
 */
import { again, pause, untilServed } from "./cell_load.ts";
import { rest } from "../process/client.ts";
import type { ServerProcess } from "../process/server.ts";

/** Three leases (ms), and the part of it in which the requests arrive at the node's sockets. */
export const STOPPED_MS = 9000;
const ARRIVE_MS = 500;
/** How long their responses may take (ms). */
const RESPONSE_MS = 10_000;

/** What the requests got. */
export interface StandStill {
  readonly reads: number;
  readonly stale: readonly string[];
}

/** Position of an account's mailbox. */
async function position({ url }: ServerProcess, token: string): Promise<number> {
  const { cursor } = await rest<{ cursor: string }>(url, "GET", "/v1/snapshot", { token });
  return Number(cursor.split(":")[1]);
}

/** Changes an account; resolves with the position of its mailbox after that. */
function change(server: ServerProcess, token: string): Promise<number> {
  return again(async () => {
    for (const messagesFrom of ["anyone", "contacts"]) {
      await rest(server.url, "PUT", "/v1/settings", { token, body: { messagesFrom } });
    }
    return await position(server, token);
  });
}

/** Stops a node, changes the accounts of `tokens` at another one, and lets it go on. */
export async function standStill(
  stopped: ServerProcess,
  other: ServerProcess,
  tokens: readonly string[],
): Promise<StandStill> {
  // Their owners have them in memory, and the node has checked their tokens.
  await Promise.all(tokens.map((token) => again(() => position(stopped, token))));
  Deno.kill(stopped.pid, "SIGSTOP");
  const stoppedMs = performance.now();
  let floors: readonly number[];
  let asked: Promise<number | null>[];
  try {
    await untilServed(other, tokens);
    floors = await Promise.all(tokens.map((token) => change(other, token)));
    asked = tokens.map((token) => position(stopped, token).catch(() => null));
    await pause(Math.max(ARRIVE_MS, STOPPED_MS - (performance.now() - stoppedMs)));
  } finally {
    Deno.kill(stopped.pid, "SIGCONT");
  }
  const late = pause(RESPONSE_MS).then(() => null);
  const found = await Promise.all(asked.map((read) => Promise.race([read, late])));
  const stale = found.flatMap((seq, i) =>
    seq !== null && seq < floors[i]!
      ? [`the node that stood still reads ${seq}, ${floors[i]} was acked before`]
      : []
  );
  return { reads: found.filter((seq) => seq !== null).length, stale };
}
