/** What the shards of a name in two cells say to each other about the move of its account. */
import type { Account } from "../account/account.ts";
import type { CellName } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import type { MoveMessage } from "../federation/move_message.ts";
import type { ShardTurn } from "./shard_turn.ts";

/** Sends it once the turn is committed; it may get lost, and is repeated. */
export function sayMove(
  turn: ShardTurn,
  { self }: Cells,
  account: Account,
  cell: CellName,
  message: MoveMessage,
): void {
  const { name } = account;
  const packet = { kind: "move", from: name, to: name, cell: self, message } as const;
  turn.emit(account, { kind: "abroad", cell, packet, hops: 0 });
}
