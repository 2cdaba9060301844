/** What services, webhooks and experiments count. */
import type { Experiments } from "./experiments.ts";
import type { Gateway } from "./gateway.ts";
import { byLabel, byLabels, type Meter, type Sample } from "../node/meter.ts";

/** Registers what services and their webhooks count. */
export function registerGateway(to: Meter, gateway: Gateway): void {
  const { hooks } = gateway;
  to.value("roost_webhook_events_delivered_total", () => hooks.counters.delivered);
  to.value("roost_webhook_requests_failed_total", () => hooks.counters.failed);
  to.values("roost_webhook_events", () => {
    const status = hooks.status(null);
    return byLabel("state", {
      waiting: status.reduce((sum, { waiting }) => sum + waiting, 0),
      dead: status.reduce((sum, { dead }) => sum + dead, 0),
    });
  });
  // The edge counts sessions of services too, which no client has.
  to.values("roost_users_online", () => byLabel("synthetic", { false: -gateway.attached }));
  to.values(
    "roost_sessions",
    () => byLabels(["transport", "synthetic"], { websocket: { false: -gateway.attached } }),
  );
}

/** Registers what happened to accounts of running experiments. */
export function registerExperiments(to: Meter, experiments: Pick<Experiments, "counts">): void {
  to.values("roost_experiment_events_total", () => samples(experiments));
}

function* samples(experiments: Pick<Experiments, "counts">): Iterable<Sample> {
  for (const [experiment, arm, what, count] of experiments.counts()) {
    yield [{ experiment, arm, what }, count];
  }
}
