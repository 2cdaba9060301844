/**
 * Sequences that only meet by luck otherwise: each sets up what a subtle fault needs, then leaves
 * the rest to the cluster. Drivers pick them as they pick single actions.
 */
import type { Device } from "./device.ts";
import type { Person } from "./person.ts";
import type { Cluster } from "./cluster.ts";

/** Forgets somebody behind a block, then unblocks: that one still believes to see this user. */
export function unblockAfterRemoval(
  cluster: Cluster,
  person: Person,
  device: Device,
  other: string,
): void {
  const after = (ms: number, step: () => void) =>
    cluster.time.global.timers.after(
      ms,
      () => device.online && device.life === person.life && step(),
    );
  person.block(device, other, true);
  after(30, () => person.uncontact(device, other));
  after(60, () => person.contact(device, other, "renamed"));
  after(90, () => person.block(device, other, false));
  after(150, () => {
    for (const theirs of cluster.people.find((p) => p.name === other)?.devices ?? []) {
      theirs.drop("politely");
    }
  });
}

/** One device connects while another takes away what that one is about to see. */
export function race(cluster: Cluster, person: Person, device: Device, other: string): void {
  const { prng, time, config, nodes } = cluster;
  const second = person.devices.find((d) => d !== device);
  if (second === undefined) return;
  if (config.cold) nodes[0]!.disk.failReads(0.7, 300);
  second.reconnect();
  time.global.timers.after(prng.int(0, 60), () => {
    if (!device.online || device.life !== person.life) return;
    if (prng.chance(0.7)) person.block(device, other, true);
    else person.subscription(device, other, "unsubscribe");
  });
}

/**
 * Somebody comes and looks at a user whose state rests on a slow commit, and who changes meanwhile.
 */
export function stalledLook(cluster: Cluster, watcher: Device): void {
  const { prng, time, people } = cluster;
  const visible = people.filter((p) => mayBeSeen(p, watcher));
  const seen = prng.pick(visible.length > 0 ? visible : people);
  const device = seen.online[0];
  if (device === undefined || device === watcher) return;
  const { disk } = cluster.nodeOf(seen.name);
  disk.stall(500);
  if (prng.chance(0.3)) disk.failNext(prng.pick(["failed", "unknown"]));
  seen.write(device, watcher.person.name, 40);
  time.global.timers.after(10, () => watcher.reconnect());
  time.global.timers.after(100, () => {
    if (device.online && device.life === seen.life) device.show(seen.presence());
  });
}

/** Whether the device's roster says that its user sees a person. */
function mayBeSeen({ name }: Person, watcher: Device): boolean {
  const sub = watcher.view?.roster.get(name)?.subscription;
  return sub === "to" || sub === "both";
}

/**
 * Somebody who has blocked a contact is disabled, and enabled again when one more device of that
 * contact has come. For a cluster in which everybody is connected.
 */
export function blockedReturn(cluster: Cluster): void {
  const { time } = cluster;
  const prng = cluster.prng.fork("blocked return");
  const pairs = watching(cluster).filter(({ second }) => second !== undefined);
  if (pairs.length === 0 || prng.chance(0.7)) return;
  const { seen, watcher, second } = prng.pick(pairs);
  seen.block(seen.online[0]!, watcher.name, true);
  time.runFor(500);
  for (const disabled of [true, false]) {
    let done = false;
    cluster.insist(seen.name, "account.setDisabled", { disabled }, [], () => done = true);
    cluster.await(`disabled: ${disabled} of ${seen.name}`, () => !done, 30_000);
    if (disabled) second!.reconnect();
    time.runFor(2500);
  }
}

/**
 * Connected people who see somebody connected by their own rosters, and their first two devices.
 */
function watching({ people }: Cluster) {
  return people.flatMap((watcher) => {
    const [first, second] = watcher.online;
    if (first === undefined) return [];
    return people.filter((p) => p !== watcher && mayBeSeen(p, first) && p.online.length > 0)
      .map((seen) => ({ seen, watcher, second }));
  });
}

/**
 * Somebody blocks a contact and unblocks it again while that one stays connected. For a cluster in
 * which everybody is connected.
 */
export function blockedForAWhile(cluster: Cluster): void {
  const prng = cluster.prng.fork("blocked for a while");
  const pairs = watching(cluster);
  if (pairs.length === 0 || prng.chance(0.7)) return;
  const { seen, watcher } = prng.pick(pairs);
  for (const blocked of [true, false]) {
    const [device] = seen.online;
    if (device !== undefined) seen.block(device, watcher.name, blocked);
    cluster.time.runFor(500);
  }
}

/** Much comes to a device that takes nothing: all that its own user writes. */
export function flood(cluster: Cluster, person: Person, device: Device, other: string): void {
  const { prng, time } = cluster;
  const writer = prng.pick(person.online);
  device.link?.connection?.cut("down", 40_000);
  for (let i = 0; i < 8; i++) {
    time.global.timers.after(i * 40, () => {
      if (writer.online && writer.life === person.life) person.write(writer, other, 5000, 4000);
    });
  }
}

/**
 * Somebody writes to a name that nobody knows, and the answer comes when there is another account:
 * to be removed next.
 */
export function answerAfterReuse(cluster: Cluster, person: Person, device: Device): void {
  cluster.wire.holdAnswers(cluster.time.nowMs + 6000, "nobody", person.name);
  person.write(device, "nobody", 40);
}

/**
 * Somebody is forgotten behind a block by an account that is removed then, goes on seeing it as far
 * as it knows, writes to the next account of the name, and removes the contact meanwhile.
 */
export function namesake(
  cluster: Cluster,
  person: Person,
  device: Device,
  other: string,
  remove: () => void,
): void {
  const { prng, time, people } = cluster;
  const after = (ms: number, step: () => void) => time.global.timers.after(ms, step);
  const { life } = person;
  const writer = people.find((p) => p.name === other);
  if (writer === undefined || writer === person) return;
  person.block(device, other, true);
  after(30, () => person.uncontact(device, other));
  after(60, remove);
  const write = (count: number) => {
    const [from] = writer.online;
    for (let i = 0; i < count && from !== undefined; i++) writer.write(from, person.name, 40);
  };
  const meet = (tries: number): void => {
    const [theirs] = person.online;
    if (person.life === life || theirs === undefined) {
      if (tries > 0) after(300, () => meet(tries - 1));
      return;
    }
    person.settings(theirs, true);
    // The first one finds out that the former account is gone.
    write(1);
    after(150, () => {
      const [from] = writer.online;
      write(1);
      if (from !== undefined) writer.subscription(from, person.name, "unsubscribe");
    });
    after(200, () => write(3));
    after(200 + prng.int(0, 50), () => {
      const [from] = writer.online;
      if (from !== undefined) writer.uncontact(from, person.name);
      write(2);
    });
  };
  after(300, () => meet(30));
}

/** An account comes and goes before any checkpoint has seen it. */
export function flash(cluster: Cluster, name: string): void {
  cluster.insist(name, "account.create", { credentials: null }, ["conflict"], () => {
    cluster.insist(name, "account.remove", {}, ["not_found"], () => {
      cluster.insist(name, "account.release", {}, ["conflict"], () => {});
    });
  });
}

/** Somebody writes much at once, so that the next commit has it. */
export function burst(cluster: Cluster): void {
  const { prng, people } = cluster;
  const person = prng.pick(people);
  const [device] = person.online;
  if (device === undefined) return;
  for (let i = 0; i < 5; i++) person.write(device, prng.pick(people).name, 40);
}
