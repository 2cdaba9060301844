/**
 * Push messages to services that pass them on to phones (APNs, FCM), which need credentials of an app's
 * maker that this server does not have: a request for each device, with what the push message says.
 */
import type { EncodedPush } from "./push_sender.ts";
import type { PushTarget } from "../../shard/account/push_targets.ts";

/** Where a service takes push messages, and the secret by which it knows this server. */
export interface PushServiceAddress {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}

/** The request to a service: see "Push messages" in the README of protocol v1. */
export function serviceRequest(
  { id, secret }: PushServiceAddress,
  { endpoint }: Pick<PushTarget, "endpoint">,
  push: { readonly payload: string; readonly topic: string; readonly ttlSeconds: number },
): EncodedPush {
  const { payload, topic, ttlSeconds } = push;
  const message: unknown = JSON.parse(payload);
  const request = { v: 1, service: id, token: endpoint, topic, ttlSeconds, message };
  return {
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify(request)),
  };
}
