/** What WebSocket connections and their transport know of each other. */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Fault } from "./ws_fault.ts";
import type { WsConnection } from "./ws_connection.ts";

/** What connections share. */
export interface ConnectionRules {
  /** Frames that return each second, and that may be saved up. */
  readonly framesPerSecond: number;
  readonly framesBurst: number;
  /** Bytes of a text. */
  readonly frameBytesMax: number;
  /** How long a client may go on sending more than that, ms. */
  readonly floodMs: number;
  /** Bytes not taken by the client beyond which nobody waits. */
  readonly unreadBytesMax: number;
}

/** The transport, as a connection sees it. */
export interface ConnectionHost {
  readonly rules: ConnectionRules;
  nowMs(): number;
  /** Addresses of other servers, for clients that are sent away. */
  elsewhere(): readonly string[];
  /** Asks for `flush` at the end of the turn. */
  cork(connection: WsConnection): void;
  /** Asks for `resume` in a while. */
  paused(connection: WsConnection): void;
  /** The first frame has come. */
  greeted(connection: WsConnection): void;
  received(bytes: number): void;
  /** A text frame of so many bytes was sent. */
  sent(bytes: number): void;
  fault(fault: Fault, connection: WsConnection): void;
  /** Asks for `step`, now or when it is the connection's turn. */
  takeTurn(connection: WsConnection): void;
  /** Has `ws` take the socket over; null where the socket has ended, which `closed` will say. */
  adopt(connection: WsConnection, socket: Socket): WebSocket | null;
  /** The socket is gone. */
  closed(connection: WsConnection): void;
}
