/** Protocol v1 as one value: its limits, schemas and commands; and the welcome that starts it. */
import { formatCursor } from "../../shard/name/ids.ts";
import type { Clock } from "../node/ports.ts";
import type { OpenedSession } from "../edge/types.ts";
import type { CommandTable } from "./command.ts";
import { commandTable } from "./commands.ts";
import { encodeSnapshot } from "./encode.ts";
import { type ProtocolLimits, publicLimits } from "./limits.ts";
import { type JsonFields, jsonFields } from "../text/json_text.ts";
import { type ProtocolSchemas, protocolSchemas } from "./schemas.ts";

/** The one version that is spoken here. */
export const PROTOCOL_VERSION = 1;

/** What every transport of the protocol shares. Made once per node. */
export interface Protocol {
  readonly limits: ProtocolLimits;
  readonly schemas: ProtocolSchemas;
  readonly commands: CommandTable;
  /** The public limits as JSON text. */
  readonly limitsJson: string;
}

/** Builds the protocol under the given limits. */
export function makeProtocol(limits: ProtocolLimits): Protocol {
  const schemas = protocolSchemas(limits);
  const limitsJson = JSON.stringify(publicLimits(limits));
  return { limits, schemas, commands: commandTable(schemas), limitsJson };
}

/** What a welcome is made of. */
export interface WelcomeInput {
  readonly opened: OpenedSession;
  readonly domain: string;
  /** A token made by this sign-in; null where the client brought its own. */
  readonly token: string | null;
  /** The server-final message of a SCRAM sign-in. */
  readonly scram: string | null;
  /** Public addresses of the cell's nodes. */
  readonly servers: readonly string[];
}

/** Returns the fields of the welcome, without `t`. */
export function welcomeFields(
  protocol: Protocol,
  clock: Clock,
  { opened, domain, token, scram, servers }: WelcomeInput,
): JsonFields & { readonly cursor: string } {
  const { session, mode, mailboxId, seq, snapshot } = opened;
  const cursor = JSON.stringify(formatCursor({ mailboxId, seq }));
  const head = jsonFields({
    v: PROTOCOL_VERSION,
    domain,
    user: session.user,
    device: session.device,
    session: session.id,
    resumed: opened.resumed,
    mode,
  });
  const tail = jsonFields({
    token: token ?? undefined,
    expiresAt: opened.expiresAt,
    scram: scram ?? undefined,
    serverTime: clock.wallMs(),
    servers: servers.length === 0 ? undefined : servers,
  });
  const state: JsonFields = snapshot === null ? {} : { snapshot: encodeSnapshot(snapshot) };
  return { ...head, cursor, ...tail, limits: protocol.limitsJson, ...state };
}
