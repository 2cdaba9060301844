/** Who calls the admin API. */
import { parseName } from "../../shard/name/name.ts";
import type { Role } from "./roles.ts";

/** Header in which a client names its user. It is a claim: the listener's fence is what admits. */
const ACTOR = "roost-actor";
const ACTOR_CHARS_MAX = 64;

/** What a listener says of a request besides the request itself. */
export interface Arrival {
  /** How it arrived: the name of the socket, or the address of the client. */
  readonly via: string;
  /** Who has proved what; absent on the socket, where clients name their user themselves. */
  readonly actor?: string;
  /** What the caller may do; absent: everything. */
  readonly role?: Role;
}

/** Headers of a request in the name of a user of this machine. */
export function actorHeaders(user: string): Readonly<Record<string, string>> {
  return { [ACTOR]: user.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, ACTOR_CHARS_MAX) };
}

/** The actor that a user of this machine is. */
export function machineActor(user: string): string {
  return `os:${user}`;
}

/** The actor that a request on the socket claims to be of. */
export function claimedActor({ headers }: Request): string {
  return machineActor((headers.get(ACTOR) ?? "unnamed").slice(0, ACTOR_CHARS_MAX));
}

/** The name of a user as accounts have it, where it can be one. */
export function userName(text: string): string {
  return parseName(text.replace(/@[^@]*$/, "")) ?? text;
}
