// @ts-check
/** Passkeys: whether the page can use them, the button that signs in with one, and what fails. */
import { button } from "./dom.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";

/** An address in place of a name, for which browsers have no passkeys. */
const ADDRESS = /^(?:[\d.]+|\[.*\])$/;

/** Whether the page can use passkeys: over https under a name, or on localhost. */
export const hasPasskeys = () =>
  "PublicKeyCredential" in globalThis && !ADDRESS.test(location.hostname);

/**
 * Why something with a passkey failed.
 * @param {unknown} error
 * @param {Readonly<Record<string, string>>} [own] texts by code, of what was tried
 */
export function passkeyErrorText(error, own = {}) {
  const { code = "", message = "" } =
    /** @type {{ code?: string, message?: string }} */ (error ?? {});
  const refused = code === "unauthorized" || code === "forbidden";
  const reason = refused ? /\((\w+)\)/.exec(message)?.[1] : undefined;
  /** @type {{ readonly reasons: Readonly<Record<string, string>>, readonly codes: Readonly<Record<string, string>> }} */
  const { codes, reasons } = t.passkeys;
  if (reason !== undefined) return reasons[reason] ?? t.passkeys.refused;
  return own[code] ?? codes[code] ?? errorText(error) ?? t.common.failedTryAgain;
}

/**
 * A button that signs in with a passkey. `enter` rejects where that fails; `failed` gets the error,
 * and null when it is tried.
 * @param {string} id
 * @param {{ enter: () => Promise<void>, failed: (error: unknown) => void }} how
 */
export function passkeyButton(id, { enter, failed }) {
  const go = button(t.passkeys.signIn, async () => {
    go.disabled = true;
    failed(null);
    try {
      await enter();
    } catch (error) {
      failed(error);
    }
    go.disabled = false;
  }, { id });
  return go;
}
