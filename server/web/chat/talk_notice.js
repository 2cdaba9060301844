// @ts-check
/** What is said above a conversation: that messages wait, or cannot be sent. */
import { bdi, button, byId, make, partsOf } from "./dom.js";
import { awaitsAnswer } from "./people.js";
import { t } from "./texts.js";

/**
 * @import { Chat } from "./app.js"
 */

/** See the head of this file. */
export class TalkNotice {
  #element = byId("talk-notice", HTMLElement);
  #chat;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  /**
   * @param {string} peer
   * @returns {"" | "blocked" | "asked" | "unknown"}
   */
  #noticeOf(peer) {
    const { client, isSelf } = this.#chat;
    if (client.messagesFrom === null || isSelf(peer)) return "";
    if (client.blocked.has(peer)) return "blocked";
    const contact = client.contacts.get(peer);
    if (contact !== undefined) return awaitsAnswer(contact) ? "asked" : "";
    return client.requests.has(peer) ? "" : "unknown";
  }

  /** Shows it; returns what is said. @param {string} peer */
  show(peer) {
    const { client, attempt, showContact, titleOf } = this.#chat;
    const wanted = this.#noticeOf(peer);
    const told = `${wanted} ${peer} ${titleOf(peer)}`;
    const notice = this.#element;
    if (notice.dataset["of"] === told) return wanted;
    notice.dataset["of"] = told;
    notice.hidden = wanted === "";
    const name = bdi(titleOf(peer));
    if (wanted === "blocked") {
      const act = button(t.common.unblock, () => attempt(client.unblock(peer)));
      notice.replaceChildren(make("p", {}, ...partsOf(t.talk.blocked, name)), act);
    } else if (wanted === "asked") {
      notice.replaceChildren(make("p", {}, ...partsOf(t.talk.asked, name)));
    } else {
      const act = button(t.talk.addOrBlock, () => showContact(peer));
      notice.replaceChildren(make("p", {}, ...partsOf(t.talk.stranger, name)), act);
    }
    return wanted;
  }
}
