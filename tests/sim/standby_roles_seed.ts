/** Seeds of members that share a role: faults at random, checkers at every step, then healing. */
import type { MemberId, Roles } from "../../server/standby/role_types.ts";
import { Prng } from "./prng.ts";
import { LATE_MS, type RoleNet, RoleRegister, Site } from "./standby_roles.ts";
import type { SeedReport } from "./seed.ts";
import { VirtualTime } from "./virtual_time.ts";

const FAULTS_MS = 120_000;
/** Before the first fault, and after the last one, somebody serves within this time, and others are in sync. */
const HEALED_WITHIN_MS = 30_000;

class Simulation implements RoleNet {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  readonly register = new RoleRegister();
  readonly ordered = new Set<Roles>();
  readonly sites: readonly Site[];
  readonly lines: string[] = [];
  lost = 0.02;
  faulty = false;
  checked = 0;
  #ids = 0;
  #disks = 1;
  /** Ascending, as logs are: a later write has a higher number. */
  readonly #acked: number[] = [];
  readonly #cuts = new Set<string>();

  constructor(seed: number) {
    this.prng = new Prng(`roles ${seed}`);
    const names = this.prng.chance(0.5) ? ["a", "b"] : ["a", "b", "c"];
    this.sites = names.map((name) => new Site(name, this));
    this.register.changed = () => {
      this.say(`register ${JSON.stringify(this.register.value)}`);
      this.#checkRegister();
    };
  }

  say(text: string): void {
    this.lines.push(`${this.time.nowMs.toFixed(0).padStart(8)} ${text}`);
  }

  nextId(): number {
    return ++this.#ids;
  }

  reaches(from: string, to: string): boolean {
    return !this.#cuts.has(`${from} ${to}`) && !this.#cuts.has(`${to} ${from}`);
  }

  site(member: MemberId): Site | undefined {
    return this.sites.find(({ name }) => member.startsWith(name));
  }

  // ---- checkers

  #fail(text: string): never {
    throw new Error(text);
  }

  acked(id: number): void {
    const at = this.#acked.findLastIndex((acked) => acked <= id);
    if (this.#acked[at] === id) return;
    this.#acked.splice(at + 1, 0, id);
    this.checked++;
    const roles = this.register.value.roles;
    if (roles === null) return;
    for (const member of [...roles.inSync, roles.primary]) this.#checkHas(member, [id]);
  }

  /** `ids`: ascending. */
  #checkHas(member: MemberId, ids: readonly number[]): void {
    const site = this.site(member);
    // A member whose disk was replaced is not what the register names.
    if (site === undefined || site.disk.member !== member) return;
    const { log } = site.disk;
    let at = 0;
    for (const id of ids) {
      while (at < log.length && log[at]! < id) at++;
      if (log[at] === id) continue;
      this.#fail(`write ${id} is acknowledged, and ${member} does not have it`);
    }
  }

  #checkRegister(): void {
    const { history, value } = this.register;
    const roles = value.roles!;
    const before = history.at(-2);
    if (before !== undefined && roles.inSync.includes(before.primary)) {
      this.#checkHandedOver(before.primary, roles.primary);
    }
    if (before !== undefined && before.primary !== roles.primary) {
      this.#checkLeaseOver(before.primary, roles);
    }
    for (const member of [...roles.inSync, roles.primary]) this.#checkHas(member, this.#acked);
    const others = history.filter((r) => r.epoch === roles.epoch && r.primary !== roles.primary);
    if (others.length > 0) this.#fail(`two primaries of epoch ${roles.epoch}`);
  }

  /** Unless an operator orders it, nobody becomes the primary within the lease of the former one. */
  #checkLeaseOver(from: MemberId, roles: Roles): void {
    const former = this.site(from)!;
    if (this.ordered.has(roles) || former.disk.member !== from || !former.serves) return;
    this.#fail(`${roles.primary} becomes the primary, and the lease of ${from} is not over`);
  }

  /** A primary that stays in sync has no write that its successor does not have. */
  #checkHandedOver(from: MemberId, to: MemberId): void {
    const [former, next] = [this.site(from)!.disk, this.site(to)!.disk];
    if (former.member !== from || next.member !== to) return;
    if (former.log.join() !== next.log.join()) this.#fail(`${from} and ${to} are not equal`);
  }

  /** Some members end just after they have asked. */
  asksChange(site: Site): void {
    if (!this.faulty || !this.prng.chance(0.15)) return;
    const process = site.process;
    this.time.global.timers.after(this.prng.number() * 2, () => {
      if (site.process !== process) return;
      this.say(`${site.name} crashes with a change under way`);
      site.crash();
      this.time.global.timers.after(this.prng.number() * 800, () => {
        if (site.process === null) site.start();
      });
    });
  }

  check(): void {
    this.checked++;
    const serving = this.sites.filter((site) => site.serves);
    if (serving.length > 1) this.#fail(`${serving.map((s) => s.disk.member).join()} serve at once`);
    for (const site of serving) this.#checkHas(site.disk.member, this.#acked);
  }

  // ---- faults

  fault(): void {
    const { prng } = this;
    const site = prng.pick(this.sites);
    const at = prng.int(0, 99);
    if (at < 22) this.#cut(site);
    else if (at < 42 && site.process !== null) {
      this.say(`${site.name} crashes`);
      site.crash();
      this.time.global.timers.after(prng.number() * (prng.chance(0.5) ? 600 : 9000), () => {
        if (site.process === null) site.start();
      });
    } else if (at < 56 && site.process?.state === "running") {
      const process = site.process;
      this.say(`${site.name} is paused`);
      process.pause();
      this.time.global.timers.after(prng.number() * 8000, () => process.resume());
    } else if (at < 64) this.#wipe(site);
    else if (at < 72) {
      const successor = this.register.value.roles?.inSync[0];
      const primary = this.sites.find(({ machine }) => machine?.isPrimary);
      if (successor === undefined || primary === undefined) return;
      this.say(`${primary.name} is to hand over to ${successor}`);
      primary.handOver(successor);
      if (prng.chance(0.5)) {
        this.time.global.timers.after(prng.number() * 1500, () => primary.keep());
      }
    } else if (at < 76) {
      this.lost = prng.pick([0, 0.02, 0.3]);
    } else if (at < 80) {
      this.say(`an operator orders ${site.name} to take over`);
      site.promote(false);
    }
  }

  #cut(site: Site): void {
    const { prng } = this;
    const other = prng.pick([...this.sites.map(({ name }) => name), "register", "register"]);
    const cut = `${site.name} ${other}`;
    this.say(`cut ${cut}`);
    this.#cuts.add(cut);
    this.time.global.timers.after(prng.number() * 12_000, () => this.#cuts.delete(cut));
  }

  /** A new disk, where another member has everything and may go on. */
  #wipe(site: Site): void {
    const roles = this.register.value.roles;
    if (roles === null) return;
    const rest = [roles.primary, ...roles.inSync].filter((m) => this.site(m)?.disk.member === m);
    if (!rest.some((member) => member !== site.disk.member)) return;
    this.say(`${site.name} gets a new disk`);
    site.crash();
    site.disk = site.newDisk(++this.#disks);
    this.time.global.timers.after(this.prng.number() * 3000, () => {
      if (site.process === null) site.start();
    });
  }

  heal(): void {
    this.lost = 0;
    this.#cuts.clear();
    for (const site of this.sites) {
      site.process?.resume();
      if (site.process === null) site.start();
    }
  }

  /**
   * Where the register names only disks that are gone, which a late change of one of them may leave,
   * an operator promotes the copy that has the most.
   */
  replaceLost(): void {
    const roles = this.register.value.roles!;
    const named = [roles.primary, ...roles.inSync];
    if (named.some((member) => this.site(member)?.disk.member === member)) return;
    const most = [...this.sites].sort((a, b) => b.disk.log.length - a.disk.log.length)[0]!;
    this.say(`an operator promotes ${most.disk.member}`);
    most.promote(true);
  }

  run(forMs: number, faults: boolean): void {
    const { prng, time } = this;
    const until = time.nowMs + forMs;
    this.faulty = faults;
    while (time.nowMs < until) {
      const stepMs = prng.number() * 60;
      time.runFor(stepMs);
      this.check();
      if (prng.chance(0.5)) prng.pick(this.sites).write();
      if (faults && prng.chance(0.02)) this.fault();
    }
  }

  /** Whether one serves that all other members may take over from. */
  get well(): boolean {
    const roles = this.register.value.roles;
    return this.sites.filter((s) => s.serves).length === 1 &&
      roles?.inSync.length === this.sites.length - 1;
  }
}

/** Runs a seed to its end. */
export function runRolesSeed(seed: number): SeedReport {
  const sim = new Simulation(seed);
  let failure: SeedReport["failure"] = null;
  try {
    for (const site of sim.sites) site.start();
    sim.run(10_000, false);
    // Several changes of the register, one after the other, may be late.
    if (!sim.well) sim.run(HEALED_WITHIN_MS - 10_000, false);
    if (!sim.well) throw new Error("not in sync before any fault");
    sim.run(FAULTS_MS, true);
    sim.heal();
    sim.run(LATE_MS, false);
    sim.replaceLost();
    sim.run(HEALED_WITHIN_MS, false);
    if (!sim.well) {
      const serving = sim.sites.filter((s) => s.serves).map(({ name }) => name);
      const { value } = sim.register;
      throw new Error(`not well in time: ${serving} serve, ${JSON.stringify(value)}`);
    }
  } catch (error) {
    const { message, stack } = error as Error;
    failure = { check: "roles", message: `${message}\n${stack}`, history: sim.lines.join("\n") };
  }
  const { checked, time } = sim;
  const hash = String(sim.lines.length);
  return { seed, failure, hash, turns: time.turns, checked, virtualMs: time.nowMs };
}
