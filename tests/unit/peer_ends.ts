/** Links of nodes over real sockets of loopback, for tests. */
import assert from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { openTcpLinks, type TcpLinksOptions } from "../../server/peer/tcp_links.ts";
import type { Peer, PeerFrame, PeerLinks } from "../../server/node/peers.ts";
import { retries } from "../../server/settings.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemRandom } from "../../server/system/random.ts";
import { systemTimers } from "../../server/system/timers.ts";

/** The secret of the cell. */
export const SECRET = new TextEncoder().encode("a secret of the cell that nobody else knows");
/** Two of its nodes; A dials. */
export const A = { id: "node00000000000a" as NodeId, incarnation: 1 };
export const B = { id: "node00000000000b" as NodeId, incarnation: 1 };
const LIMIT_MS = 20_000;

/** One node's links, and what they have told it. */
export class End {
  readonly told: string[] = [];
  readonly frames: PeerFrame[] = [];
  readonly #memory = memoryLog();
  links!: PeerLinks;

  static async open(node: typeof A, given: Partial<TcpLinksOptions> = {}): Promise<End> {
    const end = new End();
    end.links = await openTcpLinks({
      clock: systemClock(),
      timers: systemTimers(),
      random: systemRandom(),
      log: end.#memory.log,
      retries: retries(configOf("/data")),
      bind: { host: "127.0.0.1", port: 0 },
      advertise: null,
      secret: SECRET,
      cell: "example.org",
      tls: "public",
      ...given,
    });
    end.links.start(node, {
      linked: (peer: Peer) => end.told.push(`linked ${peer.key}`),
      unlinked: (peer: Peer, gone: boolean) => end.told.push(`unlinked ${peer.key} ${gone}`),
      frame: (_, frame) => end.frames.push(frame),
    });
    return end;
  }

  /** Lines of its log. */
  get lines(): readonly { readonly event: string; readonly fields: object }[] {
    return this.#memory.lines;
  }

  /** Why links were refused, as `cause: why`. */
  get refused(): readonly string[] {
    return this.#memory.lines.filter(({ event }) => event === "link refused")
      .map(({ fields }) => `${fields["cause"]}: ${fields["why"]}`);
  }

  /** The port where it listens. */
  get port(): number {
    return Number(this.links.address.split(":").at(-1));
  }

  expect(node: typeof A, other: End): void {
    this.links.expect([{ ...node, address: other.links.address }]);
  }

  stop(): Promise<void> {
    return new Promise((done) => this.links.stop(done));
  }
}

/** Resolves when something holds. */
export async function until(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !holds();) {
    assert.ok(performance.now() < endMs, "it takes too long");
    await new Promise((done) => setTimeout(done, 5));
  }
}
