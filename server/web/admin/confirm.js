// @ts-check
/** Asks before something is done that cannot be taken back easily. */
import { byId, setText } from "../chat/dom.js";

/**
 * Whether it is to be done. Cancel has the focus.
 * @param {{ title: string, text: string, action: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, action }) {
  const dialog = byId("confirm-dialog", HTMLDialogElement);
  const [no, yes] = [byId("confirm-no", HTMLElement), byId("confirm-yes", HTMLElement)];
  setText(byId("confirm-title", HTMLElement), title);
  setText(byId("confirm-text", HTMLElement), text);
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
