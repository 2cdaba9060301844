/** What a node does with clients whose home is another cell, as its settings and links have it. */
import type { CellName } from "../shard/name/ids.ts";
import type { Config } from "./config/config.ts";
import { isSaidBy } from "./peer/cells/sayings.ts";
import { LostHomes } from "./v1/lost_homes.ts";
import type { OpenNode } from "./open.ts";
import type { PublicServers } from "./v1/servers.ts";
import { Relay } from "./v1/relay.ts";
import { systemRelayWires } from "./system/relay_wires.ts";

/** Part of the connections that clients of lost cells may have while they wait: the cell's own users have the others. */
const LOST_PART = 0.5;

/** Passes them on; null where they are sent there instead. */
export function frontRelay(
  config: Pick<Config, "cells">,
  { cells, ports, relays }: Pick<OpenNode, "cells" | "ports" | "relays">,
  servers: PublicServers,
): Relay | null {
  const { relay, relayMax } = config.cells;
  if (!relay || cells === null || relays === null) return null;
  return new Relay({
    ...ports,
    wires: systemRelayWires(),
    proofs: relays,
    perCellMax: relayMax,
    addressesOf: (cell) => cells.addressesOf(cell as CellName) ?? [],
    servers: () => servers.all(),
  });
}

/** Where those wait whose home cannot be reached; null in a lone cell. */
export function frontLostHomes(
  { limits }: Pick<Config, "limits">,
  { cells, ports }: Pick<OpenNode, "cells" | "ports">,
): LostHomes | null {
  if (cells === null) return null;
  const { directory } = cells;
  return new LostHomes({
    ...ports,
    waitingMax: Math.floor(limits.connectionsMax * LOST_PART),
    isReached: (cell) =>
      directory.isReached(cell as CellName, (saying) => isSaidBy(cells.linkOf(saying), saying)),
    addressesOf: (cell) => cells.addressesOf(cell as CellName),
  });
}
