/**
 * Seeds of a store with a standby as its processes are wired: kills, pauses, cuts, full disks, failed
 * writes, handovers and orders to take over at random, while messages are written wherever the store is
 * served; then healing. No two processes serve; what was acknowledged is never lost in mode `sync`; in
 * mode `async` it is sent again once, and clients' cursors end where something is missing.
 */
import type { CellName } from "../../shard/name/ids.ts";
import { A, B, type Server, StandbyPlaces, W } from "./standby_places.ts";
import type { Place } from "./standby_hosts.ts";
import { KeptMessages, messageRow, messagesOn } from "./standby_messages.ts";
import { MemoryDisk } from "./memory_store.ts";
import { Prng } from "./prng.ts";
import type { SeedReport } from "./seed.ts";
import type { TakeUnreplicated } from "../../server/standby/unreplicated_delivery.ts";
import { VirtualTime } from "./virtual_time.ts";

const FAULTS_MS = 90_000;
/** After the last fault the store is served, and the standby in sync, within this time. */
const HEALED_WITHIN_MS = 60_000;
/** Messages that are sent again leave within this time after that. */
const SENT_AGAIN_MS = 15_000;
const LINK_MS = 100;

class Simulation {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly sync: boolean;
  readonly places: StandbyPlaces;
  readonly lines: string[] = [];
  checked = 0;
  readonly #places = new Map<CellName, Place>();
  /** Messages that were acknowledged, and how often cursors had ended where the process began. */
  readonly #acked = new Map<string, number>();
  #resets = 0;
  readonly #begun = new Map<Server, number>();
  /** Where the next message of a process goes. */
  readonly #next = new Map<Server, number>();
  #ids = 0;
  #linkedMs = 0;

  constructor(seed: number, handBackMs: number | null = null) {
    this.prng = new Prng(`places ${seed}`);
    this.sync = this.prng.chance(0.5);
    for (const name of [A, B, W]) {
      const disk = new MemoryDisk(this.time, this.prng.fork(name));
      this.#places.set(name, {
        name,
        disk,
        roles: null,
        messages: new KeptMessages(),
        full: false,
        fault: null,
      });
    }
    this.places = new StandbyPlaces({
      time: this.time,
      prng: this.prng,
      sync: this.sync,
      workers: seed % 2 === 1,
      handBackMs,
      place: (name) => this.#places.get(name)!,
      say: (text) => this.say(text),
      opened: (server, resets) => this.#opened(server, resets),
    });
  }

  say(text: string): void {
    this.lines.push(`${this.time.nowMs.toFixed(0).padStart(8)} ${text}`);
  }

  // ---- clients

  #opened(server: Server, resets: boolean): void {
    const { ids, last } = messagesOn(server.place.disk);
    this.#next.set(server, last + 1);
    const here = new Set(ids);
    const missing = [...this.#acked.keys()].filter((id) => !here.has(id));
    this.say(`${server.place.name} has opened the store${resets ? ", cursors end" : ""}`);
    if (missing.length > 0 && this.sync) {
      throw new Error(
        `${missing.join()} are acknowledged, and ${server.place.name} serves without`,
      );
    }
    server.member.takeUnreplicated = this.#resubmitter(server);
    this.#noteMissing(server, missing, resets);
    if (resets) this.#resets++;
    this.#begun.set(server, this.#resets);
  }

  /** Messages that a process lacks now were there for clients: their cursors must have ended. */
  #noteMissing(server: Server, missing: readonly string[], resets: boolean): void {
    // A former primary may acknowledge late: its clients' cursors have ended where the next one began.
    const news = missing.filter((id) =>
      !this.#knownMissing.has(id) && this.#acked.get(id) === this.#resets
    );
    for (const id of missing) this.#knownMissing.add(id);
    if (news.length === 0 || resets) return;
    throw new Error(`${news.join()} are missing at ${server.place.name}, and cursors go on`);
  }
  readonly #knownMissing = new Set<string>();

  #resubmitter(server: Server): TakeUnreplicated {
    return (messages, taken) => {
      const here = new Set(messagesOn(server.place.disk).ids);
      const again = messages.map(({ id }) => id).filter((id) => !here.has(id));
      this.say(`${again.join()} are sent again`);
      let left = again.length;
      if (left === 0) return taken();
      for (const id of again) {
        this.#write(server, id, () => {
          left--;
          if (left === 0) taken();
        });
      }
    };
  }

  #write(server: Server, id: string, done: () => void): void {
    const at = this.#next.get(server)!;
    this.#next.set(server, at + 1);
    server.rows!.write([messageRow(at, id)], (error) => {
      if (error === null) done();
    });
  }

  #send(): void {
    for (const server of this.places.servers) {
      if (server.rows === null || server.host.process.state !== "running") continue;
      if (server.member.mayServe !== true) continue;
      const id = `m${++this.#ids}`;
      this.#write(server, id, () => void this.#acked.set(id, this.#begun.get(server)!));
    }
  }

  // ---- checks

  check(): void {
    this.checked++;
    this.#checkRegister();
    const serving = [...this.places.servers].filter(({ host, member, rows }) =>
      rows !== null && host.process.state === "running" && member.mayServe === true
    ).map(({ place }) => place.name);
    // Whom the own place's process serves, its workers serve as well.
    const works = !serving.includes(A) && this.places.workers.some(({ mayServe }) => mayServe);
    if (works) serving.push(A);
    if (serving.length < 2) return;
    throw new Error(`${serving.join()} serve at once`);
  }

  /** The register had one value at each version, for all who have read it. */
  #checkRegister(): void {
    for (const { fault, name } of this.#places.values()) {
      if (fault !== null) throw new Error(`${name} ${fault}`);
    }
    for (const { registered } of this.places.members) {
      if (registered === null) continue;
      const text = JSON.stringify(registered.roles);
      const known = this.#registered.get(registered.version) ?? text;
      this.#registered.set(registered.version, known);
      if (known === text) continue;
      throw new Error(`the register had ${known} and ${text} at version ${registered.version}`);
    }
  }
  readonly #registered = new Map<number, string>();

  /** Whether it is served with a standby in sync. */
  get well(): boolean {
    return [...this.places.servers].some(({ member, rows }) =>
      rows !== null && member.mayServe === true &&
      member.view.standbys.some(({ state }) => state === "in sync")
    );
  }

  /** At the end: every acknowledged message exists once. */
  checkMessages(): void {
    const server = [...this.places.servers].find(({ rows, member }) =>
      rows !== null && member.mayServe === true
    )!;
    const { ids } = messagesOn(server.place.disk);
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const id of this.#acked.keys()) {
      const count = counts.get(id) ?? 0;
      if (count !== 1) throw new Error(`${id} is acknowledged, and exists ${count} times`);
    }
  }

  // ---- faults

  fault(): void {
    const { places, prng, time } = this;
    const name = prng.pick([A, A, B, B, W]);
    const at = prng.int(0, 99);
    if (at < 25) {
      places.kill(name);
      time.global.timers.after(prng.number() * (prng.chance(0.5) ? 800 : 9000), () => {
        places.start(name);
      });
    } else if (at < 40) places.pause(name, prng.number() * 5000);
    else if (at < 60) {
      this.#cut(name);
    } else if (at < 68) this.#handOver();
    else if (at < 74) {
      const place = this.#places.get(name)!;
      this.say(`${name} cannot store its votes`);
      place.full = true;
      time.global.timers.after(prng.number() * 3000, () => place.full = false);
    } else if (at < 80 && name !== W) {
      this.#places.get(name)!.disk.failNext(prng.pick(["full", "failed", "unknown"] as const));
    } else if (at >= 96 && places.station !== null) {
      const why = places.station.promote(A, false);
      this.say(`an operator orders ${B} to take over: ${why ?? "it has begun"}`);
    }
  }

  /** Some ways of a place, for a moment or for so long that links end. */
  #cut(name: CellName): void {
    const { places, prng, time } = this;
    const others = [A, B, W].filter((other) => other !== name);
    const cutOff = prng.chance(0.5) ? others : [prng.pick(others)];
    const how = prng.pick(["break", "both", "out", "in"] as const);
    for (const other of cutOff) {
      if (how === "break") places.break(name, other);
      if (how === "both" || how === "out") places.cut(name, other);
      if (how === "both" || how === "in") places.cut(other, name);
    }
    const forMs = prng.number() * (prng.chance(0.3) ? 14_000 : 6000);
    time.global.timers.after(forMs, () => places.mend());
  }

  #handOver(): void {
    const [server] = [...this.places.servers].filter(({ rows }) => rows !== null);
    if (server === undefined) return;
    this.say(`${server.place.name} is to hand over`);
    server.member.handOver((done) => this.say(`handed over: ${done}`));
  }

  async run(forMs: number, faults: boolean, until: () => boolean = () => false): Promise<void> {
    const { prng, time } = this;
    const endMs = time.nowMs + forMs;
    while (time.nowMs < endMs && !until()) {
      time.runFor(prng.number() * 20);
      // Copies are opened by promises.
      for (let i = 0; i < 8; i++) await null;
      this.check();
      if (time.nowMs - this.#linkedMs > LINK_MS) {
        this.#linkedMs = time.nowMs;
        this.places.link();
      }
      if (prng.chance(0.3)) this.#send();
      if (faults && prng.chance(0.01)) this.fault();
    }
  }

  heal(): void {
    this.say("healed");
    this.places.heal();
    for (const place of this.#places.values()) place.full = false;
    for (const name of [A, B, W]) this.places.start(name);
  }
}

async function live(sim: Simulation): Promise<void> {
  for (const name of [W, B, A]) sim.places.start(name);
  await sim.run(20_000, false, () => sim.well);
  if (!sim.well) throw new Error("not in sync before any fault");
  await sim.run(FAULTS_MS, true);
  sim.heal();
  await sim.run(HEALED_WITHIN_MS, false, () => sim.well);
  if (!sim.well) throw new Error(`not well in time`);
  await sim.run(SENT_AGAIN_MS, false);
  sim.checkMessages();
}

/**
 * The own place is lost, and returns once the other one serves. Returns which place serves after a
 * minute at most, with a standby in sync.
 */
export async function whoServesAfterReturn(handBackMs: number | null): Promise<CellName | null> {
  const sim = new Simulation(1, handBackMs);
  const server = () => [...sim.places.servers].find(({ member }) => member.mayServe === true);
  for (const name of [W, B, A]) sim.places.start(name);
  await sim.run(20_000, false, () => sim.well);
  sim.places.kill(A);
  await sim.run(20_000, false, () => server()?.place.name === B);
  if (server()?.place.name !== B) throw new Error("nobody has taken over");
  sim.places.start(A);
  await sim.run(HEALED_WITHIN_MS, false, () => sim.well && server()?.place.name === A);
  sim.checkMessages();
  return sim.well ? server()?.place.name ?? null : null;
}

/**
 * How long the own place lends its role to a worker that hears nothing after that, and after how long
 * the role is another place's, to which it is handed over just then (ms).
 */
export async function handedOverAfterLending(): Promise<{ lentMs: number; handedMs: number }> {
  const sim = new Simulation(1);
  for (const name of [W, B, A]) sim.places.start(name);
  await sim.run(20_000, false, () => sim.well);
  const [server] = sim.places.servers;
  const beganMs = sim.time.nowMs;
  const lentMs = server!.member.lend();
  let handedMs = NaN;
  server!.member.handOver((done) => {
    if (done) handedMs = sim.time.nowMs - beganMs;
  });
  await sim.run(20_000, false, () => handedMs > 0);
  return { lentMs, handedMs };
}

/** Runs a seed to its end. */
export async function runPlacesSeed(seed: number): Promise<SeedReport> {
  const sim = new Simulation(seed);
  let failure: SeedReport["failure"] = null;
  try {
    await live(sim);
  } catch (error) {
    const { message, stack } = error as Error;
    const history = sim.lines.join("\n");
    failure = { check: sim.sync ? "sync" : "async", message: `${message}\n${stack}`, history };
  }
  const { checked, time } = sim;
  return {
    seed,
    failure,
    hash: String(sim.lines.length),
    turns: time.turns,
    checked,
    virtualMs: time.nowMs,
  };
}
