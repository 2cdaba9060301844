/** Bursts: many connections that are open, write all at once, and what others notice of it. */
import { handshake, wsFrame } from "./hostile_client.ts";
import type { Bystander, Seen } from "./bystander.ts";
import type { BurstOrder, BurstReport } from "./hostile_burst_worker.ts";
import { peakRssOf, rssOf } from "./pinned.ts";
import type { ServerProcess } from "./server.ts";

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array();
const MB = 2 ** 20;

/** What each connection of a burst writes. */
export type BurstKind = Pick<BurstOrder, "head" | "body">;

function repeat(part: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(part.length * count);
  for (let i = 0; i < count; i++) all.set(part, i * part.length);
  return all;
}

/** The bursts, by name. */
export const BURSTS: Readonly<Record<string, BurstKind>> = {
  "2,000 requests": {
    head: NOTHING,
    body: repeat(utf8.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 2000),
  },
  "pings before the hello": {
    head: utf8.encode(handshake()),
    body: repeat(wsFrame("", { opcode: 9 }), 10_900),
  },
  "empty frames before the hello": {
    head: utf8.encode(handshake()),
    body: repeat(wsFrame(""), 10_900),
  },
};

/** What was seen of a burst. */
export interface BurstFigures extends BurstReport {
  readonly seen: Seen;
  /** Most resident memory until the end, and what is resident then (MB). */
  readonly peakMb: number;
  readonly restMb: number;
}

/** Opens `count` connections from `from`, lets them write, and watches for `keptMs` from then on. */
export async function burst(
  server: ServerProcess,
  bystander: Bystander,
  kind: BurstKind,
  { count, from, keptMs }: Pick<BurstOrder, "count" | "from" | "keptMs">,
): Promise<BurstFigures> {
  const worker = new Worker(new URL("hostile_burst_worker.ts", import.meta.url), {
    type: "module",
  });
  const next = () =>
    new Promise<BurstReport | "open">((resolve, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      worker.onmessage = (event) => resolve(event.data);
    });
  const opened = next();
  worker.postMessage({ ...kind, url: server.url, count, from, keptMs } satisfies BurstOrder);
  await opened;
  bystander.cut();
  const ended = next();
  const began = performance.now();
  worker.postMessage("go");
  const report = await ended as BurstReport;
  const restMs = keptMs - (performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, restMs)));
  worker.terminate();
  return {
    ...report,
    seen: bystander.cut(),
    peakMb: Math.round(peakRssOf(server.pid) / MB),
    restMb: Math.round(rssOf(server.pid) / MB),
  };
}
