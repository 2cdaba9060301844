/** The settings of push messages (RFC 8030). */
import { z } from "zod";
import { secureUrl } from "./address.ts";
import type { Config } from "./config.ts";
import { bool, group, int, ints, optional, optionalPath, tables } from "./knob.ts";

/** What a push service may call its sender by (RFC 8292 section 2.1). */
function contactOf(value: string): string | null {
  const good = /^mailto:[^\s@]+@[^\s@]+$/.test(value) || /^https:\/\/[^\s/]+/.test(value);
  return good && value.length <= 256 ? value : null;
}

/** One table of `push.services`. */
const service = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  url: z.string().max(1024).refine((value) => secureUrl(value) !== null),
  secretFile: z.string().min(1),
});

const push = {
  enabled: bool({ default: true, doc: "Whether devices can subscribe to push messages." }),
  graceMs: int({
    default: 5000,
    min: 100,
    max: 600_000,
    unit: "ms",
    doc: "A push message is sent if no device is active so long after a message.",
  }),
  ageMaxHours: int({
    default: 24,
    min: 1,
    max: 672,
    unit: "hours",
    doc: "How long a push message is tried, and how long a push service keeps it.",
  }),
  contact: optional({
    wants: "an address such as mailto:admin@example.org or https://example.org/contact",
    doc: "Whom push services may write to about this server; empty for https://<domain>.",
    read: contactOf,
  }),
  keyFile: optionalPath({
    doc: "A JSON file with publicKey and privateKey (VAPID); empty for a pair made by itself.",
  }),
  services: tables({
    schema: service,
    pathFields: ["secretFile"],
    wants:
      "a list of tables with id (a-z, 0-9, -), url (https, or http on this machine, without ? and #) and " +
      "secretFile",
    doc: "Services that pass push messages on to phones (APNs, FCM).",
  }),
  timeoutMs: int({
    default: 10_000,
    min: 100,
    max: 60_000,
    unit: "ms",
    doc: "Time that a push service has to answer.",
  }),
  requestsMax: int({
    default: 64,
    min: 1,
    max: 1000,
    unit: "requests",
    doc: "Requests to push services under way at once; a quarter of them to one of them.",
  }),
  waitingMax: int({
    default: 10_000,
    min: 100,
    max: 1_000_000,
    unit: "push messages",
    doc: "Push messages that wait for their turn; what is beyond waits with its account.",
  }),
  privateTargets: bool({
    default: false,
    doc: "Whether push services may be in private networks and on this machine, without TLS too.",
  }),
  ports: ints({
    min: 1,
    max: 65_535,
    unit: "ports",
    doc: "Ports for push services although they are well known for another protocol than HTTP.",
  }),
} as const;

/** What services owe each other: each has an id of its own. */
export function pushFaults({ push: { services } }: Config): readonly string[] {
  const ids = services.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) < i);
  return twice === undefined ? [] : [`push.services has id ${twice} twice: keep one`];
}

/** This group. */
export const PUSH_KNOBS = { push: group(push) } as const;
