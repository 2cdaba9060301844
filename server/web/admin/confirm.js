// @ts-check
/** Asks before something is done that cannot be taken back easily. */
import { byId, setParts, setText } from "../chat/dom.js";

/**
 * Whether it is to be done. Cancel has the focus.
 * @param {{ title: readonly (string | HTMLElement)[], text: string, action: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, action }) {
  const dialog = byId("confirm-dialog", HTMLDialogElement);
  const [no, yes] = [byId("confirm-no", HTMLElement), byId("confirm-yes", HTMLElement)];
  setParts(byId("confirm-title", HTMLElement), title);
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
