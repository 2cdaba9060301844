/** What a process counts of copies of stores: of its cell's own, and of those that it keeps. */
import type { MemberView } from "./member_options.ts";
import type { Meter, Sample } from "../node/meter.ts";

/** The stores that a process takes part in. */
export interface StoresHere {
  /** Its cell's own; null: it has no standby. */
  readonly own: { readonly view: MemberView } | null;
  /** Copies of other cells' stores; null: it keeps none. */
  readonly station: {
    readonly views: readonly (MemberView & { readonly serves: boolean })[];
  } | null;
}

/** Registers it, by the cell whose store it is. */
export function registerStandby(to: Meter, { own, station }: StoresHere): void {
  const stores = to.perReading(() => [
    ...(own === null ? [] : [{ ...own.view, serves: null }]),
    ...station?.views ?? [],
  ]);
  const each = (
    name: Parameters<Meter["values"]>[0],
    of: (store: ReturnType<typeof stores>[number]) => number | null,
  ) =>
    to.values(name, () =>
      stores().flatMap((store): Sample[] => {
        const value = of(store);
        return value === null ? [] : [[{ cell: store.cell }, value]];
      }));
  each("roost_standby_in_sync", (store) => {
    const { inSync, serves, standbys } = store;
    // One that serves is the primary in a process of its own.
    if (serves === true) return null;
    return (serves === null ? standbys.some(({ state }) => state === "in sync") : inSync) ? 1 : 0;
  });
  each("roost_standby_lag_writes", ({ standbys }) => most(standbys.map((s) => s.lagWrites)));
  each("roost_standby_lag_seconds", ({ standbys }) => most(standbys.map((s) => s.lagMs / 1000)));
  each("roost_standby_filled_bytes", ({ copy }) => copy?.filledBytes ?? null);
  each("roost_standby_known", ({ wanted }) => wanted === null ? null : Number(wanted.known));
  each("roost_standby_serves", ({ serves }) => serves === null ? null : Number(serves));
}

function most(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}
