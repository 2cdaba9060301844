/** The settings of gateways for other systems, and of experiments. */
import { type Arms, parseArms } from "./arms.ts";
import { bool, group, int, ints, optional } from "./knob.ts";

function count(value: number, unit: string, doc: string, min = 1, max = 1_000_000) {
  return int({ default: value, min, max, unit, doc });
}

const gateway = {
  requestsPerSecond: count(
    50,
    "requests a second",
    "Requests of one service; each name of a batch counts a tenth.",
  ),
  requestsBurst: count(200, "requests", "Requests that may come at once before the rate applies."),
  presencesMax: count(10_000, "users", "Users one service may have presence set for."),
  streamsMax: count(10, "streams", "Event streams one service may have open.", 1, 1000),
  webhooksMax: count(10, "webhooks", "Webhooks of one service.", 1, 100),
  webhookEventsMax: count(
    10_000,
    "events",
    "Events that wait for one webhook; beyond, the oldest become dead letters.",
    100,
  ),
  webhookDeadMax: count(1000, "events", "Dead letters of one webhook; the oldest go first.", 100),
  webhookAgeHours: count(72, "hours", "Events that wait for longer become dead letters.", 1, 8760),
  webhookTimeoutMs: count(10_000, "ms", "Time that a receiver has to answer.", 100, 120_000),
  webhookRetryMinMs: count(
    1000,
    "ms",
    "Longest wait after the first failure, of which a random part is taken; it doubles.",
    10,
    60_000,
  ),
  webhookRetryMaxMs: count(60_000, "ms", "Longest wait between two tries.", 10, 3_600_000),
  privateTargets: bool({
    default: false,
    doc: "Whether webhooks may go to private networks and this machine.",
  }),
  webhookPorts: ints({
    min: 1,
    max: 65_535,
    unit: "ports",
    doc: "Ports for webhooks although they are well known for another protocol than HTTP.",
  }),
} as const;

const experiments = {
  offlineGrace: optional<Arms>({
    wants: "percentages of arms that make 100, such as control=50,short=50",
    doc: "Arms (control, short, long) of how long a lost connection counts as online.",
    read: (text) => parseArms(text, ["control", "short", "long"]),
  }),
} as const;

/** These groups. */
export const GATEWAY_KNOBS = { gateway: group(gateway), experiments: group(experiments) } as const;
