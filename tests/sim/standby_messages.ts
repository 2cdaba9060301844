/** Messages as rows of a store, and what places keep of them: as far as copies of stores know them. */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { addChecksum } from "../../server/store/row_checksum.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Mutation, StoreKey } from "../../server/node/ports.ts";
import { RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import type { Unreplicated } from "../../server/standby/unreplicated.ts";
import type {
  UnreplicatedFile,
  UnreplicatedPart,
} from "../../server/standby/unreplicated_delivery.ts";
import { unreplicatedIn } from "../../server/standby/unreplicated.ts";

const ANN = "ann" as AccountName;
const BOB = "bob" as AccountName;

/** The write of a message: its record in the log. Keys of lost messages are used again. */
export function messageRow(at: number, id: string): Mutation {
  const w = new ByteWriter().u8(RECORD_VERSION);
  const device = "DDDDDDDDDDDDDDDD" as DeviceId;
  const said = { to: BOB, toId: "" as const, n: 1, seq: 1, at: 5, num: 1, id, body: id, ext: "" };
  writeEntry(w, ANN, { kind: "sent", ...said, device });
  const key: StoreKey = ["log", 1, at];
  return { kind: "set", key, value: addChecksum(key, w.take()) };
}

/** The ids of the messages on a disk, each as often as it exists, and the last key. */
export function messagesOn(disk: MemoryDisk): { readonly ids: string[]; readonly last: number } {
  const rows = disk.stored(["log"]);
  const ids = rows.flatMap(unreplicatedIn).flatMap((one) =>
    one.kind === "name" ? [] : [one.message.id]
  );
  return { ids, last: rows.reduce((most, { key }) => Math.max(most, Number(key[2])), 0) };
}

/** A file of a place in memory. */
export class KeptMessages implements UnreplicatedFile {
  #lines: Unreplicated[] = [];

  get exists(): boolean {
    return this.#lines.length > 0;
  }

  add(found: readonly Unreplicated[]): void {
    this.#lines.push(...found);
  }

  /** Two lines are a part. */
  part(from: number): UnreplicatedPart {
    const lines = this.#lines.slice(from, from + 2).map((line, i) => ({ line, place: from + i }));
    return { lines, next: from + 2 < this.#lines.length ? from + 2 : null };
  }

  at(place: number): Unreplicated | null {
    return this.#lines[place] ?? null;
  }

  remove(): void {
    this.#lines = [];
  }
}
