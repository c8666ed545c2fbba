/**
 * The panels' words in the language that ComfyUI is set to. English stands in the code, and is what is left where a
 * translation lacks. No DOM.
 */

/** The server says it in English itself. */
const PLAN = "{seconds} → {frames} frames at {rate}, segments: {segments}";

/** @type {Record<string, string>} */
let translations = {};

/** Use these from now on. @param {Record<string, string>} known English to translated */
export function setWords(known) {
  translations = known;
}

/**
 * A plan of the server in our words, with its notes as they are.
 * @param {string} english @param {Record<string, string | number> | undefined} numbers what the first line says
 */
export function translatedPlan(english, numbers) {
  if (!numbers || !Object.hasOwn(translations, PLAN)) return english;
  const [, ...notes] = english.split("\n");
  return [translated(PLAN, numbers), ...notes].join("\n");
}

/**
 * What is said for an English sentence.
 * @param {string} english with `{names}` where `values` go @param {Record<string, string | number>} [values]
 */
export function translated(english, values = {}) {
  const sentence = Object.hasOwn(translations, english) ? translations[english] : english;
  return sentence.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}
