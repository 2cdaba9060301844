/** Transcripts on a real server, over real sockets. */
import { WebSocket } from "ws";
import { fetchHeard, type Host, type Wire } from "./host.ts";
import type { Heard } from "./transcript.ts";

/** Longest wait for something, ms. */
const WAIT_MS = 15_000;
/** What should not come would come within this, ms. */
const SETTLE_MS = 50;

/**
 * How long a request that waits is given to arrive before the next is sent, which may take another
 * connection and reach another process, ms.
 */
const ARRIVE_MS = 200;

/** A server at an address as a host. Pauses are left out: whatever follows them is waited for. */
export class ProcessHost implements Host {
  readonly #url: string;
  readonly #sockets = new Set<WebSocket>();
  /** Of requests that nothing was heard of. */
  readonly #waiting = new Set<symbol>();
  readonly #closed = new AbortController();
  #changed: () => void = () => {};

  constructor(url: string) {
    this.#url = url;
  }

  open(heard: (heard: Heard) => void): Wire {
    const socket = new WebSocket(`${this.#url.replace(/^http/, "ws")}/v1/ws`);
    const unsent: string[] = [];
    this.#sockets.add(socket);
    let ended = false;
    socket.on("open", () => {
      for (const text of unsent.splice(0)) socket.send(text);
    });
    socket.on("message", (data) => {
      if (!ended) this.#hear(heard, { kind: "frame", frame: JSON.parse(String(data)) });
    });
    // What follows an error is a close.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (!ended) this.#hear(heard, { kind: "end" });
    });
    return {
      send: (text) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
        else unsent.push(text);
      },
      end: (how) => {
        ended = true;
        if (how === "lost") socket.terminate();
        else socket.close();
      },
    };
  }

  request(...[request, gone, heard]: Parameters<Host["request"]>): void {
    const arrive = this.#waiting.size > 0 ? ARRIVE_MS : 0;
    const id = Symbol();
    this.#waiting.add(id);
    const either = AbortSignal.any([gone, this.#closed.signal]);
    const send = async () => {
      if (arrive > 0) await new Promise((resolve) => setTimeout(resolve, arrive));
      if (either.aborted) return;
      await fetchHeard(fetch, this.#url, request, either, (what) => {
        this.#waiting.delete(id);
        this.#hear(heard, what);
      });
    };
    void send().finally(() => this.#waiting.delete(id));
  }

  act(words: readonly string[]): Promise<never> {
    throw new Error(`a real server is not asked to ${words[0]}`);
  }

  async pause(): Promise<void> {}

  async until(met: () => boolean): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<"over">((resolve) => {
      timer = setTimeout(() => resolve("over"), WAIT_MS);
    });
    try {
      while (!met()) {
        const changed = new Promise<void>((resolve) => this.#changed = resolve);
        if (await Promise.race([changed, over]) === "over") return met();
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }

  /** Ends what the transcript has left open. */
  close(): void {
    this.#closed.abort();
    for (const socket of this.#sockets) socket.terminate();
  }

  #hear(heard: (heard: Heard) => void, what: Heard): void {
    heard(what);
    this.#changed();
  }
}
