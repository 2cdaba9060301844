/** A reader that stops reading in the middle of a presence storm, and what it costs the server. */
import { Client } from "./client.ts";
import { RawConnection, wsFrame } from "./hostile_client.ts";
import { Metrics } from "./metrics.ts";
import { befriend, register } from "./pulse.ts";
import type { ServerProcess } from "./server.ts";

/** Settings under which a few contacts make a storm: `group.name=value`. */
export const STORM_SETTINGS: readonly string[] = [
  "limits.presencePerSecond=1000",
  "limits.presenceBurst=1000",
  "limits.framesPerSecond=1000",
  "limits.framesBurst=1000",
  "limits.statusBytesMax=8192",
  "limits.extBytesMax=6144",
  "limits.subscriptionRequestsPerHour=1000000",
  "limits.subscriptionRequestsBurst=10000",
  "registration.perAddressPerHour=100000",
  "registration.perAddressBurst=10000",
];

/** What a stalled reader was seen to cost. */
export interface StallFigures {
  /** Most bytes that all sessions together had unsent, by `roost_outbox_bytes`. */
  readonly outboxTopBytes: number;
  /** Most resident memory over that before the stall. */
  readonly rssRiseBytes: number;
  /** Bytes that the server sent it before it was gone, the kernel's buffers included. */
  readonly takenBytes: number;
  /** From the first moment at which bytes waited for it until the server had ended it. */
  readonly goneAfterMs: number;
  /** Presence changes that the contacts made meanwhile. */
  readonly changes: number;
  /** What the server counted as ended for want of reading. */
  readonly unread: number;
}

const CHANGE_MS = 50;
const LOOK_MS = 50;
/** Longest wait for the kernel's buffers to fill, and then for the end of the connection. */
const TIMEOUT_MS = 60_000;

/** Contacts of one user who change their presence all the time, with as much text as allowed. */
class Storm {
  readonly #clients: readonly Client[];
  readonly #timer: ReturnType<typeof setInterval>;
  changes = 0;

  constructor(clients: readonly Client[]) {
    this.#clients = clients;
    const ext = "x".repeat(6000);
    const status = "y".repeat(8000);
    this.#timer = setInterval(() => {
      for (const client of clients) {
        this.changes++;
        const fields = { show: "away", status: `${this.changes}${status}`, ext };
        client.command("presence", fields).catch(() => {});
      }
    }, CHANGE_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

async function makeStorm(
  server: ServerProcess,
  contacts: number,
  watcher: readonly [string, string],
) {
  const clients: Client[] = [];
  for (let i = 0; i < contacts; i++) {
    const name = `storm-${i}`;
    const token = await register(server.url, name);
    await befriend(server.url, watcher, [name, token]);
    clients.push(await Client.connect(server.wsUrl, { auth: { token }, device: "phone" }));
  }
  return new Storm(clients);
}

/** Signs a user in over a raw connection, which then reads nothing more. */
async function stallingReader(server: ServerProcess, token: string): Promise<RawConnection> {
  const reader = await RawConnection.openWs(server.url);
  if (reader === null) throw new Error("stallingReader: the upgrade was refused");
  reader.write(wsFrame(JSON.stringify({ t: "hello", v: 1, auth: { token }, device: "phone" })));
  await reader.until((text) => text.includes('"t":"welcome"'));
  reader.stall();
  return reader;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it with `contacts` contacts in the storm; the server was started with `STORM_SETTINGS`. */
export async function stall(server: ServerProcess, contacts: number): Promise<StallFigures> {
  const token = await register(server.url, "watcher");
  const storm = await makeStorm(server, contacts, ["watcher", token]);
  const before = await Metrics.of(server.url);
  const unread = (m: Metrics) => m.get('roost_connections_bad_total{fault="unread"}');
  const reader = await stallingReader(server, token);
  const began = performance.now();
  let outboxTopBytes = 0;
  let rssTopBytes = 0;
  let waitsSinceMs = 0;
  for (;;) {
    const now = await Metrics.of(server.url);
    const outbox = now.get("roost_outbox_bytes");
    outboxTopBytes = Math.max(outboxTopBytes, outbox);
    rssTopBytes = Math.max(rssTopBytes, now.get("roost_resident_memory_bytes"));
    if (waitsSinceMs === 0 && outbox > 65_536) waitsSinceMs = performance.now();
    if (unread(now) > unread(before)) {
      const after = performance.now();
      await storm.stop();
      reader.destroy();
      return {
        outboxTopBytes,
        rssRiseBytes: rssTopBytes - before.get("roost_resident_memory_bytes"),
        takenBytes: reader.receivedBytes,
        goneAfterMs: Math.round(after - waitsSinceMs),
        changes: storm.changes,
        unread: unread(now) - unread(before),
      };
    }
    if (performance.now() - began > TIMEOUT_MS) {
      throw new Error(`stall: still there, ${outbox} bytes wait for it`);
    }
    await pause(LOOK_MS);
  }
}
