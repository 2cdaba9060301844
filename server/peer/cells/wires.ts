/** What carries links between cells: proven connections, over TLS or of a test. */
import type { CellHello } from "./hello.ts";
import type { LinkRefusal, Role } from "../handshake.ts";

/** A connection with a node of another cell whose handshake is done. */
export interface Wire {
  readonly role: Role;
  /** What the other side says of itself. */
  readonly hello: CellHello;
  /** The IP address of the other side; "" where it is not known. */
  readonly peer: string;
  /** Bytes that were sent and that the system has not taken. */
  readonly waitingBytes: number;
  send(message: Uint8Array): void;
  close(why: string): void;
}

/** What a wire tells. */
export interface WireEvents {
  opened(wire: Wire): void;
  /** What it throws ends the wire. */
  message(bytes: Uint8Array): void;
  /** The system has taken all that was sent. */
  drained(): void;
  /** It is over, or there is none; called once. */
  closed(refusal: LinkRefusal): void;
}

/** What wires need of who has them. */
export interface WireHost {
  hello(): CellHello;
  /** Why the other side is refused; null where it is not. */
  fault(hello: CellHello): LinkRefusal | null;
  /** Another node connects. */
  accepted(): WireEvents;
}

/** The wires of one process. */
export interface Wires {
  /** Where nodes of other cells reach it. */
  readonly address: string;
  start(host: WireHost): void;
  /** Connects with a node at an address. */
  dial(address: string, events: WireEvents): void;
  /** Ends all. */
  stop(done: () => void): void;
}
