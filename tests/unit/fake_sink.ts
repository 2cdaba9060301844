/** What a session is sent, as tests look at it. */
import type { CloseReason, Sink } from "../../server/edge/types.ts";

/** An event as clients parse it. */
export type Wire = Readonly<Record<string, unknown>>;

/** A sink that takes what it is sent at once, or nothing. */
export class FakeSink implements Sink {
  readonly frames: string[] = [];
  taking = true;
  closed: { readonly reason: CloseReason; readonly retryAfterMs: number | undefined } | null = null;
  terminated = false;
  #buffered = 0;

  send(text: string): void {
    if (this.closed !== null || this.terminated) return;
    this.frames.push(text);
    if (!this.taking) this.#buffered += text.length;
  }

  bufferedBytes(): number {
    return this.#buffered;
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    this.closed ??= { reason, retryAfterMs };
  }

  terminate(): void {
    this.terminated = true;
    this.#buffered = 0;
  }

  /** Why it was closed; "" while it is open. */
  reason(): string {
    return this.closed?.reason ?? "";
  }

  /** Takes so many of the bytes that wait. */
  take(bytes = Infinity): void {
    this.#buffered = Math.max(0, this.#buffered - bytes);
  }

  /** All events sent so far. */
  events(): readonly Wire[] {
    return this.frames.flatMap((text) => (JSON.parse(text) as { ev: Wire[] }).ev);
  }

  of(kind: string): readonly Wire[] {
    return this.events().filter((event) => event["k"] === kind);
  }
}
