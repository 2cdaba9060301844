/** Makes the sender of push messages, with the keys of the cell. */
import type { Config } from "./config/config.ts";
import { newVapidKeys, serviceEncodePush, systemEncodePush } from "./system/push_crypto.ts";
import type { OpenNode } from "./open.ts";
import { openPushServices, openVapidFile } from "./config_files.ts";
import { storedVapidKeys } from "./push/vapid.ts";
import { PushSender } from "./push/push_sender.ts";
import { pushLimits, pushRules } from "./settings.ts";
import { systemPostHook } from "./system/post_hook.ts";

/** What sends them, and the key by which push services know who does. */
export interface Push {
  readonly sender: PushSender;
  readonly publicKey: string;
  /** Ids of the services that pass push messages on. */
  readonly services: readonly string[];
}

/** Makes it; null where push messages are switched off. */
export async function openPush(
  config: Config,
  { node, ports }: Pick<OpenNode, "node" | "ports">,
): Promise<Push | null> {
  if (!config.push.enabled) return null;
  const keys = await openVapidFile(config) ??
    await storedVapidKeys(ports.store, await newVapidKeys());
  const limits = pushLimits(config);
  const encode = await systemEncodePush(keys, limits.contact, () => ports.clock.wallMs());
  const post = systemPostHook(pushRules(config));
  const found = await openPushServices(config);
  // The operator has named them: they may be anywhere, at any port.
  const services = new Map(found.map((address) => {
    const { href: url, port } = new URL(address.url);
    const toIt = systemPostHook({ privateToo: true, ports: [Number(port)], of: "push" });
    return [address.id, { url, encode: serviceEncodePush(address), post: toIt }];
  }));
  const sender = new PushSender({ ...ports, router: node, post, encode, services }, limits);
  return { sender, publicKey: keys.publicKey, services: [...services.keys()] };
}
