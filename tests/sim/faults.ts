/** What goes wrong in a cluster while its clients act, and the end of it. */
import type { FaultName } from "./config.ts";
import type { SimNode } from "./sim_node.ts";
import type { Cluster } from "./cluster.ts";
import { burst } from "./injections.ts";
import { reloadShard, usurpShard } from "./takeovers.ts";
import { STEADY } from "./wire.ts";
import { crashAll, strikeCell } from "./cell_faults.ts";
import { strikeWan } from "./wan_faults.ts";

/** The faults' part of the chaos. */
export class Faults {
  readonly #cluster: Cluster;
  #running = true;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const { config, time } = cluster;
    const prng = cluster.prng.fork("faults");
    cluster.stepFaults.chance = config.bugs;
    for (const { cell } of cluster.several) cell!.store.lateCalls = config.lateCalls;
    if (config.allCrash) {
      const atMs = cluster.prng.fork("all crash").int(0, config.chaosMs);
      this.#later(atMs, () => crashAll(cluster, cluster.nodes, () => this.#running));
    }
    for (let i = 0; i < config.faultCount && config.faults.length > 0; i++) {
      const fault = prng.pick(config.faults);
      // Some at the very end, so that little comes after them that would make up for what they
      // broke.
      const atMs = config.chaosMs - (prng.chance(0.15) ? prng.int(0, 300) : 0);
      time.global.timers.after(prng.chance(0.2) ? atMs : prng.int(0, config.chaosMs), () => {
        if (this.#running) this.#strike(fault);
      });
    }
  }

  /** Everything that was broken works again; nodes that are down are started. */
  heal(): void {
    this.#running = false;
    const { nodes, network, several, stepFaults, wan, wire } = this.#cluster;
    for (const { cell } of several) cell!.heal();
    wan?.heal();
    wire.quality = STEADY;
    stepFaults.chance = 0;
    network.blocked = false;
    network.quality = { ...network.quality, loss: 0 };
    for (const connection of network.connections) {
      connection.cut("up", 0);
      connection.cut("down", 0);
      connection.readEveryMs = 0;
    }
    for (const node of nodes) {
      node.disk.heal();
      node.process.resume();
      this.#cluster.restartLater(node, 0);
    }
  }

  #strike(fault: FaultName): void {
    const { prng, nodes, history } = this.#cluster;
    const node = prng.pick(nodes);
    history.add("fault", `${fault} at ${node.who}`);
    switch (fault) {
      case "crash":
        return this.#crash(node, prng.pick([50, 500, 3000]));
      case "crashAtWrite":
        return node.disk.afterWrites(prng.int(0, 3), () => {
          if (!this.#running) return;
          this.#cluster.kill(node);
          this.#cluster.restartLater(node, prng.pick([50, 500, 3000]));
        });
      case "failingStop":
        this.#disk(node, "diskErrors");
        return this.#later(prng.int(0, 300), () => this.#running && this.#cluster.restart(node));
      case "crashLoop":
        return this.#crashLoop(node, prng.int(2, 4));
      case "restart":
        return this.#cluster.restart(node);
      case "pause":
        node.process.pause();
        return this.#later(prng.int(100, 15_000), () => node.process.resume());
      case "wallJump":
        return this.#jumpWall(node, prng.pick([-86_400_000, -5000, 5000, 3_600_000]));
      case "reload":
      case "usurp":
        return this.#takeOver(node, fault);
      case "resets":
      case "partition":
      case "cuts":
      case "requestsLost":
        return this.#network(fault);
      case "linkCut":
      case "linksFlap":
      case "nodeCutOff":
      case "storeAway":
      case "storeRepliesLost":
      case "storeSlow":
      case "storeAwayForAll":
      case "storeAtMinority":
      case "oneWayCut":
      case "replyLost":
      case "linksSlow":
      case "allCrash":
      case "race":
        return strikeCell(this.#cluster, node, fault, () => this.#running);
      case "cellCutOff":
      case "cellsApart":
      case "oneWayApart":
      case "badWan":
      case "slowWan":
      case "wanFlaps":
      case "farNodesApart":
        return strikeWan(this.#cluster, fault, () => this.#running);
      default:
        return this.#disk(node, fault);
    }
  }

  /** Shards lose what they have in memory, one or several times in a row. */
  #takeOver(node: SimNode, fault: "reload" | "usurp"): void {
    const { prng } = this.#cluster;
    for (let i = prng.int(1, 3); i > 0; i--) {
      this.#later(prng.pick([0, prng.int(0, 50), prng.int(0, 2000)]), () => {
        if (!this.#running || !node.serving) return;
        if (fault === "reload") reloadShard(this.#cluster, node, prng);
        else usurpShard(this.#cluster, node, prng);
      });
    }
  }

  #jumpWall(node: SimNode, deltaMs: number): void {
    const atMs = this.#cluster.time.nowMs;
    this.#cluster.jumps.push({ node, deltaMs, atMs, starts: node.up ? node.starts : -1 });
    node.jumpWall(deltaMs);
  }

  #later(delayMs: number, run: () => void): void {
    this.#cluster.time.global.timers.after(delayMs, run);
  }

  /** At any step, for turns come where work is done. */
  #crash(node: SimNode, downMs: number): void {
    const { time, prng } = this.#cluster;
    time.afterTurns(prng.int(0, 60), () => {
      if (!this.#running) return;
      this.#cluster.kill(node);
      this.#cluster.restartLater(node, downMs);
    });
  }

  #crashLoop(node: SimNode, times: number): void {
    this.#crash(node, 5);
    if (times > 1) {
      const { prng } = this.#cluster;
      this.#later(5 + prng.int(0, 40), () => this.#crashLoop(node, times - 1));
    }
  }

  #disk({ disk }: SimNode, fault: FaultName): void {
    const { prng } = this.#cluster;
    const healthy = { failed: 0, unknown: 0, readFailed: 0 };
    const until = (end: () => void) => this.#later(prng.int(200, 6000), end);
    switch (fault) {
      case "diskStall":
        return disk.stall(prng.int(100, 8000));
      case "diskErrors":
        disk.faults = { ...healthy, failed: prng.pick([0.1, 0.5, 1]) };
        return until(() => disk.faults = healthy);
      case "diskReads":
        disk.faults = { ...healthy, readFailed: prng.pick([0.1, 0.5, 1]) };
        return until(() => disk.faults = healthy);
      case "diskUnknown":
        burst(this.#cluster);
        return disk.failNext(...Array.from({ length: prng.int(1, 3) }, () => "unknown" as const));
      case "diskFull":
        disk.full = true;
        return until(() => disk.full = false);
      default:
        throw new Error(`no such fault: ${fault}`);
    }
  }

  #network(fault: FaultName): void {
    const { prng, network } = this.#cluster;
    const forMs = prng.int(200, 12_000);
    for (const connection of network.connections) {
      if (fault === "resets" && prng.chance(0.5)) connection.reset();
      if (fault === "cuts" && prng.chance(0.4)) connection.cut(prng.pick(["up", "down"]), forMs);
      if (fault !== "partition") continue;
      connection.cut("up", forMs);
      connection.cut("down", forMs);
    }
    if (fault !== "partition" && fault !== "requestsLost") return;
    network.blocked = true;
    this.#later(forMs, () => {
      network.blocked = false;
    });
  }
}
