// @ts-check
/** Dialogs to add a contact, and to say what it may see. */
import { ask } from "./ask.js";
import { button, byId, dialog, make, onSubmit, setText } from "./dom.js";
import { nameFault, normalName } from "./names.js";
import { seen, sees } from "./people.js";
import { presenceText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** @typedef {{ text: string, act: string, run: () => Promise<unknown>, danger?: boolean }} Fact */

/**
 * Asks to see when somebody is online, and lets them see the same.
 * @param {Api.Client} client
 * @param {string} name
 */
export async function requestContact(client, name) {
  await client.approve(name);
  await client.subscribe(name);
}

/** See the head of this file. */
export class ContactDialogs {
  #addDialog = dialog("add-dialog");
  #addName = byId("add-name", HTMLInputElement);
  #addMutual = byId("add-mutual", HTMLInputElement);
  #addError = byId("add-error", HTMLElement);
  #dialog = dialog("contact-dialog");
  #label = byId("contact-label", HTMLInputElement);
  #facts = byId("contact-facts", HTMLElement);
  #error = byId("contact-error", HTMLElement);
  #chat;
  /** @type {string | null} */
  #name = null;
  #shown = "";

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    byId("add-open", HTMLElement).addEventListener("click", () => {
      this.#addName.value = byId("find", HTMLInputElement).value.trim();
      setText(this.#addError, "");
      this.#addDialog.showModal();
      this.#addName.focus();
    });
    onSubmit(byId("add-form", HTMLFormElement), () => this.#add());
    onSubmit(byId("contact-form", HTMLFormElement), () => this.#rename());
    this.#dialog.addEventListener("close", () => this.#name = null);
  }

  async #add() {
    const { client, attempt, open, isSelf } = this.#chat;
    const { domain } = client.state;
    const fault = nameFault(this.#addName.value, domain);
    if (fault !== null) return setText(this.#addError, fault);
    const name = normalName(this.#addName.value, domain);
    const request = async () => {
      if (this.#addMutual.checked) await client.approve(name);
      await client.subscribe(name);
    };
    // Adding oneself leads to the notes.
    if (!isSelf(name) && !await attempt(request(), this.#addError)) return;
    this.#addDialog.close();
    byId("find", HTMLInputElement).value = "";
    open(name);
  }

  async #rename() {
    const name = this.#name;
    if (name === null) return;
    const { client, attempt } = this.#chat;
    const groups = client.contacts.get(name)?.groups ?? [];
    await attempt(client.contact(name, { label: this.#label.value.trim(), groups }), this.#error);
  }

  /** @param {string} name */
  showContact(name) {
    this.#name = name;
    this.#shown = "";
    this.#label.value = this.#chat.client.contacts.get(name)?.label ?? "";
    setText(this.#error, "");
    this.render();
    this.#dialog.showModal();
  }

  render() {
    const name = this.#name;
    if (name === null) return;
    const { client } = this.#chat;
    const contact = client.contacts.get(name);
    setText(byId("contact-title", HTMLElement), name);
    const presence = contact !== undefined && sees(contact)
      ? presenceText(contact.presence, Date.now())
      : "";
    setText(byId("contact-presence", HTMLElement), presence);
    byId("contact-form", HTMLElement).hidden = contact === undefined;
    const facts = this.#factsOf(name);
    // Buttons keep the focus while nothing has changed.
    const shown = JSON.stringify(facts);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#facts.replaceChildren(...facts.map(({ text, act, run, danger = false }) => {
      const attributes = { class: danger ? "danger" : null };
      const one = button(act, () => this.#chat.attempt(run(), this.#error), attributes);
      return make("li", {}, make("span", {}, text), one);
    }));
  }

  /**
   * @param {string} name
   * @returns {readonly Fact[]}
   */
  #factsOf(name) {
    const { client, request } = this.#chat;
    const contact = client.contacts.get(name);
    const block = client.blocked.has(name)
      ? { text: t.contact.blocked, act: t.common.unblock, run: () => client.unblock(name) }
      : {
        text: t.contact.mayWrite,
        act: t.common.block,
        danger: true,
        run: () => client.block(name),
      };
    if (contact === undefined) {
      return [{ text: t.contact.stranger, act: t.contact.add, run: () => request(name) }, block];
    }
    return [
      this.#theirs(contact),
      this.#mine(contact),
      block,
      { text: t.contact.inList, act: t.common.remove, danger: true, run: () => this.#remove(name) },
    ];
  }

  /**
   * Whether I see when they are online.
   * @param {Api.Contact} contact
   * @returns {Fact}
   */
  #theirs(contact) {
    const { client } = this.#chat;
    const { name } = contact;
    const unsubscribe = () => client.unsubscribe(name);
    if (sees(contact)) {
      return { text: t.contact.seesThem, act: t.contact.stop, run: unsubscribe };
    }
    return contact.pendingOut
      ? { text: t.contact.askedThem, act: t.contact.withdraw, run: unsubscribe }
      : {
        text: t.contact.seesThemNot,
        act: t.contact.ask,
        run: () => client.subscribe(name),
      };
  }

  /**
   * Whether they see when I am online.
   * @param {Api.Contact} contact
   * @returns {Fact}
   */
  #mine(contact) {
    const { client } = this.#chat;
    const { name, approved } = contact;
    if (!seen(contact) && !approved) {
      const run = () => client.approve(name);
      return { text: t.contact.seenNot, act: t.contact.allow, run };
    }
    const text = seen(contact) ? t.contact.seen : t.contact.maySee;
    return { text, act: t.contact.stop, run: () => client.deny(name) };
  }

  /** Removes a contact, after a question. @param {string} name */
  async #remove(name) {
    const { client, leave, peer, titleOf } = this.#chat;
    const yes = await ask({
      title: [t.contact.removeTitle, titleOf(name)],
      text: [
        t.contact.removeText,
        ...client.messagesFrom === "contacts" ? [t.contact.removeContactsOnly] : [],
      ],
      action: t.common.remove,
    });
    if (!yes) return;
    await client.uncontact(name);
    this.#dialog.close();
    if (peer() === name && !client.conversations.has(name)) leave();
  }
}
