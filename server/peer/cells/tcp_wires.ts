/** Connections between nodes of two cells: TCP with TLS 1.3, and the handshake. */
import { type Bind, formatBind } from "../../config/address.ts";
import { BATCH_BYTES_MAX } from "./batch.ts";
import { cellCert } from "../cell_cert.ts";
import type { Channel } from "../channel.ts";
import { Connection, type ConnectionTimes } from "../connection.ts";
import { type CellHello, decodeCellHello, encodeCellHello, federationKey } from "./hello.ts";
import { type Endpoint, openEndpoint } from "../endpoint.ts";
import { type LinkRefusal, proofOf, type Role } from "../handshake.ts";
import { parsePlace } from "../place.ts";
import type { Runtime } from "../../node/ports.ts";
import type { Wire, WireEvents, WireHost, Wires } from "./wires.ts";

/** How long a connection may take to be made: after that it is tried again (ms). */
const DIAL_MS = 4000;

/** Refusals that nobody has to know: one of two links is enough, and a cell may name its own nodes. */
const QUIET: ReadonlySet<LinkRefusal["cause"]> = new Set(["linked", "own"]);

/** What wires are made with. */
export interface TcpWiresOptions extends Runtime {
  /** Where this node listens for nodes of other cells. */
  readonly bind: Bind;
  /** Where they reach it; null: where it listens. */
  readonly advertise: Bind | null;
  /** The secret of the federation. */
  readonly secret: Uint8Array;
  /** How long another node may be silent (ms). */
  readonly silentMs: number;
}

/** Listens. Rejects where it cannot, with a message that says what to change. */
export async function openTcpWires(options: TcpWiresOptions): Promise<Wires> {
  const key = federationKey(options.secret);
  const { silentMs } = options;
  const endpoint = await openEndpoint({
    ...options,
    cert: cellCert(key),
    encrypts: () => true,
    dialMs: Math.min(DIAL_MS, silentMs),
    handshakeMs: silentMs,
    refused: "cell link refused",
  });
  return new TcpWires(endpoint, key, options);
}

class TcpWires implements Wires {
  readonly address: string;
  readonly #endpoint: Endpoint;
  readonly #key: Uint8Array;
  readonly #options: TcpWiresOptions;
  readonly #times: ConnectionTimes;
  readonly #all = new Set<Connection<CellHello>>();
  #host: WireHost | null = null;

  constructor(endpoint: Endpoint, key: Uint8Array, options: TcpWiresOptions) {
    const { advertise, silentMs } = options;
    this.address = advertise === null ? endpoint.address : formatBind(advertise);
    this.#endpoint = endpoint;
    this.#key = key;
    this.#options = options;
    this.#times = { handshakeMs: silentMs, pingMs: silentMs / 3, silentMs };
  }

  start(host: WireHost): void {
    this.#host = host;
    this.#endpoint.start((channel, from) => {
      this.#connect(channel, from, "listener", host.accepted());
    });
  }

  dial(address: string, events: WireEvents): void {
    const place = parsePlace(address);
    if (place === null || "path" in place) {
      return events.closed({ cause: "unreached", why: `${address} is no address` });
    }
    this.#endpoint.dial(place, (opened, from, nobody) => {
      if (!("why" in opened)) return this.#connect(opened, from, "dialler", events);
      // On another machine this is worth a line, and so it is here: nobody starts the other cell.
      if (nobody) this.#endpoint.refused(address, opened);
      events.closed(opened);
    });
  }

  stop(done: () => void): void {
    for (const connection of [...this.#all]) connection.close("this node stops");
    this.#endpoint.stop(done);
  }

  #connect(channel: Channel, from: string, role: Role, events: WireEvents): void {
    const known = role === "listener" ? this.#endpoint.stranger(from, channel.socket) : () => {};
    const host = this.#host!;
    let opened = false;
    const connection: Connection<CellHello> = new Connection(channel, {
      ...this.#options,
      role,
      times: this.#times,
      own: encodeCellHello(host.hello(), this.#options.random.bytes(32)),
      read: decodeCellHello,
      fault: (hello) => host.fault(hello),
      prove: (...args) => proofOf(this.#key, ...args),
      unproved: "it does not know the secret of the federation",
      bytesMax: () => BATCH_BYTES_MAX,
      opened: (hello) => {
        opened = true;
        known();
        events.opened(wireOf(connection, role, hello, from));
      },
      message: (bytes) => events.message(bytes),
      beat: () => false,
      drained: () => events.drained(),
      closed: (refusal) => {
        this.#all.delete(connection);
        if (!opened) known();
        if (!opened && !QUIET.has(refusal.cause)) this.#endpoint.refused(from, refusal);
        events.closed(refusal);
      },
    });
    this.#all.add(connection);
  }
}

function wireOf(
  connection: Connection<CellHello>,
  role: Role,
  hello: CellHello,
  peer: string,
): Wire {
  return {
    role,
    hello,
    peer,
    get waitingBytes() {
      return connection.waitingBytes;
    },
    send: (message) => {
      if (connection.open) connection.send(message);
    },
    close: (why) => connection.close(why, "linked"),
  };
}
