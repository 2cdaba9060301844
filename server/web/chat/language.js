// @ts-check
/** The page's language: which it is, and how it is kept in this browser. */

/** The languages, each by its own name; each has a file of texts. */
export const LANGUAGES = { en: "English", de: "Deutsch" };

/** @typedef {keyof typeof LANGUAGES} Language */

/** In the browser's storage: the language that was chosen. */
const KEPT = "roost chat language";

/** @param {string} tag as `de-AT` @returns {Language | undefined} */
const languageIn = (tag) => {
  const [language = ""] = tag.toLowerCase().split("-");
  return Object.hasOwn(LANGUAGES, language) ? /** @type {Language} */ (language) : undefined;
};

/**
 * Returns the language that was chosen, or else the first of those the user reads that there is;
 * English where there is none.
 * @param {string | null} chosen
 * @param {readonly string[]} read language tags, the preferred first
 * @returns {Language}
 */
export function pickLanguage(chosen, read) {
  const tags = chosen === null ? read : [chosen, ...read];
  return tags.map(languageIn).find((language) => language !== undefined) ?? "en";
}

/**
 * Returns the tag to format dates and numbers with: the user's own region of the language.
 * @param {string} language
 * @param {readonly string[]} read language tags, the preferred first
 */
export function localeOf(language, read) {
  const own = read.find((tag) => languageIn(tag) === language);
  return own !== undefined && Intl.DateTimeFormat.supportedLocalesOf(own).length > 0
    ? own
    : language;
}

/** The language chosen in this browser; null: none. */
export function chosenLanguage() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/** Keeps a choice in this browser. @param {string} language */
export function chooseLanguage(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // Then the browser's languages decide.
  }
}
