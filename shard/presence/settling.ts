/**
 * The time after a shard was taken over. Presence is not durable: the new owner knows no sessions
 * before the nodes that have them have announced them. Until all have, or a grace has passed, the
 * shard tells nobody's presence, and withholds what needs a session that may still be announced. For
 * nodes that cannot be reached it waits with the latter only. The grace passes while the shard serves:
 * one that reads its log, or has stopped because of bugs, takes no announcements.
 */
import type { AccountName, NodeId, SessionId } from "../name/ids.ts";
import type { Attached } from "./presence.ts";
import type { EdgePacket } from "../edge_packet.ts";
import type { ShardInput } from "../effects.ts";

type CloseReason = (EdgePacket & { readonly kind: "closed" })["reason"];
type Request = ShardInput & { readonly kind: "request" };

interface Closing {
  readonly name: AccountName;
  readonly reason: CloseReason;
  readonly which: (session: Attached) => boolean;
}

/** See the head of this file. */
export class Settling {
  /** Nodes whose sessions are not all announced. */
  #nodes = new Set<NodeId>();
  /** Those of them that could not be reached at the beginning. */
  #lost = new Set<NodeId>();
  #epoch = 0;
  #graceMs = 0;
  #untilMs = 0;
  #withheld: ShardInput[] = [];
  #closings: Closing[] = [];
  readonly #announced = new Set<SessionId>();

  /** Whether it goes on. */
  get active(): boolean {
    return this.#nodes.size > 0;
  }

  /** Whether it waits for a node that can be reached: until then it sends nobody's presence. */
  get withholdsPresence(): boolean {
    for (const node of this.#nodes) if (!this.#lost.has(node)) return true;
    return false;
  }

  /**
   * Whether presence is not sent to this node yet: one that could not be reached at the beginning, and
   * asks now, is about to announce its sessions.
   */
  withholdsFrom(node: NodeId): boolean {
    return this.#nodes.has(node) || this.withholdsPresence;
  }

  /**
   * Begins to wait for `nodes`, of which `lost` cannot be reached, at epoch `epoch`, for `graceMs` from
   * `nowMs` (monotonic) on at most.
   */
  begin(
    { nodes, lost, epoch, graceMs }: ShardInput & { readonly kind: "taken_over" },
    nowMs: number,
  ): void {
    this.#nodes = new Set(nodes);
    this.#lost = new Set(lost);
    this.#epoch = epoch;
    this.#graceMs = graceMs;
    this.serves(nowMs);
  }

  /** The shard serves from now on: the grace begins anew. */
  serves(nowMs: number): void {
    this.#untilMs = nowMs + this.#graceMs;
  }

  /** A node has announced its sessions, asked by `epoch`; returns whether it was waited for. */
  announced(node: NodeId, epoch: number): boolean {
    return epoch >= this.#epoch && this.#nodes.delete(node);
  }

  /** Whether the grace has passed. */
  isOver(nowMs: number): boolean {
    return this.active && nowMs >= this.#untilMs;
  }

  /** Ends it: what was withheld is to be taken then, by `next`. */
  end(): void {
    this.#closings = [];
    this.#announced.clear();
    this.#nodes.clear();
  }

  /** Inputs that are withheld. */
  get withheld(): number {
    return this.#withheld.length;
  }

  /** Takes the first of what was withheld and need not be any more. */
  next(): ShardInput | undefined {
    if (!this.active) return this.#withheld.shift();
    if (this.withholdsPresence) return undefined;
    const waits = (input: ShardInput) =>
      input.kind === "request" || "node" in input && this.#nodes.has(input.node);
    const at = this.#withheld.findIndex((input) => !waits(input));
    return at < 0 ? undefined : this.#withheld.splice(at, 1)[0];
  }

  /** The users that a node has asked to watch by what is withheld. */
  watchedBy(node: NodeId): readonly AccountName[] {
    return this.#withheld.flatMap((input) =>
      input.kind === "interest" && input.node === node ? input.items.map((i) => i.watched) : []
    );
  }

  withhold(input: ShardInput): void {
    this.#withheld.push(input);
  }

  /** Takes the withheld changes of presence of a session that is attached now. */
  takeFor(name: AccountName, session: SessionId): readonly Request[] {
    const found: Request[] = [];
    this.#withheld = this.#withheld.filter((input) => {
      const its = input.kind === "request" && input.name === name &&
        (input.input as { readonly session?: SessionId }).session === session;
      if (its) found.push(input);
      return !its;
    });
    return found;
  }

  /** Sessions that `which` picks are to end, those included that are still to be announced. */
  close(name: AccountName, reason: CloseReason, which: Closing["which"]): void {
    if (this.active) this.#closings.push({ name, reason, which });
  }

  /**
   * Why a session may not be announced: it was to end meanwhile, or `present`, a session of the
   * same device, was attached meanwhile by a client that has returned. Null where it may.
   */
  refusal(name: AccountName, session: Attached, present: Attached | undefined): CloseReason | null {
    // Attached to this owner before its node was asked to announce it: what was to end is over.
    if (present?.session === session.session) return null;
    const closing = this.#closings.findLast((c) => c.name === name && c.which(session));
    if (closing !== undefined) return closing.reason;
    const returned = present !== undefined && !this.#announced.has(present.session);
    if (returned) return "replaced";
    if (this.active) this.#announced.add(session.session);
    return null;
  }
}
