// @ts-check
/** Asks before something is done that cannot be taken back easily. */
import { bdi, byId, make, partsOf, setText } from "./dom.js";
import { t } from "./texts.js";

/**
 * What is asked. The title may be about somebody, whose name is a text of a user; `unsent` are messages
 * that would be lost.
 * @typedef {{
 *   readonly title: string | readonly [(about: string) => string, string],
 *   readonly text: readonly string[],
 *   readonly unsent?: readonly { readonly to: string, readonly body: string }[],
 *   readonly action: string
 * }} Question
 */

/** So many unsent messages are shown. */
const SHOWN = 5;

/**
 * Whether it is to be done. Cancel has the focus.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, unsent = [], action }) {
  const dialog = byId("ask-dialog", HTMLDialogElement);
  const [no, yes] = [byId("ask-no", HTMLElement), byId("ask-yes", HTMLElement)];
  const head = typeof title === "string" ? [title] : partsOf(title[0], bdi(title[1]));
  byId("ask-title", HTMLElement).replaceChildren(...head);
  const more = unsent.length - SHOWN;
  byId("ask-text", HTMLElement).replaceChildren(
    ...text.map((paragraph) => make("p", {}, paragraph)),
    ...unsent.length === 0 ? [] : [
      make(
        "ul",
        { class: "unsent" },
        ...unsent.slice(0, SHOWN).map(({ to, body }) =>
          make("li", {}, make("strong", {}, bdi(to)), " ", bdi(body.slice(0, 120)))
        ),
      ),
    ],
    ...more > 0 ? [make("p", {}, t.signOut.more(more))] : [],
  );
  setText(yes, action);
  dialog.returnValue = "";
  return new Promise((resolve) => {
    yes.onclick = () => dialog.close("yes");
    no.onclick = () => dialog.close("");
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    no.focus();
  });
}
