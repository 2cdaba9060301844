/** Runs phases with a crowd: asks the schedules what is due, and has users do it. */
import type { Random, Timers } from "../node/ports.ts";
import type { Crowd } from "./crowd.ts";
import { type Arrivals, type Drop, type Outage, type Phase, STUCK_SECONDS } from "./phase.ts";
import { type Curve, DAY, FLAT, Pace } from "./schedule.ts";
import type { SyntheticUser } from "./user.ts";

/** Time between looks at the schedules (ms); what came due meanwhile is done at once. */
const TICK_MS = 1;
/** The same in phases without a schedule. */
const QUIET_TICK_MS = 20;
/** Operations in one look, after which sockets get their turn. */
const BATCH_MAX = 1000;
/** A user that flaps is away up to this long (ms). */
const FLAP_MS = 2000;
/** How often the population is brought to what it should be (µs). */
const POPULATION_STEP_US = 100_000;
/** By which share of all it changes at most at a time. */
const POPULATION_STEP_SHARE = 0.01;

/** What runs phases. */
export interface PhaseDeps {
  readonly crowd: Crowd;
  readonly timers: Timers;
  readonly random: Random;
  /** Share of all users that this process plays: its share of all rates. */
  readonly share: number;
  /** How often users acknowledge what they got (ms); 0: never. */
  readonly ackMs: number;
  nowUs(): number;
}

/** What goes on in a phase: does what is due by `now` and returns whether it is over. */
type Activity = (nowUs: number) => boolean;

/** One phase under way. */
class Running {
  readonly #deps: PhaseDeps;
  readonly #phase: Phase;
  readonly #startUs: number;
  readonly #endUs: number;
  readonly #activities: Activity[] = [];
  readonly #done: (missing: number) => void;
  #begun = false;
  /** Users awaited: the phase without a time ends when none is. */
  #awaited: SyntheticUser[] = [];
  #arriving = 0;
  #progress = { count: 0, atUs: 0 };
  #nextAckUs: number;

  constructor(deps: PhaseDeps, phase: Phase, startUs: number, done: (missing: number) => void) {
    this.#deps = deps;
    this.#phase = phase;
    this.#startUs = startUs;
    this.#endUs = phase.seconds === null ? Infinity : startUs + phase.seconds * 1e6;
    this.#nextAckUs = startUs + deps.ackMs * 1000;
    this.#progress.atUs = startUs;
    this.#done = done;
  }

  #begin(): void {
    const { arrivals, drop, outage, population } = this.#phase;
    if (arrivals !== null) this.#arrivals(arrivals);
    if (drop !== null) this.#drop(drop);
    if (outage !== null) this.#outage(outage);
    if (population !== null) this.#population(population);
    this.#traffic();
  }

  /** Does what is due; returns whether the phase goes on. */
  tick(): boolean {
    const now = this.#deps.nowUs();
    if (now < this.#startUs) return true;
    if (!this.#begun) {
      this.#begun = true;
      this.#begin();
    }
    for (let i = this.#activities.length - 1; i >= 0; i--) {
      if (this.#activities[i]!(now)) this.#activities.splice(i, 1);
    }
    if (this.#deps.ackMs > 0 && now >= this.#nextAckUs) {
      this.#nextAckUs = now + this.#deps.ackMs * 1000;
      this.#deps.crowd.acknowledge();
    }
    const over = this.#phase.seconds === null
      ? this.#allArrived() || this.#stuck(now)
      : now >= this.#endUs;
    if (over) this.#done(this.#missing());
    return !over;
  }

  #allArrived(): boolean {
    return this.#arriving === 0 && this.#awaited.every((user) => user.online || user.failed);
  }

  #missing(): number {
    return this.#arriving + this.#awaited.filter((user) => !user.online).length;
  }

  #stuck(now: number): boolean {
    const { online } = this.#deps.crowd.counts;
    if (online !== this.#progress.count) this.#progress = { count: online, atUs: now };
    return now - this.#progress.atUs > STUCK_SECONDS * 1e6;
  }

  /** Operations at an even pace; `late` is how late this tool itself was with each. */
  #pace(perSecond: number, curve: Curve, endUs: number, run: (dueUs: number) => void): void {
    if (perSecond <= 0) return;
    const pace = new Pace({ perSecond, startUs: this.#startUs, endUs, curve });
    this.#activities.push((now) => {
      const { latencies } = this.#deps.crowd;
      pace.take(now, BATCH_MAX, (dueUs) => {
        latencies.record("lateness", this.#deps.nowUs() - dueUs);
        run(dueUs);
      });
      return pace.over;
    });
  }

  #traffic(): void {
    const { crowd, share, timers, random } = this.#deps;
    const { presence, messages, signals, queries, flaps } = this.#phase.traffic;
    const curve = this.#phase.day ? DAY : FLAT;
    const stream = (perSecond: number, run: (user: SyntheticUser, dueUs: number) => boolean) =>
      this.#pace(perSecond * share, curve, this.#endUs, (dueUs) => {
        crowd.next((user) => run(user, dueUs));
      });
    stream(presence, (user, dueUs) => user.changePresence(dueUs) > 0);
    stream(messages, (user, dueUs) => user.send(crowd.anySlot(), dueUs) > 0);
    stream(signals, (user, dueUs) => user.signal(crowd.anySlot(), dueUs));
    stream(queries, (user) => user.openConversation(crowd.anySlot()));
    stream(flaps, (user) => {
      if (!user.vanish()) return false;
      timers.after(FLAP_MS * random.number(), () => user.signIn(this.#deps.nowUs()));
      return true;
    });
  }

  #arrivals({ perSecond, from, to, inFlightMax }: Arrivals): void {
    const { crowd, share } = this.#deps;
    let place = Math.round(from * crowd.size);
    const end = Math.round(to * crowd.size);
    this.#arriving = end - place;
    const arrive = (dueUs: number) => {
      if (this.#arriving === 0) return;
      this.#arriving--;
      const user = crowd.at(place++);
      if (user.signIn(dueUs)) this.#awaited.push(user);
    };
    if (inFlightMax === null) {
      return this.#pace(perSecond * share, FLAT, this.#endUs, arrive);
    }
    const room = Math.max(1, Math.floor(inFlightMax * share));
    this.#pace(perSecond * share, FLAT, Infinity, () => {
      this.#awaited = this.#awaited.filter((user) => !user.online && !user.failed);
      if (this.#awaited.length < room) arrive(this.#deps.nowUs());
    });
  }

  #drop({ share, returnSeconds }: Drop): void {
    const { crowd } = this.#deps;
    const first = Math.round((1 - share) * crowd.size);
    const dropped: SyntheticUser[] = [];
    for (let place = first; place < crowd.size; place++) {
      const user = crowd.at(place);
      if (user.vanish()) dropped.push(user);
    }
    this.#arriving = dropped.length;
    this.#pace(dropped.length / returnSeconds, FLAT, Infinity, (dueUs) => {
      if (this.#arriving === 0) return;
      const user = dropped[dropped.length - this.#arriving--]!;
      if (user.signIn(dueUs)) this.#awaited.push(user);
    });
  }

  /** Waits until every session has broken, which users answer by coming back by themselves. */
  #outage({ waitSeconds }: Outage): void {
    const { crowd } = this.#deps;
    const { broken, online } = crowd.counts;
    const waitEndUs = this.#startUs + waitSeconds * 1e6;
    this.#arriving = online;
    this.#activities.push((now) => {
      this.#arriving = Math.max(0, online - (crowd.counts.broken - broken));
      const waiting = this.#arriving === online && now < waitEndUs;
      if (waiting) this.#progress.atUs = now;
      if (this.#arriving > 0) return false;
      for (let place = 0; place < crowd.size; place++) this.#awaited.push(crowd.at(place));
      return true;
    });
  }

  /** Has users come and go, so that as many are online as the time of day asks for. */
  #population(peak: number): void {
    const { crowd } = this.#deps;
    const lengthUs = this.#endUs - this.#startUs;
    let nextUs = this.#startUs;
    let here = crowd.counts.online;
    let turn = here;
    this.#activities.push((now) => {
      if (now < nextUs) return false;
      nextUs = now + POPULATION_STEP_US;
      const activity = DAY(Math.min(1, (now - this.#startUs) / lengthUs));
      const wanted = Math.round(crowd.size * peak * (0.3 + 0.7 * activity));
      const few = Math.ceil(crowd.size * POPULATION_STEP_SHARE);
      const next = Math.max(here - few, Math.min(here + few, wanted));
      for (; here < next; here++) crowd.at(turn++ % crowd.size).signIn(now);
      for (; here > next; here--) crowd.at((turn - here) % crowd.size).signOut();
      return now >= this.#endUs;
    });
  }
}

/**
 * Runs one phase from `startUs` on; `done` is called when it is over, with the number of users who
 * were to come online in it and are not.
 */
export function runPhase(
  deps: PhaseDeps,
  phase: Phase,
  startUs: number,
  done: (missing: number) => void,
): void {
  // Before the start: another process may be the first to do something.
  if (phase.measured) deps.crowd.beginMeasured();
  const running = new Running(deps, phase, startUs, done);
  const scheduled = phase.arrivals !== null || phase.drop !== null || phase.population !== null ||
    Object.values(phase.traffic).some((perSecond: number) => perSecond > 0);
  const tickMs = scheduled ? TICK_MS : QUIET_TICK_MS;
  const tick = () => {
    if (running.tick()) deps.timers.after(tickMs, tick);
  };
  tick();
}
