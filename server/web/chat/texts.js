// @ts-check
/**
 * The texts of the page, in its language. The server makes one script for each language: in the
 * others this file leads to the file of that language instead (see assets.ts).
 */
export { t } from "./texts/en.js";
