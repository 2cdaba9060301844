/** What users do at random: one action after another, by one of their devices at a time. */
import type { ActionName } from "./config.ts";
import type { Device } from "./device.ts";
import type { Person } from "./person.ts";
import type { Cluster } from "./cluster.ts";
import { searchAtRandom } from "./searches.ts";
import { mustEnd } from "./sessions_end.ts";
import {
  answerAfterReuse,
  flash,
  flood,
  namesake,
  race,
  stalledLook,
  unblockAfterRemoval,
} from "./injections.ts";

/** The clients' part of the chaos. */
export class Driver {
  readonly #cluster: Cluster;
  readonly #actions: readonly { readonly name: ActionName; readonly upTo: number }[];
  readonly #sum: number;
  #running = true;
  #flashes = 0;
  #misuses = 0;
  #searches = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    let sum = 0;
    this.#actions = Object.entries(cluster.config.weights).map(([name, weight]) => {
      sum += weight;
      return { name: name as ActionName, upTo: sum };
    });
    this.#sum = sum;
    this.#schedule();
  }

  /** No more actions. */
  stop(): void {
    this.#running = false;
  }

  #schedule(): void {
    const { prng, time, config } = this.#cluster;
    const gapMs = -Math.log(1 - prng.number()) * 1000 / config.actionsPerSecond;
    time.global.timers.after(gapMs, () => {
      if (!this.#running) return;
      this.#act();
      this.#schedule();
    });
  }

  #act(): void {
    const { prng, people } = this.#cluster;
    const at = prng.number() * this.#sum;
    const action = this.#actions.find((a) => at < a.upTo)!.name;
    const person = prng.pick(people);
    if (action === "remove" || action === "disable") return this.#operate(person, action);
    if (action === "flash") return flash(this.#cluster, `flash-${++this.#flashes}`);
    const device = prng.pick(person.devices);
    if (!device.wanted) {
      if (!prng.chance(0.5)) return;
      device.wanted = true;
      return device.look();
    }
    if (device.online && device.life === person.life) this.#use(person, device, action);
  }

  #peer(person: Person): string {
    const { prng, people } = this.#cluster;
    if (prng.chance(0.02)) return "nobody";
    if (prng.chance(0.04)) return person.name;
    const others = people.filter((p) => p !== person);
    return prng.pick(others).name;
  }

  #use(person: Person, device: Device, action: ActionName): void {
    const { prng, config } = this.#cluster;
    const peer = this.#peer(person);
    const other = peer === person.name ? "nobody" : peer;
    switch (action) {
      case "write":
        return person.write(device, peer, config.bodyBytes);
      case "burst":
        for (let i = 0; i < 8; i++) person.write(device, peer, config.bodyBytes);
        return;
      case "repeat":
        return this.#repeat(person);
      case "present":
        return device.show(person.presence());
      case "hide":
        return device.show(null);
      case "ack":
        return person.ack(device);
      case "read":
        return person.read(device, peer, prng.int(1, Math.max(1, device.view!.seq)));
      case "history":
      case "page":
      case "snapshot":
        return this.#look(device, peer, action);
      case "signal": {
        const body = this.#cluster.oracle.signal(person.life!, peer);
        return device.command("signal", { to: peer, type: "typing", body }, (answer) => {
          if (answer?.ok) this.#cluster.oracle.signalTaken(body);
        });
      }
      case "settings":
        return person.settings(device, prng.chance(0.5));
      case "contact":
      case "uncontact":
      case "subscribe":
      case "unsubscribe":
      case "approve":
      case "deny":
      case "block":
      case "unblock":
        return this.#relate(person, device, other, action);
      case "signOut":
        return person.signOut(device);
      case "revoke":
        return person.revoke(device, prng.pick(person.devices).id);
      case "password":
        return person.changePassword(device, `password ${prng.u32()}`);
      default:
        return this.#inject(person, device, other, action);
    }
  }

  #inject(person: Person, device: Device, other: string, action: ActionName): void {
    const cluster = this.#cluster;
    const remove = () => this.#operate(person, "remove");
    switch (action) {
      case "unblockAfterRemoval":
        return unblockAfterRemoval(cluster, person, device, other);
      case "race":
        return race(cluster, person, device, other);
      case "stalledLook":
        return stalledLook(cluster, device);
      case "answerAfterReuse":
        answerAfterReuse(cluster, person, device);
        return remove();
      case "namesake":
        return namesake(cluster, person, device, other, remove);
      case "flood":
        return flood(cluster, person, device, other);
      default:
        return this.#move(device, action);
    }
  }

  /** A message that was acked, or is under way, is sent again, or its key with another content. */
  #repeat(person: Person): void {
    const { prng } = this.#cluster;
    const sent = [...person.life!.sent.values()];
    const online = person.online;
    if (sent.length === 0 || online.length === 0) return;
    const message = prng.pick(sent);
    const misuse = prng.fork(`misuse ${message.key} ${this.#misuses++}`).chance(0.3);
    if (message.acked !== null && misuse) person.misuse(prng.pick(online), message);
    else person.repeat(prng.pick(online), message);
  }

  #look(device: Device, peer: string, action: "history" | "page" | "snapshot"): void {
    const { prng } = this.#cluster;
    const seq = prng.int(0, device.view!.seq);
    const limit = prng.int(1, 20);
    if (action === "snapshot") return device.takeSnapshot();
    if (action === "page") return device.page(seq, limit, () => {});
    const side = prng.pick([{}, { before: seq }, { after: seq }]);
    const chance = prng.fork(`search ${this.#searches++}`);
    if (chance.chance(0.7)) searchAtRandom(this.#cluster, device, peer, chance);
    device.history({ with: peer, limit, ...side }, () => {});
  }

  #relate(person: Person, device: Device, other: string, action: ActionName): void {
    switch (action) {
      case "contact":
        return person.contact(device, other, `label ${this.#cluster.prng.int(1, 99)}`);
      case "uncontact":
        return person.uncontact(device, other);
      case "subscribe":
        return person.subscription(device, other, "subscribe");
      case "unsubscribe":
        return person.subscription(device, other, "unsubscribe");
      case "approve":
        return person.subscription(device, other, "subscribed");
      case "deny":
        return person.subscription(device, other, "unsubscribed");
      case "block":
        return person.block(device, other, true);
      default:
        return person.block(device, other, false);
    }
  }

  /** Connections come, go and get bad. */
  #move(device: Device, action: ActionName): void {
    const { prng } = this.#cluster;
    const connection = device.link?.connection ?? null;
    switch (action) {
      case "leave":
        device.wanted = false;
        return device.leave();
      case "vanish":
        device.wanted = prng.chance(0.5);
        return device.drop("silently");
      case "drop":
        return device.drop(prng.pick(["politely", "reset"]));
      case "switch":
        device.transport = device.transport === "socket" ? "poll" : "socket";
        return device.drop(prng.pick(["politely", "silently"]));
      case "slow":
        if (connection !== null) connection.readEveryMs = prng.pick([0, 20, 200, 2000]);
        return;
      case "cut":
        return connection?.cut(prng.pick(["up", "down"]), prng.int(100, 15_000));
      default:
        throw new Error(`no such action: ${action}`);
    }
  }

  // ---- operators

  #operate(person: Person, action: "remove" | "disable"): void {
    const { prng } = this.#cluster;
    if (person.life === null || person.busy) return;
    person.busy = true;
    if (prng.chance(0.15)) {
      this.#cluster.nodeOf(person.name).disk.failNext(prng.pick(["failed", "unknown"]));
    }
    if (action === "remove") this.#remove(person);
    else this.#disable(person);
  }

  /** The account is removed, its name freed, and registered by somebody else. */
  #remove(person: Person): void {
    const { prng, oracle, time } = this.#cluster;
    oracle.ends(person.life!);
    person.reborn(null);
    this.#cluster.insist(person.name, "account.remove", {}, ["not_found"], () => {
      time.global.timers.after(prng.chance(0.5) ? 0 : prng.int(0, 2000), () => {
        this.#cluster.insist(person.name, "account.release", {}, ["conflict"], () => {
          // What is still on its way to the former account does not reach the next one.
          this.#cluster.register(person, () => {
            person.busy = false;
          });
        });
      });
    });
  }

  #disable(person: Person): void {
    const { prng, time, people } = this.#cluster;
    const others = people.filter((p) => p !== person);
    const [device] = person.online;
    if (device !== undefined && prng.chance(0.4)) {
      person.block(device, prng.pick(others).name, true);
    }
    const ended = this.#cluster.sessionsOf(person);
    let enabling = false;
    this.#cluster.insist(person.name, "account.setDisabled", { disabled: true }, [], () => {
      const still = () => !enabling;
      mustEnd(this.#cluster, { person, sessions: ended, why: "was disabled", still });
      // Some come while there is nobody to see.
      for (const { online } of others) if (prng.chance(0.5)) online.at(-1)?.reconnect();
      time.global.timers.after(prng.int(100, 3000), () => {
        enabling = true;
        this.#cluster.insist(person.name, "account.setDisabled", { disabled: false }, [], () => {
          person.busy = false;
        });
      });
    });
  }
}
