/**
 * Which model families may be meant where a sound is going. No DOM.
 * @typedef {{id: string, display_name: string, audio_input: string, encoder: string, options: string[], variants: Variant[]}} Family
 * as the server tells it
 * @typedef {{name: string, files: string[], settings: Setting[], sizes: Size[], multiple: number, speed_loras: string[]}} Variant
 * a model of a family as it is published
 * @typedef {{name: string, words: string, values: Record<string, number | string>, speed_lora: boolean | null,
 *   shift: number | null, negative: string | null, stages: number | null, then: string}} Setting
 * @typedef {{name: string, width: number, height: number}} Size
 */

/**
 * The families that listen by an input of Audio Encode: the one that the last run recognised; else that of the model
 * that is loaded, by its file's name; else those for the encoder that is loaded, by its file's name
 * ("whisper_large_v3_fp16.safetensors" is of "whisper-large-v3") and its loader's; else all.
 * @template {{id: string, audio_input: string, encoder: string, variants?: Variant[]}} One
 * @param {One[]} families
 * @param {{audioInput: string, family: string, encoderFile: string, modelFiles?: string[]}} destiny
 * @returns {One[]}
 */
export function familiesFor(families, { audioInput, family, encoderFile, modelFiles = [] }) {
  const listening = families.filter((one) => one.audio_input === audioInput);
  const known = listening.filter((one) => one.id === family);
  if (known.length) return known;
  const loaded = modelOf(listening, { family: "", files: modelFiles });
  if (loaded) return [loaded.family];
  const file = encoderFile.toLowerCase();
  const named = listening.filter(({ encoder }) => wordsOf(encoder).every((word) => file.includes(word)));
  if (named.length) return named;
  const ofTheMake = listening.filter(({ encoder }) => file.includes(wordsOf(encoder)[0]));
  return ofTheMake.length ? ofTheMake : listening;
}

/** "whisper", "large", "v3" of "whisper-large-v3". @param {string} encoder */
function wordsOf(encoder) {
  return encoder.toLowerCase().split(/[^a-z0-9]+/);
}

/**
 * The model that is wired, before any run: by the names of the files that it is loaded from; within the family that the
 * last run recognised, if there was one. Null where nothing tells.
 * @template {{id: string, variants?: Variant[]}} One
 * @param {One[]} families @param {{family: string, files: string[]}} wired
 * @returns {{family: One, variant: Variant} | null}
 */
export function modelOf(families, { family, files }) {
  const ran = families.filter(({ id }) => id === family);
  const names = files.map((file) => file.toLowerCase());
  const fits = (/** @type {Variant} */ variant) =>
    names.some((name) => variant.files.every((word) => name.includes(word)));
  const all = (ran.length ? ran : families).flatMap((one) => (one.variants ?? []).map((variant) => ({ family: one, variant })));
  const told = (/** @type {{variant: Variant}} */ { variant }) => variant.files.join("").length;
  const [best] = all.filter(({ variant }) => fits(variant)).sort((a, b) => told(b) - told(a));
  return best ?? (ran.length ? all.at(-1) ?? null : null);
}

/**
 * The setting that is in the fields and in what is wired before them, if one is; what is not there does not count.
 * @param {Variant} variant @param {(name: string) => unknown} valueOf
 * @param {Partial<Record<"speed_lora" | "shift" | "stages", unknown>>} wired
 */
export function settingIn({ settings }, valueOf, wired) {
  const counts = (/** @type {unknown} */ wanted, /** @type {unknown} */ there) =>
    wanted === null || there === undefined || there === null || wanted === there;
  const isIn = (/** @type {Setting} */ setting) =>
    Object.entries(setting.values).every(([name, value]) => counts(value, valueOf(name))) &&
    (/** @type {const} */ (["speed_lora", "shift", "stages"])).every((name) => counts(setting[name], wired[name]));
  return settings.find(isIn) ?? null;
}
