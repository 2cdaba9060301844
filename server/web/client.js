// @ts-check
/**
 * Roost's client library for browsers, Deno and Node. The types, which are its reference, are in
 * client.d.ts. The server bundles it with the modules in client/ into one module, `/client.js`.
 */
import { RoostClient } from "./client/client.js";

/**
 * @import * as Api from "./client.d.ts"
 */

export { RoostError } from "./client/error.js";

/** @type {typeof Api.createClient} */
export const createClient = (options = {}) => new RoostClient(options);
