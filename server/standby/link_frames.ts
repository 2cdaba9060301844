/**
 * What processes say to each other about the copies of a cell's store, over the links between cells:
 * the stream of writes, roles, and votes on the register of roles. A frame begins with the number of
 * its kind; a recipient skips a kind that it does not know.
 */
import {
  bool,
  branded,
  bytes,
  list,
  optional,
  type Schema,
  text,
  uint,
} from "../../shard/record/schema.ts";
import { askSchema, voteSchema } from "../../shard/federation/caspaxos_schema.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import type { Ask, Vote } from "../../shard/federation/caspaxos.ts";
import { type CellName, parseCellName } from "../../shard/name/ids.ts";
import { accountName, deviceId } from "../../shard/record/fields.ts";
import type { UnreplicatedMessage } from "./unreplicated.ts";
import { struct, union, variant } from "../../shard/record/struct.ts";
import type { MemberId, Registered, RoleMessage, Roles, RoleTimes } from "./role_types.ts";

/**
 * Who votes on the register of a store. A later generation is made by an operator only, who knows
 * that the voters of the one before are gone.
 */
export interface RoleVoters {
  readonly generation: number;
  readonly places: readonly CellName[];
}

/** A frame; `cell`: whose store it is about. */
export type StandbyFrame =
  /** A primary begins a stream; `times` are those of the roles, which all members keep. */
  | {
    readonly kind: "offer";
    readonly cell: CellName;
    readonly stream: number;
    readonly epoch: number;
    readonly member: MemberId;
    readonly voters: RoleVoters;
    readonly times: RoleTimes;
    /** Whether writes are acknowledged when standbys have them. */
    readonly sync: boolean;
  }
  /** The recipient's stream has begun: frames of the standby follow. */
  | {
    readonly kind: "accepted";
    readonly cell: CellName;
    readonly stream: number;
    readonly member: MemberId;
  }
  /** A frame to the standby, and one from it. */
  | { readonly kind: "down" | "up"; readonly cell: CellName } & StreamPart
  | {
    readonly kind: "ended";
    readonly cell: CellName;
    readonly stream: number;
    readonly why: string;
  }
  | {
    readonly kind: "role";
    readonly cell: CellName;
    readonly from: MemberId;
    readonly to: MemberId;
    readonly message: RoleMessage;
  }
  /** A question to the voter of a place, and its vote. */
  | {
    readonly kind: "ask";
    readonly cell: CellName;
    readonly place: CellName;
    readonly voters: RoleVoters;
    readonly ask: Ask<Registered>;
  }
  | {
    readonly kind: "vote";
    readonly cell: CellName;
    readonly place: CellName;
    readonly vote: Vote<Registered>;
  }
  /** Which voters does the recipient know? It replies with them where it knows any. */
  | { readonly kind: "voters_ask"; readonly cell: CellName }
  | { readonly kind: "voters"; readonly cell: CellName; readonly voters: RoleVoters }
  /** What a former primary has acknowledged alone, for the present one to take; and it has. */
  | {
    readonly kind: "unreplicated";
    readonly cell: CellName;
    readonly n: number;
    readonly messages: readonly UnreplicatedMessage[];
  }
  | { readonly kind: "resubmitted"; readonly cell: CellName; readonly n: number };

/** Part of a stream. */
export interface StreamPart {
  readonly stream: number;
  readonly frame: Uint8Array;
}

const cell = branded<CellName>();
const member = branded<MemberId>();
const voters: Schema<RoleVoters> = struct({ generation: uint, places: list(cell) });
const times: Schema<RoleTimes> = struct({
  beaconMs: uint,
  shrinkMs: uint,
  leaseMs: uint,
  takeoverMs: uint,
  readMs: uint,
});
const roles: Schema<Roles> = struct({ epoch: uint, primary: member, inSync: list(member) });
const registered: Schema<Registered> = struct({
  version: uint,
  roles: optional("roles", roles),
});
const ASK = askSchema(registered);
const VOTE = voteSchema("accepted roles", registered);

const MESSAGE = union("role message", {
  beacon: variant(0, { epoch: uint, sentMs: uint }),
  answer: variant(1, { epoch: uint, sentMs: uint }),
  yielded: variant(2, { epoch: uint }),
}) satisfies Schema<RoleMessage>;

const UNREPLICATED: Schema<UnreplicatedMessage> = struct({
  from: accountName,
  to: accountName,
  id: text,
  body: text,
  ext: text,
  device: deviceId,
  at: uint,
});

const KIND_MAX = 11;
const FRAME = union("standby frame", {
  offer: variant(0, { cell, stream: uint, epoch: uint, member, voters, times, sync: bool }),
  accepted: variant(1, { cell, stream: uint, member }),
  down: variant(2, { cell, stream: uint, frame: bytes }),
  up: variant(3, { cell, stream: uint, frame: bytes }),
  ended: variant(4, { cell, stream: uint, why: text }),
  role: variant(5, { cell, from: member, to: member, message: MESSAGE }),
  ask: variant(6, { cell, place: cell, voters, ask: ASK }),
  vote: variant(7, { cell, place: cell, vote: VOTE }),
  voters_ask: variant(8, { cell }),
  voters: variant(9, { cell, voters }),
  unreplicated: variant(10, { cell, n: uint, messages: list(UNREPLICATED) }),
  resubmitted: variant(11, { cell, n: uint }),
});

/** The bytes of a frame. */
export function encodeStandbyFrame(frame: StandbyFrame): Uint8Array {
  const w = new ByteWriter();
  FRAME.write(w, frame);
  return w.take();
}

/**
 * Reads what `encodeStandbyFrame` wrote; null where it is of a kind that this program does not know.
 * Throws `CorruptBytes` for other bytes.
 */
export function decodeStandbyFrame(bytes: Uint8Array): StandbyFrame | null {
  if (bytes[0] !== undefined && bytes[0] > KIND_MAX) return null;
  const r = new ByteReader(bytes);
  const read = FRAME.read(r);
  if (!r.done) throw new CorruptBytes("a frame goes on behind its end");
  for (const name of namesIn(read)) {
    if (parseCellName(name) === null) throw new CorruptBytes("a name that no cell has");
  }
  return read;
}

/** The names of cells in a frame: files and directories are called after them. */
function namesIn(frame: StandbyFrame): readonly string[] {
  const places = "voters" in frame ? frame.voters.places : [];
  return [frame.cell, ...places, ..."place" in frame ? [frame.place] : []];
}
