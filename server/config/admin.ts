/** Settings of what operators see and do over the network. */
import { bool, choice, group, optional } from "./knob.ts";
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

/** This group. */
export const ADMIN_KNOBS = { admin: group(admin) } as const;
