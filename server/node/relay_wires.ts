/** The port that carries clients that are passed on to other cells. */

/** A WebSocket to another cell. */
export interface RelaySocket {
  readonly bufferedBytes: number;
  send(text: string): void;
  /** Reads no more, until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** What it tells. */
export interface RelaySocketEvents {
  opened(): void;
  frame(text: string): void;
  /** It is over, or there is none; called once. */
  closed(): void;
}

/** What carries relayed clients. */
export interface RelayWires {
  socket(
    url: string,
    headers: Readonly<Record<string, string>>,
    events: RelaySocketEvents,
  ): RelaySocket;
  /** Rejects where no response begins in time. */
  fetch(url: string, request: {
    readonly method: string;
    readonly headers: Headers;
    readonly body: Uint8Array<ArrayBuffer> | null;
    readonly signal: AbortSignal;
  }): Promise<Response>;
}
