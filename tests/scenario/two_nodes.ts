/** A cell of two nodes over one store, with four shards and without faults, for tests. */
import { Cluster } from "../sim/cluster.ts";
import { LAN } from "../sim/network.ts";

/** See the head of this file. Its nodes are still to be started. */
export function twoNodes(): Cluster {
  return new Cluster(11, {
    nodes: 2,
    shards: 4,
    reshards: 0,
    cellReloads: 0,
    claimants: 0,
    lateCalls: 0,
    storeServed: false,
    users: 1,
    devicesPerUser: 1,
    faults: [],
    network: LAN,
    loss: 0,
  });
}
