/** Hands the packets of shards to the sessions and watchers that they concern. */
import type { SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { WatchTarget } from "../../shard/ops.ts";
import type { Announcer } from "./announcer.ts";
import { EventBatch } from "./feed.ts";
import type { LiveSession } from "./session.ts";
import type { Sessions } from "./sessions.ts";

/** The packets of one edge. */
export class Packets {
  readonly #sessions: Sessions;
  readonly #announcer: Announcer;

  constructor(sessions: Sessions, announcer: Announcer) {
    this.#sessions = sessions;
    this.#announcer = announcer;
  }

  /** Takes one packet; returns how many sessions it concerns. Never throws. */
  deliver(packet: EdgePacket): number {
    const { codec, flusher, watchers } = this.#sessions;
    switch (packet.kind) {
      case "events": {
        const batch = new EventBatch(codec, packet.events);
        const count = this.#each(packet.sessions, (session) => session.pushEvents(batch));
        if (packet.sinceMs > 0) flusher.message(packet.sinceMs);
        return count;
      }
      case "presence": {
        const count = watchers.changed(packet);
        flusher.presence(packet.sinceMs);
        return count;
      }
      case "unknown":
        return watchers.unknown(packet);
      case "ask_again": {
        const target = { name: packet.watched, id: packet.watchedId };
        return watchers.askAgain(this.#sessions.of(packet.watcher), target);
      }
      case "rewatch":
        return watchers.rewatchUser(packet.watched, this.#sessions.all());
      case "revoke": {
        const { lastSeen, watched } = packet;
        const sessions = this.#sessions.of(packet.watcher);
        const by = lastSeen === null && packet.theirs !== true ? "own" : "theirs";
        for (const session of sessions) {
          // A session that is blocked registers all the same, and learns what to show.
          if (by === "own") session.unwatchLater(watched);
          watchers.revoke(session, watched, lastSeen, by);
        }
        return sessions.length;
      }
      case "watch":
        return this.#watch(packet.sessions, packet.target);
      case "announce":
        if (packet.refused === true) this.#announcer.askRefused(packet.lo, packet.hi);
        else this.#announcer.announce(packet.lo, packet.hi, packet.epoch, packet.lossy === true);
        return 0;
      case "closed":
        return this.#each(packet.sessions, (session) => session.finish(packet.reason, false));
      case "signal": {
        const text = codec.signal(packet);
        return this.#each(packet.sessions, (session) => session.pushSignal(text));
      }
    }
  }

  #each(ids: readonly SessionId[], run: (session: LiveSession) => void): number {
    let count = 0;
    for (const id of ids) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      run(session);
      count++;
    }
    return count;
  }

  /** Sessions that have not started yet register interest when they do. */
  #watch(ids: readonly SessionId[], target: WatchTarget): number {
    const asking: LiveSession[] = [];
    const count = this.#each(ids, (session) => {
      if (!session.watchLater(target)) asking.push(session);
    });
    this.#sessions.watchers.register(asking, [target], () => {});
    return count;
  }
}
