/** What a mesh needs of a process that is no node of a cell: it has no names, no shards and no users. */
import type { CellFormat } from "../node/cell_value.ts";
import type { MeshHost } from "../peer/cells/mesh_options.ts";
import type { MembersState } from "../../shard/federation/members.ts";
import { NO_MEMBERS } from "../../shard/federation/members.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { StoreError } from "../node/ports.ts";

/** It joins no federation by itself. */
export const IDLE_MEMBERS: MembersState = { ...NO_MEMBERS, out: true };

/** A value of this process alone, as `CellValue` is one of a cell. */
export class MemoryValue<T> {
  onChange: (value: T) => void = () => {};
  #value: T;

  constructor(initial: T) {
    this.#value = initial;
  }

  load(done: Parameters<CellFormat<T>["initial"]>[0]): void {
    queueMicrotask(() => done(null, this.#value));
  }

  update(change: (value: T) => T | null, done: (error: StoreError | null, value: T) => void): void {
    this.#value = change(this.#value) ?? this.#value;
    queueMicrotask(() => done(null, this.#value));
  }

  watch(): () => void {
    return () => {};
  }
}

/** See the head of this file. */
export function idleHost(self: NodeRef): MeshHost {
  return {
    self,
    table: () => ({ version: 0, nextId: 0, shards: [] }),
    users: () => 0,
    busy: () => true,
    names: {
      names: (_after, _limit, done) => done(null, [], null),
      stored: (_limit, done) => done(null, []),
      share: (_name, _add, done) => done(0),
      home: (_name, _reserve, done) => done({ home: null }),
    },
    isFresh: () => true,
    isEmpty: (done) => done(false),
    isFirst: () => false,
  };
}
