// @ts-check
/** The conversation that is open: its messages, and the field to write another. */
import { Around } from "./around.js";
import { Composer } from "./composer.js";
import {
  bdi,
  button,
  byId,
  isComposing,
  partsOf,
  setAttributes,
  setParts,
  setText,
  showList,
} from "./dom.js";
import { makeRow, updateRow } from "./message.js";
import { MessageMenu } from "./message_menu.js";
import { relationTo, sees } from "./people.js";
import { positionOf } from "./original.js";
import { Reading } from "./reading.js";
import { Sending } from "./sending.js";
import { TalkNotice } from "./talk_notice.js";
import { errorText, hueOf, initials, presenceText, showText } from "./text.js";
import { t } from "./texts.js";
import { readPages, Timeline } from "./timeline.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 * @import { Item } from "./timeline.js"
 */

/** Messages of a page; of the first one more where more are unread, up to a bound. */
const PAGE = 50;
const FIRST_PAGE_MAX = 200;
/** Read messages that are shown above the unread ones. */
const BEFORE_UNREAD = 10;
/** So near to an end counts as being there (CSS pixels). */
const NEAR_PX = 120;
/** How far below the top the line before the unread messages is shown (CSS pixels). */
const LINE_PX = 96;

/** See the head of this file. */
export class Talk {
  #main = byId("talk-open", HTMLElement);
  #none = byId("talk-none", HTMLElement);
  #log = byId("log", HTMLElement);
  #more = byId("log-more", HTMLElement);
  #list = byId("messages", HTMLElement);
  #down = byId("log-down", HTMLButtonElement);
  #notice;
  #chat;
  #reading;
  #composer;
  #around;
  #sending;
  #menu;
  /** @type {Map<string, Timeline>} */
  #timelines = new Map();
  /** @type {string | null} */
  #peer = null;
  #atEnd = true;
  /** Whether the place to begin reading has been shown. */
  #placed = false;
  #loading = false;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#reading = new Reading(chat);
    this.#notice = new TalkNotice(chat);
    this.#around = new Around(chat, {
      timelineOf: (peer) => this.#timeline(peer),
      render: () => this.render(),
      failed: (error, again) => this.#loadFailed(error, again),
    });
    this.#sending = new Sending(chat, (peer) => this.#timeline(peer));
    this.#composer = new Composer(chat, {
      send: (peer, body, reply) => {
        this.#reading.wrote();
        this.#sending.post(peer, body, reply);
        this.#toEnd();
      },
      newestOwn: (peer) => this.#timeline(peer).newestOwn,
    });
    this.#menu = new MessageMenu(chat, this.#composer);
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#down.addEventListener("click", () => {
      this.#toEnd();
      this.focus();
    });
    byId("talk-back", HTMLElement).addEventListener("click", () => chat.leave());
    byId("talk-info", HTMLElement).addEventListener("click", () => {
      if (this.#peer !== null) chat.showContact(this.#peer);
    });
    this.#main.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !isComposing(event) && !this.#composer.end()) chat.leave();
    });
    new ResizeObserver(() => {
      if (this.#atEnd) this.#log.scrollTop = this.#log.scrollHeight;
      this.#reading.look();
    }).observe(this.#log);
  }

  /** @param {string} peer */
  #timeline(peer) {
    const known = this.#timelines.get(peer) ?? new Timeline(this.#chat.isSelf(peer));
    this.#timelines.set(peer, known);
    return known;
  }

  /** What is shown of it. @param {string} peer */
  #shown(peer) {
    return this.#around.timeline ?? this.#timeline(peer);
  }

  // What comes in.

  /** @param {Api.Message} message */
  take(message) {
    const { with: peer, out, body, seq } = message;
    const timeline = this.#timeline(peer);
    const open = peer === this.#peer;
    // What is not loaded yet comes with its page.
    if (timeline.loaded || (open && this.#loading) || out === true) timeline.add(message);
    if (!open || this.#atEnd) timeline.trim();
    if (out === true || this.#chat.isSelf(peer)) return;
    const title = this.#chat.titleOf(peer);
    if (!this.#chat.client.blocked.has(peer)) {
      this.#chat.announce(open ? t.talk.announceText(title, body) : t.talk.announce(title));
    }
    if (open) this.#reading.came(seq, this.#atEnd);
  }

  /** @param {Api.Change} change */
  change(change) {
    const { with: peer } = change;
    const item = this.#timeline(peer).change(change);
    if (peer === this.#peer) this.#around.timeline?.change(change);
    const { previews } = this.#chat;
    // Screen readers do not find the former text either.
    if (item !== undefined && change.change !== "react") this.#chat.announce("");
    if (item === undefined || previews.of(peer)?.seq !== item.seq) return;
    previews.take({ with: peer, seq: item.seq, out: item.out, body: item.body });
  }

  /** @param {Api.Undelivered} event */
  undelivered(event) {
    // The receipt that follows it is not counted yet.
    const { delivered = 0 } = this.#chat.client.conversations.get(event.with) ?? {};
    this.#timeline(event.with).refuse(event, delivered);
  }

  /** A message of an earlier run was refused. @param {Api.RoostError} error */
  refused(error) {
    this.#sending.refused(error);
  }

  /** Messages may be missing: everything is read again. */
  reset() {
    this.#around.clear();
    for (const timeline of this.#timelines.values()) timeline.reset();
    if (this.#peer !== null) this.#load();
  }

  // What is shown.

  /** @param {string | null} peer */
  show(peer) {
    if (peer === this.#peer) return;
    this.#peer = peer;
    this.#atEnd = true;
    this.#placed = false;
    this.#loading = false;
    this.#around.clear();
    this.#list.replaceChildren();
    setText(this.#more, "");
    this.#reading.show(peer);
    this.#menu.close();
    this.#composer.show(peer);
    if (peer !== null && !this.#timeline(peer).loaded) this.#load();
  }

  /** Shows a message of the conversation that is open. @param {number} seq */
  showMessage(seq) {
    if (this.#peer === null) return;
    this.#atEnd = false;
    setText(this.#more, t.common.loading);
    this.#around.show(this.#peer, seq);
  }

  focus() {
    if (!this.#composer.focus()) byId("talk-info", HTMLElement).focus();
  }

  async #load() {
    const peer = this.#peer;
    if (peer === null || this.#loading) return;
    const timeline = this.#shown(peer);
    const before = timeline.loaded ? timeline.oldest : undefined;
    this.#loading = true;
    setText(this.#more, t.common.loading);
    try {
      const first = Math.min(FIRST_PAGE_MAX, Math.max(PAGE, this.#reading.unread + BEFORE_UNREAD));
      const limit = before === undefined ? first : PAGE;
      await readPages(timeline, before === undefined ? first : 1, async (where) => {
        const page = await this.#chat.client.history(peer, { ...where, limit });
        const last = page.events.findLast((event) => event.k === "message");
        if (last !== undefined) this.#chat.previews.take(last);
        return page;
      });
      // Its row in the list shows it as well.
      this.#chat.changed();
      if (peer === this.#peer) setText(this.#more, "");
    } catch (error) {
      if (peer === this.#peer) this.#loadFailed(error, () => this.#load());
      return;
    } finally {
      if (peer === this.#peer) this.#loading = false;
    }
    if (peer === this.#peer) this.render(before !== undefined);
  }

  /**
   * @param {unknown} error
   * @param {() => void} again
   */
  #loadFailed(error, again) {
    this.#more.replaceChildren(errorText(error) ?? "", " ", button(t.talk.loadAgain, again));
  }

  /** @param {boolean} older whether messages were added above those that are shown */
  render(older = false) {
    const peer = this.#peer;
    this.#main.hidden = peer === null;
    this.#none.hidden = peer !== null;
    if (peer === null) return;
    this.#showHead(peer);
    this.#composer.hidden = this.#notice.show(peer) === "blocked";
    this.#composer.render();
    const timeline = this.#shown(peer);
    const log = this.#log;
    const fromEnd = log.scrollHeight - log.scrollTop;
    this.#reading.decide();
    this.#showRows(peer, timeline);
    if (this.#around.place(this.#list, timeline)) this.#scrolledTo();
    else if (!this.#placed && timeline.loaded) this.#place();
    else if (this.#atEnd) log.scrollTop = log.scrollHeight;
    else if (older) log.scrollTop = log.scrollHeight - fromEnd;
    const none = timeline.loaded && timeline.items().length === 0;
    if (none) {
      setText(this.#more, this.#chat.isSelf(peer) ? t.talk.onlyYouWrite : "");
    } else if (timeline.loaded && !this.#loading && this.#more.childElementCount === 0) {
      setText(this.#more, "");
    }
    if (timeline.loaded && timeline.more && log.scrollHeight <= log.clientHeight) this.#load();
    this.#showDown();
    this.#reading.look();
  }

  /**
   * @param {string} peer
   * @param {Timeline} timeline
   */
  #showRows(peer, timeline) {
    const { client, titleOf, isSelf } = this.#chat;
    const contact = client.contacts.get(peer);
    const context = {
      conversation: client.conversations.get(peer),
      title: titleOf(peer),
      relation: relationTo(contact),
      notes: isSelf(peer),
      retry: this.#retry,
      drop: this.#drop,
      ask: this.#ask,
      requested: client.requests.has(peer),
      named: (/** @type {Api.Named} */ of) => timeline.named(of),
      found: this.#around.seq,
      goTo: this.#goTo,
      menu: (/** @type {Item} */ item, /** @type {HTMLElement} */ by) =>
        this.#menu.open(peer, item, by),
    };
    showList(this.#list, timeline.rows(this.#reading.divider), {
      key: ({ id }) => id,
      make: (row) => makeRow(row, context),
      update: (element, row) => updateRow(element, row, context),
    });
    this.#menu.arrange();
  }

  /** The log was scrolled to a message that was searched for. */
  #scrolledTo() {
    this.#placed = true;
    this.#atEnd = this.#isAtEnd();
    setText(this.#more, "");
  }

  /** Whether the newest messages are in sight. */
  #isAtEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    return this.#around.timeline === null && scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  /** Shows where reading begins: before the unread messages, or at the end. */
  #place() {
    this.#placed = true;
    const log = this.#log;
    const line = this.#list.querySelector(".new");
    log.scrollTop = line instanceof HTMLElement ? line.offsetTop - LINE_PX : log.scrollHeight;
    this.#atEnd = this.#isAtEnd();
    if (this.#atEnd) log.scrollTop = log.scrollHeight;
  }

  /** @param {string} peer */
  #showHead(peer) {
    const { client, titleOf, typing, isSelf } = this.#chat;
    const contact = client.contacts.get(peer);
    const title = titleOf(peer);
    const badge = byId("talk-badge", HTMLElement);
    badge.className = `badge hue-${hueOf(peer)}`;
    setText(byId("talk-initials", HTMLElement), initials(title));
    setText(byId("talk-name", HTMLElement), title);
    const seen = contact !== undefined && sees(contact) && !client.blocked.has(peer);
    setAttributes(byId("talk-dot", HTMLElement), {
      "data-show": seen && !isSelf(peer) ? contact.presence.show : null,
      title: seen && !isSelf(peer) ? showText(contact.presence.show) : null,
    });
    const asked = contact?.pendingOut === true ? t.list.notAccepted : "";
    const line = seen ? presenceText(contact.presence, Date.now()) : asked;
    setText(byId("talk-line", HTMLElement), isSelf(peer) ? t.talk.onlyYou : line);
    const parts = typing.has(peer) ? partsOf(t.talk.typing, bdi(title)) : [];
    setParts(byId("typing", HTMLElement), parts);
    byId("talk-info", HTMLElement).hidden = isSelf(peer);
  }

  // Scrolling.

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    this.#atEnd = this.#isAtEnd();
    this.#showDown();
    this.#reading.look();
    const timeline = this.#peer === null ? null : this.#shown(this.#peer);
    if (scrollHeight - scrollTop - clientHeight < 2 * NEAR_PX) this.#around.later();
    if (scrollTop < 2 * NEAR_PX && timeline?.loaded && timeline.more) this.#load();
  }

  #toEnd() {
    this.#around.clear();
    this.#atEnd = true;
    this.#placed = true;
    if (this.#peer !== null && !this.#timeline(this.#peer).loaded) this.#load();
    this.render();
  }

  #showDown() {
    const { unread } = this.#reading;
    this.#down.hidden = this.#atEnd;
    setText(
      byId("log-down-text", HTMLElement),
      unread === 0 ? t.talk.newest : t.talk.newCount(unread),
    );
  }

  // What the messages' buttons do.

  /**
   * Scrolls to the message that a reply names, wherever it is.
   * @param {Api.Named} of
   */
  #goTo = async (of) => {
    const peer = this.#peer;
    if (peer === null) return;
    const { client, attempt } = this.#chat;
    const found = positionOf(this.#shown(peer), of, (where) => client.history(peer, where));
    if (await attempt(found) && peer === this.#peer) this.showMessage(await found);
  };

  /** @param {string} key */
  #retry = (key) => {
    if (this.#peer === null) return;
    this.#sending.again(this.#peer, key);
    this.#toEnd();
    this.focus();
  };

  /** Sends the request that messages wait for, or accepts theirs. */
  #ask = () => {
    const { attempt, request } = this.#chat;
    if (this.#peer !== null) attempt(request(this.#peer));
    this.focus();
  };

  /** @param {string} key */
  #drop = (key) => {
    if (this.#peer !== null) this.#timeline(this.#peer).drop(key);
    this.#chat.changed();
    this.focus();
  };
}
