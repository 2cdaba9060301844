/** The limits of each part under the default settings, as a node has them; tests override by name. */
import {
  admissionOptions,
  connectionLimits,
  edgeLimits,
  exchangeLimits,
  gatewayLimits,
  protocolLimits,
  rates,
  shardLimits,
  signInOptions,
  wsLimits,
} from "../../server/settings.ts";
import { DEFAULTS } from "./sim_ports.ts";
import { makeProtocol } from "../../server/v1/protocol.ts";

export const SHARD_LIMITS = shardLimits(DEFAULTS);
export const EDGE_LIMITS = edgeLimits(DEFAULTS);
export const PROTOCOL_LIMITS = protocolLimits(DEFAULTS);
export const CONNECTION_LIMITS = connectionLimits(DEFAULTS);
export const RATES = rates(DEFAULTS);
export const WS_LIMITS = wsLimits(DEFAULTS);
export const EXCHANGE_LIMITS = exchangeLimits(DEFAULTS);
export const GATEWAY_LIMITS = gatewayLimits(DEFAULTS);
export const ADMISSION = admissionOptions(DEFAULTS);
/** The secret is all zeros; the domain is `localhost`. */
export const SIGN_IN_OPTIONS = signInOptions(DEFAULTS, new Uint8Array(32));
/** The domain of every simulated account. */
export const DOMAIN = "sim.example";
export const PROTOCOL = makeProtocol(PROTOCOL_LIMITS);
