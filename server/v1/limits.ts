/** The bounds of protocol v1's inputs. Text is bounded in bytes of UTF-8, lists by their length. */

import { REACTIONS_MAX } from "../../shard/message/note.ts";
import type { TargetRules } from "../config/target.ts";

/** What a client may send at most. `welcome` and `GET /v1/info` tell the public ones. */
export interface ProtocolLimits {
  /** A whole frame or request body. */
  readonly frameBytesMax: number;
  /** Nesting of arrays and objects in a frame or body. */
  readonly jsonDepthMax: number;
  readonly messageBytesMax: number;
  /** `ext` of a message or of presence. */
  readonly extBytesMax: number;
  readonly statusBytesMax: number;
  /** Labels of contacts and of devices. */
  readonly labelBytesMax: number;
  readonly groupsMax: number;
  readonly groupBytesMax: number;
  /** A user name or address, before normalisation. */
  readonly userBytesMax: number;
  readonly passwordBytesMax: number;
  /** A token, of this server or of an outside issuer. */
  readonly tokenBytesMax: number;
  /** One SCRAM message. */
  readonly scramBytesMax: number;
  /** The text of a search. */
  readonly searchBytesMax: number;
  /** Messages in one answer of `search`. */
  readonly searchFoundMax: number;
  readonly signalTypeBytesMax: number;
  readonly signalBytesMax: number;
  /** Events in one answer of `history` and `events`. */
  readonly pageEventsMax: number;
  /** Bytes of events after which a page of `events` ends early. */
  readonly pageBytesMax: number;
  /** Seconds that a long-poll may wait. */
  readonly waitSecondsMax: number;
  /** Where push services may be; null: nobody can subscribe. */
  readonly push: TargetRules | null;
  /** Ids of the services that pass push messages on to phones. */
  readonly pushServices: readonly string[];
}

/** The limits that a client needs to know, as `welcome` and `GET /v1/info` show them. */
export function publicLimits(limits: ProtocolLimits): Readonly<Record<string, number>> {
  return {
    frameBytesMax: limits.frameBytesMax,
    messageBytesMax: limits.messageBytesMax,
    extBytesMax: limits.extBytesMax,
    statusBytesMax: limits.statusBytesMax,
    labelBytesMax: limits.labelBytesMax,
    groupsMax: limits.groupsMax,
    groupBytesMax: limits.groupBytesMax,
    signalBytesMax: limits.signalBytesMax,
    pageEventsMax: limits.pageEventsMax,
    reactionsMax: REACTIONS_MAX,
  };
}
