// @ts-check
/** Where push messages to a device go, as the server takes it. */

/** @import * as Api from "../client.d.ts" */

/**
 * Without what browsers add to a subscription.
 * @param {Api.PushSubscriptionFields | Api.PushServiceFields} given
 */
export function pushFields(given) {
  const content = given.content === undefined ? {} : { content: given.content };
  if ("service" in given) return { service: given.service, token: given.token, ...content };
  const { endpoint, keys: { p256dh, auth } } = given;
  return { endpoint, keys: { p256dh, auth }, content: "full", ...content };
}
