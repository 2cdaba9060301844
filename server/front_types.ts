/** The serving side of a node, as the node sees it. */
import type { TlsTexts } from "./http/node_server.ts";
import type { Busyness } from "./ops/inspect_api.ts";
import type { Config } from "./config/config.ts";
import type { ConfigFiles } from "./config_files.ts";
import type { EdgePacket } from "../shard/edge_packet.ts";
import type { Hono } from "hono";
import type { OpenedSession, OpenSession } from "./edge/types.ts";
import type { ReloadCounters } from "./http/reload_counters.ts";
import type { Result } from "../shard/errors.ts";

/** The certificate of a listener; without texts there will be one. */
export type FrontTls = TlsTexts & { readonly expiresAtMs?: number };

/** The serving side of a node. */
export interface Front {
  readonly url: string;
  /** Where it listens for clients. */
  readonly port: number;
  /** The certificate in use; null: it speaks plain HTTP. */
  readonly tls: TlsTexts | null;
  deliver(packet: EdgePacket): void;
  /** Opens a session for who needs no transport. */
  openSession(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  /** What a pause of the server would be felt by. */
  busyness(): Busyness;
  /** The node stops: sends clients away and closes the door; accepted work is finished by the node itself. */
  drain(): Promise<void>;
  /** Adds what operators see of the running node. */
  addAdminRoutes(app: Hono): void;
  /** Goes on with other settings, and with the files that they name; throws where TLS cannot change. */
  change(config: Config, files: Partial<ConfigFiles>): void;
  /** What reloads counted, and the certificate in use. */
  readonly reloads: ReloadCounters;
}
