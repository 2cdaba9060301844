/** What the gateway and its parts are made with: the node's ports, its router, and its edge. */
import type { Result } from "../../shard/errors.ts";
import type { OpenedSession, OpenSession } from "../edge/types.ts";
import type { OtherCells } from "./backend/homes.ts";
import type { ServiceAudit } from "./backend/records.ts";
import type { GatewayCell } from "./gateway_cell.ts";
import type { RowRegisters } from "../node/cell_rows.ts";
import type { Ports, PostHook } from "../node/ports.ts";
import type { Router } from "../node/router.ts";

/** What the gateway is made with. */
export interface GatewayDeps extends Omit<Ports, "kdf"> {
  readonly router: Pick<Router, "request">;
  readonly post: PostHook;
  /** What the nodes of the cell share, with notice of what other nodes change. */
  readonly registers: RowRegisters;
  /** The other nodes; absent where the cell is this node. */
  readonly cell?: GatewayCell;
  /** The other cells of the federation; absent where the cell is alone. */
  readonly cells?: OtherCells;
  /** Records what services do as users; absent: the log alone has it. */
  readonly audit?: ServiceAudit;
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
}
