/** The streams that read what the sessions of services learn, by service. */
import type { Cancel } from "../node/ports.ts";
import type { PresenceView } from "./outcome.ts";

/** A reader of a service's stream, until the service is revoked. */
export interface Listener {
  presence(view: PresenceView): void;
  /** The mailbox has something new. */
  moved(): void;
  /** The service is revoked, or the server stops. */
  ended(): void;
}

/** All listeners of a node. */
export class Listeners {
  readonly #of = new Map<string, Set<Listener>>();

  /** Adds a listener; the returned function removes it. */
  add(service: string, listener: Listener): Cancel {
    const own = this.#of.get(service) ?? new Set();
    this.#of.set(service, own.add(listener));
    return () => own.delete(listener);
  }

  /** Streams that are open for a service. */
  count(service: string): number {
    return this.#of.get(service)?.size ?? 0;
  }

  /** Presence that the service sees has changed. */
  presence(service: string, view: PresenceView): void {
    for (const listener of this.#of.get(service) ?? []) listener.presence(view);
  }

  /** The service's mailbox has something new. */
  moved(service: string): void {
    for (const listener of this.#of.get(service) ?? []) listener.moved();
  }

  /** Ends those of a service. */
  end(service: string): void {
    const listeners = [...this.#of.get(service) ?? []];
    this.#of.delete(service);
    for (const listener of listeners) listener.ended();
  }

  endAll(): void {
    for (const service of [...this.#of.keys()]) this.end(service);
  }
}
