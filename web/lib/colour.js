/**
 * Colours that can be read on what is behind them. No DOM.
 * @typedef {[number, number, number]} Colour red, green, blue in 0..255
 */

/** What WCAG asks of text of a common size. */
export const LEGIBLE = 4.5;

/** Relative luminance, as WCAG 2 defines it. @param {Colour} colour */
function luminance(colour) {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast ratio of two colours, 1..21. @param {Colour} one @param {Colour} other */
export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** @param {Colour} from @param {Colour} to @param {number} share of `to` @returns {Colour} */
function mixed(from, to, share) {
  return /** @type {Colour} */ (from.map((part, i) => Math.round(part + (to[i] - part) * share)));
}

/**
 * The colour, mixed with the text's as far as it takes to be read on every background.
 * @param {Colour} colour @param {Colour} text @param {Colour[]} backgrounds @param {number} [ratio] contrast that is wanted
 * @returns {Colour}
 */
export function legible(colour, text, backgrounds, ratio = LEGIBLE) {
  const worst = (/** @type {Colour} */ one) => Math.min(...backgrounds.map((background) => contrast(one, background)));
  for (let share = 0; share < 1; share += 0.05) {
    const candidate = mixed(colour, text, share);
    if (worst(candidate) >= ratio) return candidate;
  }
  return text;
}
