// @ts-check
/** What is written in a conversation, on its way to the server: messages, replies and edits. */
import { sendErrorText } from "./text.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 * @import { Timeline } from "./timeline.js"
 */

/** See the head of this file. */
export class Sending {
  #chat;
  #timelineOf;

  /**
   * @param {Chat} chat
   * @param {(peer: string) => Timeline} timelineOf
   */
  constructor(chat, timelineOf) {
    this.#chat = chat;
    this.#timelineOf = timelineOf;
    for (const { to, ...message } of chat.client.pending) timelineOf(to).wait(message);
  }

  /**
   * @param {string} peer
   * @param {string} body
   * @param {Api.Named} [reply] the message that it replies to
   */
  post(peer, body, reply) {
    const timeline = this.#timelineOf(peer);
    const key = crypto.randomUUID();
    const to = reply === undefined ? {} : { reply };
    timeline.wait({ key, body, at: Date.now(), ...to });
    this.#chat.client.send(peer, body, { key, ...to }).then(
      (sent) => timeline.sent(key, sent),
      (error) => timeline.fail(key, sendErrorText(error)),
    ).finally(() => this.#chat.changed());
  }

  /**
   * Sends a message that failed once more.
   * @param {string} peer
   * @param {string} key
   */
  again(peer, key) {
    const item = this.#timelineOf(peer).drop(key);
    if (item !== undefined) this.post(peer, item.body, item.reply);
  }

  /** A message of an earlier run was refused. @param {Api.RoostError} error */
  refused(error) {
    const { key, to } = error;
    if (key !== undefined && to !== undefined) {
      this.#timelineOf(to).fail(key, sendErrorText(error));
    }
    this.#chat.changed();
  }
}
