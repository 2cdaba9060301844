/**
 * One seed: a cluster is made, its clients act while things go wrong, it heals, quiesces, and is
 * measured by what its clients were promised; then it is killed and stopped, and must still be it.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { SimConfig } from "./config.ts";
import {
  checkLastSeen,
  checkPresence,
  checkReceipts,
  checkRosters,
  checkSettings,
  checkTokens,
  checkViews,
} from "./check_state.ts";
import { Changers } from "./changers.ts";
import { checkChanges } from "./check_changes.ts";
import { checkSearches } from "./searches.ts";
import { checkHistory, checkReceived, checkSent, checkUndelivered, foldAll } from "./check_mail.ts";
import { cellReloads } from "./cell_reloads.ts";
import { checkUnread } from "./check_unread.ts";
import { checkRights } from "./check_rights.ts";
import { checkPlaces } from "./check_places.ts";
import { checkGossip } from "./check_gossip.ts";
import { checkReplay } from "./check_replay.ts";
import { checkCovered, checkNotes, checkStamps, checkWaiting } from "./check_refused.ts";
import { checkDisk, checkNothingOwed } from "./check_disk.ts";
import { claimants } from "./claimants.ts";
import { coldLook } from "./cold_look.ts";
import { Driver } from "./driver.ts";
import { runNodesApart } from "./nodes_apart.ts";
import { type AccountDump, ask, dumpAll } from "./dump.ts";
import { Evacuations } from "./evacuations.ts";
import { Faults } from "./faults.ts";
import { interrupted } from "./interrupted.ts";
import { checkHomes, Contest } from "./homes.ts";
import { leftovers } from "./leftovers.ts";
import { LongCut } from "./long_cut.ts";
import { Movers } from "./movers.ts";
import { lostAnswers } from "./lost_answers.ts";
import { poisoned } from "./poison.ts";
import { blockedForAWhile, blockedReturn, stalledLook } from "./injections.ts";
import { checkOrders, endOrders, orders } from "./orders.ts";
import { checkTable, checkWork, reshards } from "./reshards.ts";
import { RECOVER_MS, recovered } from "./recovered.ts";
import { checkUsurped, createFor, lookAgain } from "./takeovers.ts";
import { delayOwed } from "./delayed_packets.ts";
import { saidWithoutLease } from "./said_without_lease.ts";
import { scenes } from "./scenes.ts";
import { unannounced } from "./unannounced.ts";
import { Violation } from "./history.ts";
import { Cluster } from "./cluster.ts";

/** Outboxes are empty, presence and rosters as they should be, so long after that, ms. */
export const CONVERGE_MS = 50_000;
/** Nobody has been without a connection for so long when it is compared what they see, ms. */
const CONNECTED_MS = 3000;
/** Lines of history that a failure shows. */
const TAIL_LINES = 400;

/** How a seed went. */
export interface SeedReport {
  readonly seed: number;
  /** null: every invariant held. */
  readonly failure: SeedFailure | null;
  /** Depends on everything that happened. */
  readonly hash: string;
  readonly turns: number;
  readonly checked: number;
  readonly virtualMs: number;
}

/** How one of a cluster went. */
export interface ClusterReport extends SeedReport {
  /** How often an account has moved to another cell. */
  readonly moved: number;
}

/** What was wrong, and how it came to it. */
export interface SeedFailure {
  /** The invariant's name, or `bug` where code threw. */
  readonly check: string;
  readonly message: string;
  readonly history: string;
}

/** Runs a seed to its end. `change`: parts of its configuration to have otherwise. */
export function runSeed(seed: number, change: Partial<SimConfig> = {}): ClusterReport {
  const cluster = new Cluster(seed, change);
  let failure: SeedFailure | null = null;
  const { used } = poisoned(() => {
    try {
      cluster.stepFaults.during(() => live(cluster));
      if (cluster.nodes.length === 1) runNodesApart(seed);
    } catch (error) {
      failure = failureOf(cluster, error as Error);
    }
  });
  if (failure === null && used.length > 0) {
    failure = { check: "no real clock, timer or chance", message: used.join(), history: "" };
  }
  return {
    seed,
    failure,
    hash: cluster.history.hash,
    turns: cluster.time.turns,
    checked: cluster.oracle.checked,
    virtualMs: cluster.time.nowMs,
    moved: cluster.movedCount,
  };
}

function failureOf(cluster: Cluster, error: Error): SeedFailure {
  if (error instanceof Violation) {
    const history = cluster.history.tail(TAIL_LINES, error.users);
    return { check: error.check, message: error.message, history };
  }
  const message = error.stack ?? String(error);
  return { check: "bug", message, history: cluster.history.tail(TAIL_LINES) };
}

function live(cluster: Cluster): void {
  begin(cluster);
  chaos(cluster);
  recover(cluster);
  if (cluster.config.cold) startUnread(cluster);
  if (cluster.config.cold) {
    coldLook(cluster);
    recovered(cluster);
  }
  blockedReturn(cluster);
  recovered(cluster);
  blockedForAWhile(cluster);
  saidWithoutLease(cluster);
  recovered(cluster);
  lostAnswers(cluster);
  converge(cluster);
  checkOrders(cluster);
  measure(cluster);
  rest(cluster);
  if (cluster.config.cold) delayOwed(cluster);
  else if (cluster.config.limits.checkpointMs >= 1000 && cluster.nodes.length === 1) {
    leftovers(cluster);
  }
  // These are about one node.
  if (cluster.nodes.length > 1) return;
  scenes(cluster);
  unannounced(cluster);
  interrupted(cluster);
}

/** Nodes start, accounts are made, some become contacts of each other. */
function begin(cluster: Cluster): void {
  const { nodes, people, prng, config } = cluster;
  for (const node of nodes) node.start();
  cluster.await("a first start", () => nodes.some((n) => !n.serving), 10_000);
  let left = people.length;
  for (const person of people) cluster.register(person, () => left--);
  cluster.await("registration", () => left > 0, 10_000);
  for (const person of people) {
    for (const device of person.devices) {
      device.transport = prng.chance(config.pollChance) ? "poll" : "socket";
      device.wanted = device.id === "d1" || prng.chance(0.8);
    }
  }
  cluster.await("first sign-ins", () => people.some((p) => p.online.length === 0), 10_000);
  for (const a of people) {
    for (const b of people) {
      const friends = a.name < b.name && prng.chance(config.friends);
      if (friends) a.subscription(a.online[0]!, b.name, "subscribe");
    }
  }
  cluster.time.runFor(2500);
  for (const person of people) person.kindness = config.kindness;
}

function chaos(cluster: Cluster): void {
  const driver = new Driver(cluster);
  const changers = new Changers(cluster);
  const faults = new Faults(cluster);
  const looks = cluster.prng.fork("looks");
  cluster.wire.onLateAnnounce = (lo, hi) => lookAgain(cluster, looks, lo, hi);
  reshards(cluster);
  orders(cluster);
  if (cluster.several.length > 0) cellReloads(cluster);
  if (cluster.several.length > 0) claimants(cluster);
  if (cluster.wan !== null) cluster.contest = new Contest(cluster);
  if (cluster.wan !== null) {
    cluster.movers = new Movers(cluster);
    if (cluster.config.evacuates) cluster.evacuations = new Evacuations(cluster, cluster.movers);
  }
  const cut = cluster.config.longCut ? new LongCut(cluster) : null;
  cluster.time.runFor(cluster.config.chaosMs);
  driver.stop();
  changers.stop();
  cut?.check();
  faults.heal();
  endOrders(cluster);
  cluster.wire.onLateAnnounce = () => {};
  cluster.history.add("cluster", "heals");
}

/** Everybody who is to be connected is, and has an answer to all that was sent. */
function recover(cluster: Cluster): void {
  const { people, prng } = cluster;
  for (const person of people) {
    for (const device of person.devices) {
      device.wanted = prng.chance(0.7);
      if (!device.wanted) device.drop(prng.pick(["silently", "politely", "reset"]));
    }
    const away = !person.devices.some((d) => d.wanted);
    if (away && prng.chance(0.6)) person.devices[0]!.wanted = true;
  }
  recovered(cluster);
}

/** A start with nothing in memory, while one account cannot be read. */
function startUnread(cluster: Cluster): void {
  const prng = cluster.prng.fork("unread");
  const node = cluster.nodes[0]!;
  cluster.kill(node);
  node.disk.failReadsOf(prng.pick(cluster.people).name, prng.int(2000, 4000));
  node.start();
  cluster.time.runFor(4500);
  recovered(cluster);
}

/** Everybody does one last thing, whose effects are then waited for. */
function converge(cluster: Cluster): void {
  const { people, prng, nodes } = cluster;
  const quiet = prng.chance(0.4);
  for (const person of people) {
    if (person.online.length === 0) continue;
    const device = prng.pick(person.online);
    const roster = [...device.view!.roster.values()].filter((c) => c.subscription === "both");
    // Not everybody: what was lost before must not be made up for by what comes now.
    for (const { contact } of !quiet && prng.chance(0.4) ? roster : []) {
      if (people.some((p) => p.name === contact)) person.write(device, contact, 40);
    }
    for (const each of person.online) {
      if (!each.shown.certain || prng.chance(0.4)) showLast(cluster, each);
    }
  }
  const watcher = prng.pick(people).online[0];
  if (watcher !== undefined && prng.chance(0.5)) stalledLook(cluster, watcher);
  cluster.time.runFor(CONVERGE_MS);
  // A failure that no write has met is not for what comes now.
  for (const { disk } of nodes) disk.heal();
  const unsure = () => people.flatMap((p) => p.online).filter((d) => !d.shown.certain);
  for (const device of unsure()) showLast(cluster, device);
  if (!cluster.runWhile(() => unsure().length > 0, 5000)) {
    const text = `presence of ${unsure().map((d) => d.who).join(", ")} is not accepted`;
    throw new Violation("liveness", text, unsure().map((d) => d.person.name));
  }
  connected(cluster);
  const pending = () => nodes.reduce((sum, n) => sum + n.running.node.pending, 0);
  cluster.await("every answer", () => pending() > 0, 15_000);
}

/**
 * A client whose session could not be reached has another one soon: polls may reach a node of an
 * earlier version, which does not pass them on. Until then, others see its former one. From now on
 * requests reach the node of their session, so that all stay connected while this is compared.
 */
function connected(cluster: Cluster): void {
  const { people, time } = cluster;
  cluster.roams = false;
  const devices = people.flatMap((p) => p.devices).filter((d) => d.wanted);
  let fromMs = time.nowMs;
  const waits = () => {
    if (devices.some((d) => !d.online)) fromMs = time.nowMs;
    return time.nowMs < fromMs + CONNECTED_MS;
  };
  cluster.await("everybody to stay connected", waits, RECOVER_MS);
}

/** Sets a last presence until the server knows it. */
function showLast(
  cluster: Cluster,
  device: Parameters<typeof checkPresence>[0]["people"][0]["devices"][0],
) {
  const { prng, time } = cluster;
  const presence = prng.chance(0.15) ? null : device.person.presence();
  const attempt = () => {
    if (!device.online) return time.global.timers.after(300, attempt);
    return device.show(presence, (known) => {
      if (!known) time.global.timers.after(300, attempt);
    });
  };
  attempt();
}

function measure(cluster: Cluster): void {
  for (const node of cluster.nodes) {
    node.checkLog();
    // Before anything is read: reading an account reminds its shard of what it owes.
    checkNothingOwed(node.disk);
  }
  checkTable(cluster);
  if (cluster.several.length > 0) checkWork(cluster);
  for (const { nodes } of cluster.several) checkGossip(nodes);
  checkUsurped(cluster);
  checkReplay(cluster);
  // Requests that were put off get their events when their owner looks, and then reach devices.
  dumpAll(cluster);
  cluster.time.runFor(1000);
  const folded = foldAll(cluster, dumpAll(cluster));
  checkSent(folded);
  checkReceived(cluster, folded);
  checkUndelivered(cluster, folded);
  checkChanges(cluster, folded);
  checkWaiting(folded);
  checkCovered(folded);
  checkNotes(folded);
  checkStamps(cluster, folded);
  checkRosters(folded);
  checkReceipts(cluster, folded);
  checkSettings(cluster, folded);
  checkTokens(cluster);
  checkPlaces(cluster);
  checkPresence(cluster, folded);
  checkLastSeen(cluster, folded);
  checkViews(cluster, folded);
  checkHistory(cluster, folded);
  checkSearches(cluster, folded);
  checkUnread(cluster, folded);
  checkRights(cluster, folded);
  if (cluster.contest !== null) checkHomes(cluster, cluster.contest.names);
}

/** How long sessions at a node that has died count as there, ms, and a little more. */
const NODE_GRACE_MS = 16_000;

/** Everybody goes, nothing of them is left in memory; a crash and a stop change nothing. */
function rest(cluster: Cluster): void {
  const { people, nodes, prng } = cluster;
  for (const person of people) {
    for (const device of person.devices) {
      device.wanted = false;
      if (prng.chance(0.5)) device.leave();
      else device.drop("politely");
    }
  }
  cluster.time.runFor(cluster.config.edge.graceMs * 1.1 + 5000);
  // Sessions at a node that has died count for a while, and so do questions to other cells.
  if (cluster.nodes.length > 1) cluster.time.runFor(NODE_GRACE_MS);
  for (const node of nodes) noneLeft(node, people);
  const before = dumpAll(cluster);
  const ends = prng.shuffle(["crash", "stop"] as const);
  for (const end of ends) {
    // Something that no checkpoint has yet.
    const fresh = `fresh ${end}`.replace(" ", "-");
    createFor(cluster, fresh);
    if (end === "crash") nodes.forEach((node) => cluster.kill(node));
    else nodes.forEach((node) => stop(cluster, node));
    if (end === "stop") cluster.groups.forEach(({ nodes: [node] }) => checkDisk(node!.disk));
    nodes.forEach((node) => node.start());
    cluster.await(`a start after a ${end}`, () => nodes.some((n) => !n.serving), 20_000);
    same(`after a ${end}`, before, dumpAll(cluster));
    const node = prng.pick(cluster.groupOf(fresh).nodes);
    const kept = ask(cluster, node, fresh, "account.info", {});
    if (!kept.ok) throw new Violation("nothing acked is lost on restart", `${fresh} is gone`);
  }
}

function stop(cluster: Cluster, node: Cluster["nodes"][0]): void {
  let stopped = false;
  node.stop(() => stopped = true);
  cluster.await("a stop", () => !stopped, 20_000);
}

function noneLeft(node: Cluster["nodes"][0], people: Cluster["people"]): void {
  const { edge, node: core } = node.running;
  const gauges = edge.gauges();
  const presentities = core.shards.reduce((sum, s) => sum + s.presence.size, 0);
  const left = Object.entries({ ...gauges, presentities, pending: core.pending });
  if (left.every(([, count]) => count === 0)) return;
  const text = left.filter(([, count]) => count !== 0).map(([name, count]) => `${count} ${name}`);
  const whose = people.flatMap(({ name }) => {
    const p = core.shards.find((s) => s.owns(name as AccountName))?.presence
      .get(name as AccountName);
    if (p === undefined) return [];
    const { nodes, proxied, sessions } = p;
    return `${name} ${JSON.stringify({ nodes, sessions: sessions.length, proxied })}`;
  });
  const all = `${node.who} has ${text.join(", ")}: ${whose.join(", ")}`;
  throw new Violation("nothing is kept for nobody", all, people.map((p) => p.name));
}

function same(when: string, before: readonly AccountDump[], after: readonly AccountDump[]): void {
  before.forEach((b, i) => {
    const [was, is] = [JSON.stringify(b), JSON.stringify(after[i])];
    if (was === is) return;
    let at = 0;
    while (was[at] === is[at]) at++;
    const part = (text: string) => text.slice(Math.max(0, at - 100), at + 200);
    const text = `${b.name} ${when}:\n${part(was)}\nhas become\n${part(is)}`;
    throw new Violation("nothing acked is lost on restart", text, [b.name]);
  });
}
