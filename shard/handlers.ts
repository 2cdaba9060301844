/** The table of a shard's operations. */
import type { Handler } from "./turn.ts";
import type { OpName } from "./ops.ts";
import {
  accountInfo,
  addDevice,
  createAccount,
  createInvite,
  getCredentials,
  listDevices,
  redeemInvite,
  releaseAccount,
  removeAccount,
  resolveAccount,
  revokeDevice,
  setCredentials,
  setDisabled,
} from "./account_ops.ts";
import { attachSession, checkToken, detachSession, setPresence } from "./session_ops.ts";
import {
  ackMailbox,
  readConversationMark,
  readHistory,
  readMailbox,
  sendMessage,
  sendSignal,
  takeSnapshot,
} from "./message_ops.ts";
import { block, changeSubscription, removeContact, setContact, setSettings } from "./roster_ops.ts";

/** One handler for each operation. */
export const HANDLERS: { readonly [K in OpName]: Handler<K> } = {
  "account.create": createAccount,
  "account.credentials": getCredentials,
  "account.setCredentials": setCredentials,
  "account.setDisabled": setDisabled,
  "account.remove": removeAccount,
  "account.release": releaseAccount,
  "account.info": accountInfo,
  "account.resolve": resolveAccount,
  "device.add": addDevice,
  "device.list": listDevices,
  "device.revoke": revokeDevice,
  "auth.token": checkToken,
  "session.attach": attachSession,
  "session.detach": detachSession,
  "presence.set": (turn, account, input) => setPresence(turn, account.name, input),
  "message.send": sendMessage,
  "mailbox.read": readMailbox,
  "mailbox.snapshot": takeSnapshot,
  "mailbox.ack": ackMailbox,
  "conversation.history": readHistory,
  "conversation.read": readConversationMark,
  "roster.set": setContact,
  "roster.remove": removeContact,
  "roster.subscription": changeSubscription,
  "roster.block": block,
  "settings.set": setSettings,
  "signal.send": sendSignal,
  "invite.create": createInvite,
  "invite.redeem": redeemInvite,
};

/** Operations that change something durable: refused while the store takes no writes. */
export const WRITES: ReadonlySet<OpName> = new Set<OpName>([
  "account.create",
  "account.setCredentials",
  "account.setDisabled",
  "account.remove",
  "account.release",
  "device.add",
  "device.revoke",
  "message.send",
  "mailbox.ack",
  "conversation.read",
  "roster.set",
  "roster.remove",
  "roster.subscription",
  "roster.block",
  "settings.set",
  "invite.create",
  "invite.redeem",
]);
