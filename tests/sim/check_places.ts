/** The places that accounts have signed in from by password are known, whatever has crashed since. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { SERVER_SECRET } from "./sim_node.ts";
import { placeMaker } from "../../server/auth/places.ts";
import { Violation } from "./history.ts";

const placeOf = placeMaker(SERVER_SECRET);

/** Throws where an active account does not know an address from which a device got its token. */
export function checkPlaces(cluster: Cluster): void {
  const { oracle } = cluster;
  for (const name of oracle.names) {
    const life = oracle.alive(name);
    if (life === null || life.disabled.certain(oracle.nowMs) !== false) continue;
    for (const address of life.places) {
      const known = (from: string): boolean => {
        const input = { place: placeOf(name as AccountName, from) };
        const answer = ask(cluster, cluster.nodeOf(name), name, "account.credentials", input);
        return answer.ok && answer.value?.known === true;
      };
      if (known(address) && !known(`${address}0`)) continue;
      throw new Violation("known places", `${name} has signed in from ${address} alone`, [name]);
    }
  }
}
