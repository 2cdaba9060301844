// @ts-check
/** What the texts of a language are made with. Nothing here touches the page. */

/** The forms of a text by the language's plural categories; `#` stands for the number. @typedef {{ readonly other: string } & Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>} Forms */

/**
 * Numbers and plurals of a language.
 * @param {string} language
 */
export function wordsIn(language) {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const number = (/** @type {number} */ count) => numbers.format(count);
  /** @param {number} count @param {Forms} forms */
  const plural = (count, forms) =>
    (forms[rules.select(count)] ?? forms.other).replaceAll("#", number(count));
  return { number, plural };
}
