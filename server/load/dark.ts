/**
 * Dark launch: a few synthetic users go the whole production way beside real ones, for weeks. Their
 * contacts are each other, so that nobody sees them; their names are under a reserved prefix, so
 * that counts for people can leave them out; and they are removed when it is over.
 */
import { EXIT, UsageError } from "../cli/host.ts";
import type { Crowd } from "./crowd.ts";
import type { DarkRequest } from "./load_options.ts";
import { DEADLINE_US, Deliveries, Judgement, type Standing } from "./objective.ts";
import { duration, grouped } from "./report_text.ts";
import { darkHtml } from "./report_dark.ts";
import type { Fault } from "./tally.ts";
import type { LoadPorts } from "./ports.ts";
import { makeCrowd } from "./worker.ts";
import { Pace } from "./schedule.ts";
import type { Pool } from "./pool.ts";
import { PoolStore } from "./pool_store.ts";

/** Users sign in spread over this time each (ms), all of them over `ARRIVAL_MAX_MS` at most. */
const ARRIVAL_MS = 50;
const ARRIVAL_MAX_MS = 5000;
/** Nothing is judged before everybody is online, or this has passed (ms). */
const HEAD_START_MS = 10_000;
/** How often what has not arrived is looked for, and messages are acknowledged (ms). */
const SWEEP_MS = 1000;
const ACK_MS = 60_000;
/** Reports that are kept for the plots: a week of 5 minutes each. */
const REPORTS_MAX = 2016;

/** How one interval went. */
export interface DarkReport extends Standing {
  /** ISO 8601. */
  readonly at: string;
  readonly online: number;
  readonly users: number;
  /** Connections that broke since the start. */
  readonly broken: number;
  /** Everything since the start. */
  readonly overall: Standing;
  readonly faults: readonly Fault[];
}

/** Runs until it is stopped or its time is over; returns the exit code. */
export async function performDark(ports: LoadPorts, request: DarkRequest): Promise<number> {
  if (request.provision === "public") {
    throw new UsageError("--dark needs the admin API: its users could not be removed otherwise");
  }
  const store = new PoolStore(ports, { ...request, provision: "admin" });
  // Listened to before there are users: a user who stops it then wants none to be left.
  let launch: DarkLaunch | null = null;
  let stopped = false;
  const ignore = ports.onSignal(() => {
    stopped = true;
    launch?.stop();
  });
  try {
    const pool = await store.get(false);
    try {
      launch = new DarkLaunch(ports, request, pool);
      if (stopped) launch.stop();
      const overall = await launch.run();
      return overall.held ? EXIT.ok : EXIT.failed;
    } finally {
      // Where a report cannot be written too.
      await store.remove();
    }
  } finally {
    ignore();
  }
}

class DarkLaunch {
  readonly #ports: LoadPorts;
  readonly #request: DarkRequest;
  readonly #crowd: Crowd;
  readonly #interval = new Judgement();
  readonly #overall = new Judgement();
  readonly #deliveries = new Deliveries([this.#interval, this.#overall]);
  readonly #reports: DarkReport[] = [];
  #stopped = false;
  #wake: () => void = () => {};
  #operations = 0;

  constructor(ports: LoadPorts, request: DarkRequest, pool: Pool) {
    this.#ports = ports;
    this.#request = request;
    const run = Math.floor(ports.clock.wallMs() / 1000);
    const plan = { pool, lo: 0, hi: pool.users, run, auth: "token", pollShare: 0 } as const;
    const { bodyBytes } = request;
    this.#crowd = makeCrowd(ports, { ...plan, bodyBytes, ackMs: ACK_MS }, this.#deliveries);
  }

  /** Ends it soon. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async run(): Promise<Standing> {
    const { machine, console } = this.#ports;
    const { objectiveMs, objectiveShare, rate, seconds, users } = this.#request;
    const percent = objectiveShare * 100;
    console.note(
      `Dark launch: ${users} users, ${rate} operations/s. Objective: p99 of deliveries at most ` +
        `${objectiveMs} ms, ${Number(percent.toPrecision(6))} % delivered.`,
    );
    await this.#arrive();
    const startUs = machine.nowUs();
    const endUs = seconds === null ? Infinity : startUs + seconds * 1e6;
    const pace = new Pace({ perSecond: rate, startUs, endUs });
    const every = { sweep: SWEEP_MS * 1000, ack: ACK_MS * 1000 };
    const due = { sweep: startUs, ack: startUs, report: startUs + this.#reportUs };
    while (!this.#stopped && !pace.over) {
      const now = machine.nowUs();
      pace.take(now, 100, (dueUs) => this.#operate(dueUs));
      if (now >= due.sweep) {
        due.sweep = now + every.sweep;
        this.#deliveries.sweep(now);
      }
      if (now >= due.ack) {
        due.ack = now + every.ack;
        this.#crowd.acknowledge();
      }
      if (now >= due.report) {
        due.report += this.#reportUs;
        await this.#report();
      }
      const nextUs = Math.min(pace.nextUs, due.sweep, due.report);
      await this.#sleep(Math.max(0.1, (nextUs - machine.nowUs()) / 1000));
    }
    return await this.#finish();
  }

  get #reportUs(): number {
    return this.#request.reportSeconds * 1e6;
  }

  async #arrive(): Promise<void> {
    const { timers, random, machine } = this.#ports;
    const { size, counts } = this.#crowd;
    const overMs = Math.min(ARRIVAL_MAX_MS, size * ARRIVAL_MS);
    for (let place = 0; place < size; place++) {
      const user = this.#crowd.at(place);
      timers.after(overMs * random.number(), () => user.signIn(machine.nowUs()));
    }
    const lastUs = machine.nowUs() + HEAD_START_MS * 1000;
    while (!this.#stopped && counts.online < size && machine.nowUs() < lastUs) {
      await this.#sleep(100);
    }
  }

  /** Presence and messages in turn, every user in turn, whether the server lets it or not. */
  #operate(dueUs: number): void {
    const turn = this.#operations++;
    const user = this.#crowd.at((turn >> 1) % this.#crowd.size);
    const { contacts } = this.#request;
    if (turn % 2 === 0) {
      const version = user.changePresence(dueUs);
      if (version === 0) return this.#deliveries.missed(contacts);
      const watchers = Array.from(
        { length: contacts },
        (_, slot) => this.#crowd.contactOf(user.index, slot),
      );
      return this.#deliveries.expectPresence(user.index, version, watchers, dueUs);
    }
    const slot = this.#crowd.anySlot();
    const number = user.send(slot, dueUs);
    if (number === 0) return this.#deliveries.missed(1);
    const recipient = this.#crowd.contactOf(user.index, slot);
    this.#deliveries.expectMessage(user.index, number, recipient, dueUs);
  }

  async #finish(): Promise<Standing> {
    const { machine, console } = this.#ports;
    const lastUs = machine.nowUs() + DEADLINE_US;
    while (this.#deliveries.open > 0 && machine.nowUs() < lastUs + 1e5) {
      this.#stopped = false;
      await this.#sleep(50);
      this.#deliveries.sweep(machine.nowUs());
    }
    const report = await this.#report();
    this.#crowd.signOutAll();
    this.#stopped = false;
    await this.#sleep(300);
    const { overall } = report;
    console.out(
      `${overall.held ? "The objective held" : "THE OBJECTIVE DID NOT HOLD"}: ` +
        `${describe(overall)}\n`,
    );
    return overall;
  }

  async #report(): Promise<DarkReport> {
    const { clock, console, machine } = this.#ports;
    const { objectiveMs: p99Ms, objectiveShare: share, json, html, users } = this.#request;
    const objective = { p99Ms, share };
    const { counts } = this.#crowd;
    const report: DarkReport = {
      at: new Date(clock.wallMs()).toISOString(),
      ...this.#interval.standing(objective),
      online: counts.online,
      users,
      broken: counts.lost,
      overall: this.#overall.standing(objective),
      faults: this.#crowd.faults().slice(0, 10),
    };
    this.#interval.reset();
    // Nothing else reads them here: they must not grow for weeks.
    this.#crowd.latencies.reset();
    this.#reports.push(report);
    if (this.#reports.length > REPORTS_MAX) this.#reports.shift();
    const mark = report.held ? "ok " : "BAD";
    const note = `${report.at} ${mark} ${describe(report)} · ${report.online} of ${users} online` +
      ` · overall ${describe(report.overall)}`;
    if (json === "-") console.out(JSON.stringify(report) + "\n");
    else if (json !== null) await machine.appendFile(json, JSON.stringify(report) + "\n");
    console.note(note);
    if (html !== null) {
      await machine.writeFile(html, darkHtml(this.#reports, objective), false);
    }
    return report;
  }

  #sleep(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#ports.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function describe({ expected, share, p99Ms, lost }: Standing): string {
  const percent = (Math.floor(share * 1e5) / 1e3).toFixed(3);
  const p99 = p99Ms === null ? "-" : duration(p99Ms * 1000);
  return `${percent} % of ${grouped(expected)} delivered, ${grouped(lost)} lost, p99 ${p99}`;
}
