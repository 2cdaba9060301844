// @ts-check
/**
 * Roost's client library for browsers, Deno and Node. The types, which are its reference, are in
 * client.d.ts. The server bundles it with the modules in client/ into one module, `/client.js`.
 */
import { RoostClient } from "./client/client.js";
import { memory, platform } from "./client/platform.js";
import { baseOf } from "./client/rest.js";
import { SharedClient } from "./client/shared.js";

/**
 * @import * as Api from "./client.d.ts"
 */

export { beginSignIn } from "./client/issuer.js";
export { RoostError } from "./client/error.js";

/** @type {typeof Api.createClient} */
export const createClient = (options = {}) => {
  if (options.share !== true) return new RoostClient(options);
  const env = { ...platform(), ...options.platform };
  if (env.tabs === null) return new RoostClient({ ...options, storage: memory() });
  const name = options.storageKey ?? `roost ${baseOf(options.url)}`;
  return new SharedClient(options, env, env.tabs, name);
};
