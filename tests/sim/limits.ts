/** The limits of each part under the default settings, as a node has them; tests override by name. */
import { configOf } from "../../server/config/config.ts";
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

const CONFIG = configOf("/data");

export const SHARD_LIMITS = shardLimits(CONFIG);
export const EDGE_LIMITS = edgeLimits(CONFIG);
export const PROTOCOL_LIMITS = protocolLimits(CONFIG);
export const CONNECTION_LIMITS = connectionLimits(CONFIG);
export const RATES = rates(CONFIG);
export const WS_LIMITS = wsLimits(CONFIG);
export const EXCHANGE_LIMITS = exchangeLimits(CONFIG);
export const GATEWAY_LIMITS = gatewayLimits(CONFIG);
export const ADMISSION = admissionOptions(CONFIG);
/** The secret is all zeros; the domain is `localhost`. */
export const SIGN_IN_OPTIONS = signInOptions(CONFIG, new Uint8Array(32));
