/** What operations of a store may hold, as the process that has the rows would check it. */
import type { Cut, LogBatch, Mutation } from "../node/ports.ts";
import { checkKey, checkList, checkWrite } from "./store_limits.ts";
import { encodeRegister, registerKey } from "./register_rows.ts";
import { STORE_LIMITS } from "../node/ports.ts";
import type { StoreRequest } from "./store_frames.ts";

const LOG = "log";

/** The rows of an append. */
export function logMutations(batches: readonly LogBatch[]): readonly Mutation[] {
  return batches.flatMap(({ shard, from, records }) =>
    records.map((value, i): Mutation => ({ kind: "set", key: [LOG, shard, from + i], value }))
  );
}

function cutMutations(cuts: readonly Cut[]): readonly Mutation[] {
  const rows = cuts.reduce((sum, { from, below }) => sum + Math.max(0, below - from), 0);
  if (rows > STORE_LIMITS.mutationsMax) {
    throw new Error(`checkpoint: ${rows} records are cut, limit is ${STORE_LIMITS.mutationsMax}`);
  }
  return cuts.flatMap(({ log, from, below }) =>
    Array.from(
      { length: Math.max(0, below - from) },
      (_, i): Mutation => ({ kind: "delete", key: [LOG, log, from + i] }),
    )
  );
}

/** Throws where a request breaks a limit of the store: a bug of the caller. */
export function checkRequest(request: StoreRequest): void {
  switch (request.kind) {
    case "append":
      if (new Set(request.batches.map(({ shard }) => shard)).size < request.batches.length) {
        throw new Error("append: two batches are of one shard");
      }
      return checkWrite(logMutations(request.batches));
    case "checkpoint":
      return checkWrite([...request.rows, ...cutMutations(request.cuts)]);
    case "write":
      if (request.rows.some(({ key }) => key[0] === LOG)) {
        throw new Error("write: records of logs are appended or cut");
      }
      return checkWrite(request.rows);
    case "read":
      for (const key of request.keys) checkKey("read", key);
      return;
    case "list":
      return checkList(request);
    case "cas": {
      const { name, version, value, rows } = request;
      const register = encodeRegister({ version: version + 1, value });
      return checkWrite([{ kind: "set", key: registerKey(name), value: register }, ...rows]);
    }
    case "reshape": {
      const value = encodeRegister({ version: request.version + 1, value: request.table });
      return checkWrite([{ kind: "set", key: registerKey("table"), value }]);
    }
    case "register":
    case "watch":
      return checkKey(request.kind, registerKey(request.name));
    case "hello":
    case "read_log":
    case "holders":
    case "claim":
      return;
  }
}
