/** What users do at random: one action after another, by one of their devices at a time. */
import type { ActionName } from "./config.ts";
import type { Device } from "./device.ts";
import type { Person } from "./person.ts";
import type { World } from "./world.ts";

/** The clients' part of the chaos. */
export class Driver {
  readonly #world: World;
  readonly #actions: readonly { readonly name: ActionName; readonly upTo: number }[];
  readonly #sum: number;
  #running = true;
  #flashes = 0;

  constructor(world: World) {
    this.#world = world;
    let sum = 0;
    this.#actions = Object.entries(world.config.weights).map(([name, weight]) => {
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
    const { prng, time, config } = this.#world;
    const gapMs = -Math.log(1 - prng.number()) * 1000 / config.actionsPerSecond;
    time.world.timers.after(gapMs, () => {
      if (!this.#running) return;
      this.#act();
      this.#schedule();
    });
  }

  #act(): void {
    const { prng, people } = this.#world;
    const at = prng.number() * this.#sum;
    const action = this.#actions.find((a) => at < a.upTo)!.name;
    const person = prng.pick(people);
    if (action === "remove" || action === "disable") return this.#operate(person, action);
    if (action === "flash") return this.#flash();
    const device = prng.pick(person.devices);
    if (!device.wanted) {
      if (!prng.chance(0.5)) return;
      device.wanted = true;
      return device.look();
    }
    if (device.online && device.life === person.life) this.#use(person, device, action);
  }

  #peer(person: Person): string {
    const { prng, people } = this.#world;
    if (prng.chance(0.02)) return "nobody";
    if (prng.chance(0.04)) return person.name;
    const others = people.filter((p) => p !== person);
    return prng.pick(others).name;
  }

  #use(person: Person, device: Device, action: ActionName): void {
    const { prng, config } = this.#world;
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
        const body = this.#world.oracle.signal(person.life!, peer);
        return device.command("signal", { to: peer, type: "typing", body }, (answer) => {
          if (answer?.ok) this.#world.oracle.signalTaken(body);
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
      case "estrange":
        return this.#estrange(person, device, other);
      case "race":
        return this.#race(person, device, other);
      case "stalledLook":
        return this.#stalledLook(device);
      case "flood":
        return this.#flood(person, device, other);
      case "password":
        return person.changePassword(device, `password ${prng.u32()}`);
      default:
        return this.#move(device, action);
    }
  }

  /** Forgets somebody behind a block, then unblocks: that one still believes to see this user. */
  #estrange(person: Person, device: Device, other: string): void {
    const after = (ms: number, step: () => void) =>
      this.#world.time.world.timers.after(ms, () => device.online && step());
    person.block(device, other, true);
    after(30, () => person.uncontact(device, other));
    after(60, () => person.contact(device, other, "estranged"));
    after(90, () => person.block(device, other, false));
    after(150, () => {
      for (const theirs of this.#world.people.find((p) => p.name === other)?.devices ?? []) {
        theirs.drop("politely");
      }
    });
  }

  /** One device connects while another takes away what that one is about to see. */
  #race(person: Person, device: Device, other: string): void {
    const { prng, time, config, nodes } = this.#world;
    const second = person.devices.find((d) => d !== device);
    if (second === undefined) return;
    if (config.cold) nodes[0]!.disk.failReads(0.7, 300);
    second.reconnect();
    time.world.timers.after(prng.int(0, 60), () => {
      if (!device.online) return;
      if (prng.chance(0.7)) person.block(device, other, true);
      else person.subscription(device, other, "unsubscribe");
    });
  }

  /** Somebody comes and looks at a user whose state rests on a slow commit, and who changes meanwhile. */
  #stalledLook(watcher: Device): void {
    const { prng, time, people, nodes } = this.#world;
    const seen = prng.pick(people);
    const device = seen.online[0];
    if (device === undefined || device === watcher) return;
    nodes[0]!.disk.stall(500);
    seen.write(device, watcher.person.name, 40);
    time.world.timers.after(10, () => watcher.reconnect());
    time.world.timers.after(100, () => {
      if (device.online && device.life === seen.life) device.show(seen.presence());
    });
  }

  /** Much is written to somebody whose device takes nothing. */
  #flood(person: Person, device: Device, other: string): void {
    const { prng, people, time } = this.#world;
    const reader = people.find((p) => p.name === other)?.online[0]?.link?.connection ?? null;
    if (reader === null) return;
    reader.cut("down", 30_000);
    for (let i = 0; i < prng.int(5, 20); i++) {
      time.world.timers.after(i * 40, () => {
        if (device.online && device.life === person.life) person.write(device, other, 6000);
      });
    }
  }

  /** An account comes and goes before any checkpoint has seen it. */
  #flash(): void {
    const name = `flash-${++this.#flashes}`;
    this.#world.insist(name, "account.create", { credentials: null }, ["conflict"], () => {
      this.#world.insist(name, "account.remove", {}, ["not_found"], () => {
        this.#world.insist(name, "account.release", {}, ["conflict"], () => {});
      });
    });
  }

  /** A message that was acked, or is under way, is sent again. */
  #repeat(person: Person): void {
    const { prng } = this.#world;
    const sent = [...person.life!.sent.values()];
    const online = person.online;
    if (sent.length > 0 && online.length > 0) person.repeat(prng.pick(online), prng.pick(sent));
  }

  #look(device: Device, peer: string, action: "history" | "page" | "snapshot"): void {
    const { prng } = this.#world;
    const seq = prng.int(0, device.view!.seq);
    const limit = prng.int(1, 20);
    if (action === "snapshot") return device.takeSnapshot();
    if (action === "page") return device.page(seq, limit, () => {});
    const side = prng.pick([{}, { before: seq }, { after: seq }]);
    device.history({ with: peer, limit, ...side }, () => {});
  }

  #relate(person: Person, device: Device, other: string, action: ActionName): void {
    switch (action) {
      case "contact":
        return person.contact(device, other, `label ${this.#world.prng.int(1, 99)}`);
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
    const { prng } = this.#world;
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
    const { prng, nodes } = this.#world;
    if (person.life === null || person.busy) return;
    person.busy = true;
    if (prng.chance(0.15)) nodes[0]!.disk.failNext(prng.pick(["failed", "unknown"]));
    if (action === "remove") this.#remove(person);
    else this.#disable(person);
  }

  /** The account is removed, its name freed, and registered by somebody else. */
  #remove(person: Person): void {
    const { prng, oracle, time } = this.#world;
    oracle.ends(person.life!);
    person.reborn(null);
    this.#world.insist(person.name, "account.remove", {}, ["not_found"], () => {
      time.world.timers.after(prng.chance(0.5) ? 0 : prng.int(0, 2000), () => {
        this.#world.insist(person.name, "account.release", {}, ["conflict"], () => {
          this.#world.register(person, () => {
            person.busy = false;
          });
        });
      });
    });
  }

  #disable(person: Person): void {
    const { prng, time } = this.#world;
    const ended = this.#world.sessionsOf(person);
    this.#world.insist(person.name, "account.setDisabled", { disabled: true }, [], () => {
      this.#world.mustEnd(person, ended, "was disabled");
      time.world.timers.after(prng.int(100, 3000), () => {
        this.#world.insist(person.name, "account.setDisabled", { disabled: false }, [], () => {
          person.busy = false;
        });
      });
    });
  }
}
