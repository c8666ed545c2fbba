/** How much louder a cut is made, in decibels. No DOM. */

/** The most that Trim Audio takes. */
export const MOST_GAIN_DB = 60;
/** Where a cut's furthest sample goes, and the loudness of speech on the web (LUFS). */
export const PEAK_DB = -1;
export const LOUDNESS_LUFS = -16;

/** @typedef {{peak: number | null, loudness: number | null}} Level of a cut without gain; null for silence */

/** What samples are multiplied by. @param {number} gain dB */
export function factorOf(gain) {
  return 10 ** (gain / 20);
}

/**
 * The gain that brings a cut's peak to -1 dB.
 * @param {Level} level @returns {number | null} null where there is nothing to be heard
 */
export function gainToPeak(level) {
  return level.peak === null ? null : bounded(PEAK_DB - level.peak);
}

/**
 * The gain that brings a cut to -16 LUFS, but its peak no further than -1 dB.
 * @param {Level} level @returns {{gain: number, loudness: number} | null} loudness: that it then has, which is less
 * where the peak is in the way; null where there is nothing to be heard
 */
export function gainToLoudness({ peak, loudness }) {
  if (peak === null || loudness === null) return null;
  const gain = bounded(Math.min(LOUDNESS_LUFS - loudness, PEAK_DB - peak));
  return { gain, loudness: loudness + gain };
}

/** @param {number} gain as the field holds it: never more than asked for */
function bounded(gain) {
  return Math.min(Math.max(Math.floor(gain * 100 + 1e-6) / 100, -MOST_GAIN_DB), MOST_GAIN_DB);
}

/** `+3.5 dB`, `-1 dB`, `0 dB`. @param {number} gain */
export function formatGain(gain) {
  const hundredths = Math.round(gain * 100);
  return `${hundredths > 0 ? "+" : ""}${hundredths / 100} dB`;
}

/** Decibels of `+3.5 dB`, `-3,5` or `4`; null for anything else. @param {string} text */
export function parseGain(text) {
  const match = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*(?:db)?$/i.exec(text.trim().replace(",", ".").replace("−", "-"));
  return match ? Math.min(Math.max(Number(match[1]), -MOST_GAIN_DB), MOST_GAIN_DB) : null;
}
