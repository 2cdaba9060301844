/**
 * What carries a link: a connection, plain or with TLS 1.3. Who listens takes both on one port, and
 * knows which it is from the first byte.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { CELL_SERVER_NAME, type CellCert } from "./cell_cert.ts";
import { isPrivateIp } from "../config/address.ts";
import type { LinkTls } from "../config/cell.ts";
import type { LinkRefusal } from "./handshake.ts";

/** A connection that a handshake can begin on. */
export interface Channel {
  readonly socket: Socket;
  /** What the proofs of the handshake are bound to: the certificate's SHA-256; empty: it is plain. */
  readonly binding: Uint8Array;
}

/** Called once, with a channel or with why the other side is refused. */
export type Opened = (opened: Channel | LinkRefusal) => void;

/** First byte of TLS; a plain connection begins with the length of a `Hello`, which is short. */
const TLS_HANDSHAKE = 0x16;

const PLAIN = new Uint8Array();
const TLS_ONLY = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const;

/** Whether a link over TCP to or from an IP address must be encrypted. */
export function mustEncrypt(tls: LinkTls, address: string): boolean {
  return tls === "always" || tls === "public" && !isPrivateIp(address);
}

/** A channel without TLS. */
export function plainChannel(socket: Socket): Channel {
  return { socket, binding: PLAIN };
}

/**
 * Begins TLS on a connection that this node has made. Nobody without the cell's secret passes: the
 * certificate must be the cell's own, byte for byte, besides being valid.
 */
export function dialTls(socket: Socket, { cert, fingerprint, raw }: CellCert, done: Opened): void {
  const secured = connect({ socket, ca: [cert], servername: CELL_SERVER_NAME, ...TLS_ONLY });
  const settle = (opened: Channel | LinkRefusal) => {
    secured.off("error", failed).off("close", closed).off("secureConnect", shown);
    if ("why" in opened) secured.on("error", () => {}).destroy();
    done(opened);
  };
  const refuse = (why: string) => settle({ cause: "tls", why: `TLS with it fails: ${why}` });
  const failed = (error: Error) => refuse(error.message);
  const closed = () => refuse("it has closed the connection");
  const shown = () => {
    const certificate = secured.getPeerCertificate().raw;
    const own = certificate !== undefined && Buffer.compare(certificate, raw) === 0;
    if (secured.authorized && own) settle({ socket: secured, binding: fingerprint });
    else refuse("its certificate is not that of the cell");
  };
  secured.on("error", failed).on("close", closed).on("secureConnect", shown);
}

/** Takes a connection that another node has made, once its first byte has arrived. */
export function acceptChannel(
  socket: Socket,
  { cert, key, fingerprint }: CellCert,
  encrypted: boolean,
  done: Opened,
): void {
  const forget = () => {
    socket.off("error", ended).off("close", ended).off("data", begun).on("error", () => {});
  };
  const ended = () => {
    forget();
    done({ cause: "ended", why: "the connection was closed" });
  };
  const begun = (first: Uint8Array) => {
    forget();
    socket.pause();
    socket.unshift(first);
    if (first[0] === TLS_HANDSHAKE) {
      const secured = new TLSSocket(socket, { isServer: true, cert, key, ...TLS_ONLY });
      return done({ socket: secured, binding: fingerprint });
    }
    if (encrypted) {
      return done({
        cause: "plain",
        why: "it does not use TLS, which links with it need (cell.tls)",
      });
    }
    done(plainChannel(socket));
    socket.resume();
  };
  socket.on("error", ended).on("close", ended).on("data", begun);
}
