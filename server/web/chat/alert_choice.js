// @ts-check
/** What is decided about alerts. Nothing here touches the page. */

/** What is decided for a browser. @typedef {{ readonly notify: boolean, readonly sound: boolean }} Choice */

/**
 * Reads a stored choice; what is not known is as at first: a sound, and no notifications.
 * @param {string | null} stored
 * @returns {Choice}
 */
export function choiceIn(stored) {
  try {
    const { notify, sound } = JSON.parse(stored ?? "{}") ?? {};
    return { notify: notify === true, sound: sound !== false };
  } catch {
    return { notify: false, sound: true };
  }
}
