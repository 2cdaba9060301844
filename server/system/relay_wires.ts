/** Connections to the public addresses of other cells, for clients that are passed on. */
import type { Buffer } from "node:buffer";
import { WebSocket } from "ws";
import type { RelaySocket, RelaySocketEvents, RelayWires } from "../node/relay_wires.ts";

/** How long a server may take to accept a connection, and to begin its response (ms). */
const CONNECT_MS = 10_000;
const RESPONSE_MS = 90_000;
/** A server pings at least so often (ms), see `timeouts.pingIntervalMs`; silence is the end. */
const SILENT_MS = 120_000;

class Socket implements RelaySocket {
  readonly #ws: WebSocket;
  #silence: ReturnType<typeof setTimeout>;

  constructor(url: string, headers: Readonly<Record<string, string>>, events: RelaySocketEvents) {
    const ws = new WebSocket(url, {
      headers,
      perMessageDeflate: false,
      followRedirects: false,
      handshakeTimeout: CONNECT_MS,
    });
    this.#ws = ws;
    this.#silence = setTimeout(() => ws.terminate(), SILENT_MS);
    ws.on("open", () => events.opened());
    ws.on("ping", () => this.#alive());
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      this.#alive();
      if (!isBinary) events.frame(data.toString());
    });
    // A close follows.
    ws.on("error", () => {});
    ws.on("close", () => {
      clearTimeout(this.#silence);
      events.closed();
    });
  }

  #alive(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#ws.terminate(), SILENT_MS);
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(text: string): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.send(text);
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  close(): void {
    // A reader that is paused would never see the end.
    this.#ws.resume();
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.close(1000);
    else this.#ws.terminate();
  }
}

/** Makes them. */
export function systemRelayWires(): RelayWires {
  return {
    socket: (url, headers, events) => new Socket(url, headers, events),
    async fetch(url, { signal, ...request }) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), RESPONSE_MS);
      const either = AbortSignal.any([signal, late.signal]);
      try {
        return await fetch(url, { ...request, signal: either, redirect: "manual" });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
