/** Settings of what operators see and do over the network. */
import { bool, choice, group, int, optional } from "./knob.ts";
import { parseBind } from "./address.ts";

const admin = {
  listen: optional({
    wants: "host:port or [IPv6]:port, for example 127.0.0.1:8421",
    doc:
      "Where the admin API and metrics listen besides the socket, behind a token; empty for not.",
    read: parseBind,
  }),
  allowRemote: bool({
    default: false,
    doc: "Whether admin.listen may be an address that others than this machine reach.",
  }),
  publicMetrics: choice({
    default: "local",
    of: ["local", "off", "all"],
    doc: "Who gets /metrics where clients connect: this machine alone, nobody, or everybody.",
  }),
} as const;

function days(value: number, doc: string) {
  return int({ default: value, min: 1, max: 36_500, unit: "days", doc });
}

function megabytes(value: number, doc: string) {
  return int({ default: value, min: 1, max: 1_000_000, unit: "MB", doc });
}

const audit = {
  adminDays: days(730, "How long the audit log keeps what administrators have done."),
  adminMb: megabytes(256, "How much of that it keeps; the oldest is removed first."),
  servicesDays: days(90, "How long the audit log keeps what services have done as users."),
  servicesMb: megabytes(256, "How much of that it keeps; the oldest is removed first."),
  signInsDays: days(90, "How long the audit log keeps sign-ins, with the addresses of users."),
  signInsMb: megabytes(512, "How much of that it keeps; the oldest is removed first."),
  sessions: bool({
    default: true,
    doc: "Whether the audit log has the beginning and the end of each session among sign-ins.",
  }),
  log: choice({
    default: "admin",
    of: ["none", "admin", "all"],
    doc: "What of the audit log is in the log too: nothing, all but sign-ins, or all.",
  }),
} as const;

/** These groups. */
export const ADMIN_KNOBS = { admin: group(admin), audit: group(audit) } as const;
