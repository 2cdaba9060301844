// @ts-check
/**
 * Keyboard shortcuts. Single keys work only outside of fields, where they take nothing from who
 * types, and can be turned off, for who speaks to the machine (WCAG 2.1.4); screen readers that
 * read the page take their keys before it gets them. Nothing here touches the page.
 */

/** What a shortcut does. @typedef {"next" | "previous" | "find" | "list" | "write" | "settings" | "help"} Action */

/**
 * All of them. `single`: it works outside of fields only, and can be turned off.
 * @type {readonly { readonly action: Action, readonly keys: readonly string[], readonly single: boolean }[]}
 */
export const SHORTCUTS = [
  { action: "next", keys: ["Alt", "ArrowDown"], single: false },
  { action: "previous", keys: ["Alt", "ArrowUp"], single: false },
  { action: "find", keys: ["/"], single: true },
  { action: "list", keys: ["l"], single: true },
  { action: "write", keys: ["w"], single: true },
  { action: "settings", keys: ["s"], single: true },
  { action: "help", keys: ["?"], single: true },
];

/**
 * A key that was pressed, and where. `inField`: the focus is where keys write or choose something.
 * @typedef {{ readonly key: string, readonly altKey: boolean, readonly ctrlKey: boolean,
 *   readonly metaKey: boolean }} Pressed
 * @typedef {{ readonly inField: boolean, readonly apple: boolean, readonly single: boolean }} Where
 */

/**
 * What a key does; null: nothing. On Apple's systems Alt and an arrow move within a field.
 * @param {Pressed} pressed
 * @param {Where} where `single`: whether single keys are on
 * @returns {Action | null}
 */
export function actionOf({ key, altKey, ctrlKey, metaKey }, { inField, apple, single }) {
  if (ctrlKey || metaKey) return null;
  const found = SHORTCUTS.find((each) =>
    each.keys.at(-1) === (each.single ? key.toLowerCase() : key)
  );
  if (found === undefined) return null;
  if (found.single) return single && !inField && !altKey ? found.action : null;
  return altKey && !(inField && apple) ? found.action : null;
}
