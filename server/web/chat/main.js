// @ts-check
/** Loads the page's script in the user's language; those of other languages are not loaded. */
import { chosenLanguage, pickLanguage } from "./language.js";

const language = pickLanguage(chosenLanguage(), navigator.languages);
document.documentElement.lang = language;
const script = document.createElement("script");
script.type = "module";
// Of the same version as this file, which its address names.
const { search } = new URL(import.meta.url);
script.src = new URL(`chat.${language}.js${search}`, import.meta.url).href;
document.head.append(script);
