/**
 * A server in this process, over a real store and real sockets, whose appends a test can hold and
 * fail, and every series that it exports with the values that were seen.
 */
import { Hono } from "hono";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Done, LogBatch, StoreError } from "../../server/node/ports.ts";
import { addServiceRoutes } from "../../server/ops/services_api.ts";
import { addProvisionRoute } from "../../server/load/provision_route.ts";
import { adminDeps } from "../../server/ops/accounts.ts";
import { announceFirst } from "../../server/gateway/presences.ts";
import { configOf } from "../../server/config/config.ts";
import { createFront } from "../../server/front.ts";
import type { Front } from "../../server/front_types.ts";
import { type OpenNode, openNode } from "../../server/open.ts";
import { openServices } from "../../server/services.ts";
import { systemProcess } from "../../server/system/process.ts";

const DAY_MS = 86_400_000;

type Append = OpenNode["ports"]["store"]["append"];

/** Appends as a test wants them. */
export class Appends {
  #held: (() => void)[] | null = null;
  #faults: (Exclude<StoreError["kind"], "damaged">)[] = [];

  constructor(store: { append: Append }) {
    const append = store.append.bind(store);
    store.append = (batches, done) => this.#append(append, batches, done);
  }

  /** The next append fails like this, and has not happened. */
  fail(kind: Exclude<StoreError["kind"], "damaged">): void {
    this.#faults.push(kind);
  }

  /** Appends wait until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const append of held) append();
  }

  #append(append: Append, batches: readonly LogBatch[], done: Done): void {
    if (this.#held !== null) {
      this.#held.push(() => this.#append(append, batches, done));
      return;
    }
    const kind = this.#faults.shift();
    if (kind === undefined) return append(batches, done);
    const shards = batches.map(({ shard }) => shard);
    const error = kind === "fenced"
      ? { kind, message: "a test", shards }
      : { kind, message: "a test" };
    setTimeout(() => done(error), 0);
  }
}

/** What the series of `/metrics` have been; buckets of histograms are left out. */
export class SeriesSeen {
  readonly #values = new Map<string, Set<number>>();
  #looks = 0;

  /** Notes the values of a reading. */
  add(text: string): void {
    this.#looks++;
    for (const line of text.split("\n")) {
      const [, name, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      if (name === undefined || /_bucket\{/.test(name)) continue;
      let values = this.#values.get(name);
      // What appears later was 0 before.
      if (values === undefined) {
        this.#values.set(name, values = new Set(this.#looks > 1 ? [0] : []));
      }
      values.add(Number(value));
    }
  }

  /** Those that have had one value only, by name and labels. */
  unmoved(): readonly string[] {
    return [...this.#values].filter(([, values]) => values.size === 1).map(([name]) => name);
  }

  get size(): number {
    return this.#values.size;
  }
}

/** See the head of this file. */
export interface MeteredNode {
  readonly open: OpenNode;
  readonly front: Front;
  /** The admin API, with `/metrics`. */
  readonly admin: Hono;
  readonly appends: Appends;
  readonly series: SeriesSeen;
  /** Reads the metrics; returns their text. */
  look(): Promise<string>;
  close(): Promise<void>;
}

/** Starts one as `server/start.ts` does. */
export async function openMetered(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<MeteredNode> {
  const config = configOf(dataDir, settings);
  let deliver: (packet: EdgePacket) => void = () => {};
  const opening = { makes: true, serves: true };
  const open = await openNode(config, (packet) => deliver(packet), opening);
  const appends = new Appends(open.ports.store);
  const opened = await openServices(config, open, (o, done) => front.openSession(o, done));
  const services = { ...opened, push: null };
  const front = await createFront(config, open, systemProcess(), services);
  deliver = announceFirst(services.gateway.presences, (packet) => front.deliver(packet));
  services.gateway.start();
  const admin = new Hono();
  const deps = adminDeps(open.node, open.ports, open.signIn, {
    inviteMs: DAY_MS,
    resetMs: DAY_MS,
    publicUrl: null,
  }, () => Promise.resolve(null));
  addProvisionRoute(admin, deps);
  addServiceRoutes(admin, services.gateway, services.experiments);
  front.addAdminRoutes(admin);
  const series = new SeriesSeen();
  const look = async () => {
    const text = await (await admin.request("/metrics")).text();
    series.add(text);
    return text;
  };
  const close = async () => {
    services.gateway.stop();
    await front.drain();
    await look();
    await open.close();
  };
  return { open, front, admin, appends, series, look, close };
}
