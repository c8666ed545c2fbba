/**
 * A box over a picture, in parts of it: `{left, top, right, bottom}` in 0..1. Pure functions, no DOM.
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 * @typedef {{x: number, y: number}} Point in parts of the picture
 * @typedef {"new" | "move" | `${"" | "n" | "s"}${"" | "w" | "e"}`} Grip what a pointer takes hold of: edges and corners by compass
 */

export const EDGES = /** @type {const} */ (["left", "top", "right", "bottom"]);
/** The narrowest that can be drawn. */
export const SMALLEST = 0.02;
const DIGITS = 3;

/** @param {number} value @param {number} [low] @param {number} [high] */
function clamp(value, low = 0, high = 1) {
  return Math.min(Math.max(value, low), high);
}

/** As the fields keep it: three digits. @param {Box} box @returns {Box} */
export function rounded(box) {
  const edges = EDGES.map((edge) => [edge, Number(clamp(box[edge]).toFixed(DIGITS))]);
  return /** @type {Box} */ (Object.fromEntries(edges));
}

/** Whether a box holds anything. @param {Box} box */
export function isBox({ left, top, right, bottom }) {
  return 0 <= left && left < right && right <= 1 && 0 <= top && top < bottom && bottom <= 1;
}

/** The box between two corners; one that is too small to mean anything grows to the smallest. @param {Point} from @param {Point} to @returns {Box} */
export function between(from, to) {
  const [left, right] = span(from.x, to.x);
  const [top, bottom] = span(from.y, to.y);
  return { left, top, right, bottom };
}

/** @param {number} one @param {number} other @returns {[number, number]} */
function span(one, other) {
  const low = clamp(Math.min(one, other), 0, 1 - SMALLEST);
  return [low, clamp(Math.max(one, other), low + SMALLEST, 1)];
}

/** The box elsewhere, of the same size, within the picture. @param {Box} box @param {number} x @param {number} y @returns {Box} */
export function moved(box, x, y) {
  const right = clamp(x, -box.left, 1 - box.right);
  const down = clamp(y, -box.top, 1 - box.bottom);
  return { left: box.left + right, top: box.top + down, right: box.right + right, bottom: box.bottom + down };
}

/** The box with some of its edges elsewhere; none goes past the one across. @param {Box} box @param {Grip} grip @param {number} x @param {number} y how far @returns {Box} */
export function resized(box, grip, x, y) {
  const after = { ...box };
  if (grip.includes("w")) after.left = clamp(box.left + x, 0, box.right - SMALLEST);
  if (grip.includes("e")) after.right = clamp(box.right + x, box.left + SMALLEST, 1);
  if (grip.includes("n")) after.top = clamp(box.top + y, 0, box.bottom - SMALLEST);
  if (grip.includes("s")) after.bottom = clamp(box.bottom + y, box.top + SMALLEST, 1);
  return after;
}

/**
 * What a pointer takes hold of. @param {Box} box @param {Point} at
 * @param {Point} reach how near to an edge counts as on it; a third of a small box at most, so that it can be moved
 * @returns {Grip}
 */
export function gripAt(box, at, reach) {
  const wide = Math.min(reach.x, (box.right - box.left) / 3);
  const high = Math.min(reach.y, (box.bottom - box.top) / 3);
  const isBeside = at.x < box.left - reach.x || at.x > box.right + reach.x;
  if (isBeside || at.y < box.top - reach.y || at.y > box.bottom + reach.y) return "new";
  const vertical = at.y < box.top + high ? "n" : at.y > box.bottom - high ? "s" : "";
  const across = at.x < box.left + wide ? "w" : at.x > box.right - wide ? "e" : "";
  return /** @type {Grip} */ (vertical + across || "move");
}

/**
 * Where a picture lies in a room, whole and in the middle, in the room's units.
 * @param {number} width of the room @param {number} height @param {number} aspect of the picture: its width by its height
 */
export function fitted(width, height, aspect) {
  const wide = Math.min(width, height * aspect);
  const high = wide / aspect;
  return { x: (width - wide) / 2, y: (height - high) / 2, width: wide, height: high };
}
