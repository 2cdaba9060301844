/** What is counted of certificates and settings that change while a server runs. */
import type { Meter } from "../node/meter.ts";

/** See the head of this file. */
export interface ReloadCounters {
  /** Reloads of which everything is in use. */
  done: number;
  /** Reloads of which something could not be used. */
  failed: number;
  /** Whether the last one was one of those. */
  failing: boolean;
  /** The certificate in use; null: there is none. */
  certificate: { readonly expiresAtMs: number } | null;
  /** Orders of certificates at an authority. */
  readonly orders: { done: number; failed: number };
}

/** Counters at zero. */
export function newReloadCounters(): ReloadCounters {
  return { done: 0, failed: 0, failing: false, certificate: null, orders: { done: 0, failed: 0 } };
}

/** Registers them. */
export function registerReloads(to: Meter, counters: ReloadCounters): void {
  to.values("roost_reloads_total", () => [
    [{ outcome: "done" }, counters.done],
    [{ outcome: "failed" }, counters.failed],
  ]);
  to.values("roost_certificate_orders_total", () => [
    [{ outcome: "done" }, counters.orders.done],
    [{ outcome: "failed" }, counters.orders.failed],
  ]);
  to.value("roost_reload_failing", () => counters.failing ? 1 : 0);
  to.values("roost_certificate_expiry_seconds", () => {
    const { certificate } = counters;
    return certificate === null ? [] : [[{}, Math.floor(certificate.expiresAtMs / 1000)]];
  });
}
