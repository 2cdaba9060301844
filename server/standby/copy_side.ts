/** A member's copy of a store, and the stream from the primary that it follows. */
import type { CellName } from "../../shard/name/ids.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeToStandby, encodeFromStandby } from "./stream_frames.ts";
import type { MemberId } from "./role_types.ts";
import type { RowError, RowStore } from "../store/row_store.ts";
import type { StandbyFrame } from "./link_frames.ts";
import { type KeepReplaced, StandbyCopy } from "./standby_copy.ts";
import type { StandbyPeer } from "./peer.ts";

/** What it needs. */
export interface CopySideOptions {
  readonly cell: CellName;
  readonly member: MemberId;
  /** Whether writes of the primary of this epoch are taken. */
  follows(epoch: number): boolean;
  /** What the copy has may have changed. */
  changed(): void;
  readonly keepReplaced: KeepReplaced;
}

interface Stream {
  readonly peer: StandbyPeer;
  readonly n: number;
  readonly epoch: number;
}

/** What a copy shows of itself. */
export interface CopyView {
  /** Number of the last write that it has; null: it has none. */
  readonly w: number | null;
  readonly whole: boolean;
  readonly following: boolean;
  /** Rows that were compared since it was opened, and bytes of those that were others. */
  readonly comparedRows: number;
  readonly filledBytes: number;
}

/** See the head of this file. */
export class CopySide {
  readonly #copy: StandbyCopy;
  readonly #options: CopySideOptions;
  #stream: Stream | null = null;
  /** The last stream that was refused: once is enough. */
  #refused: Pick<Stream, "peer" | "n"> | null = null;

  private constructor(copy: StandbyCopy, options: CopySideOptions) {
    this.#copy = copy;
    this.#options = options;
  }

  /** Opens the copy in rows without checks, which may be empty. */
  static open(
    rows: RowStore,
    options: CopySideOptions,
    done: (error: RowError | null, side: CopySide | null) => void,
  ): void {
    StandbyCopy.open(rows, (error, copy) => {
      done(error, copy === null ? null : new CopySide(copy, options));
    }, options.keepReplaced);
  }

  /** Whether the store can be opened from it. */
  get whole(): boolean {
    return this.#copy.whole;
  }

  /** Where the primary is that this copy follows, once it is equal; null: nowhere. */
  get followed(): StandbyPeer | null {
    return this.#copy.agrees ? this.#stream?.peer ?? null : null;
  }

  get view(): CopyView {
    const { counts, position, whole } = this.#copy;
    return {
      w: position?.w ?? null,
      whole,
      following: this.#stream !== null,
      comparedRows: counts.sameRows + counts.filledRows,
      filledBytes: counts.filledBytes,
    };
  }

  /** Takes a frame of a primary. */
  take(peer: StandbyPeer, frame: StandbyFrame): void {
    if (frame.kind === "offer") return this.#offered(peer, frame.stream, frame.epoch);
    const stream = this.#stream;
    if (frame.kind !== "down" && frame.kind !== "ended") return;
    if (stream === null || stream.peer !== peer || stream.n !== frame.stream) {
      return this.#refuse(peer, frame);
    }
    if (frame.kind === "ended") return this.#end(null);
    // From the moment at which it wants to be the primary itself, it takes nothing more.
    if (!this.#options.follows(stream.epoch)) return this.#end("this primary is not followed");
    try {
      this.#copy.take(decodeToStandby(frame.frame));
    } catch (error) {
      if (!(error instanceof CorruptBytes)) throw error;
      this.#end(`a frame cannot be read: ${error.message}`);
    }
  }

  /** A primary that goes on with a stream that this side does not have begins another one. */
  #refuse(peer: StandbyPeer, { kind, stream: n }: StandbyFrame & { stream: number }): void {
    const { cell } = this.#options;
    const refused = this.#refused;
    if (kind !== "down" || refused?.peer === peer && refused.n === n) return;
    this.#refused = { peer, n };
    peer.send({ kind: "ended", cell, stream: n, why: "the standby does not have this stream" });
  }

  /** The link is over. */
  closed(peer: StandbyPeer): void {
    if (this.#stream?.peer === peer) this.#end(null);
  }

  /** Closes the rows after what is under way. */
  close(done: () => void): void {
    this.#end("it is not a standby any more");
    this.#copy.close(done);
  }

  #offered(peer: StandbyPeer, n: number, epoch: number): void {
    const { cell, changed, follows, member } = this.#options;
    if (!follows(epoch)) return;
    if (this.#stream !== null) {
      if (this.#stream.epoch > epoch) return;
      this.#end("another stream has begun");
    }
    const stream = { peer, n, epoch };
    this.#stream = stream;
    if (!peer.send({ kind: "accepted", cell, stream: n, member })) return this.#end(null);
    this.#copy.connect({
      send: (frame) => {
        if (this.#stream !== stream) return;
        const sent = peer.send({ kind: "up", cell, stream: n, frame: encodeFromStandby(frame) });
        if (!sent) return this.#end("too much waits for the primary");
        if (frame.kind === "ack") changed();
      },
      end: (why) => {
        if (this.#stream === stream) this.#end(why);
      },
    });
  }

  #end(why: string | null): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    this.#copy.disconnect();
    const { cell } = this.#options;
    if (why !== null) stream.peer.send({ kind: "ended", cell, stream: stream.n, why });
    this.#options.changed();
  }
}
