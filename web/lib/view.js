/**
 * The stretch of a sound that is on screen: `{start, end}` in seconds. Pure functions, no DOM.
 * @typedef {{start: number, end: number}} View
 */

/** The closest look: this many seconds over the whole width. */
export const SHORTEST_VIEW_SECONDS = 0.05;

/** @param {number} duration @returns {View} */
export function wholeView(duration) {
  return { start: 0, end: Math.max(duration, SHORTEST_VIEW_SECONDS) };
}

/** @param {View} view @param {number} x pixels @param {number} width pixels */
export function timeAt(view, x, width) {
  return view.start + ((view.end - view.start) * x) / width;
}

/** @param {View} view @param {number} time seconds @param {number} width pixels */
export function xAt(view, time, width) {
  return ((time - view.start) / (view.end - view.start)) * width;
}

/**
 * The view moved and cut so that it lies within the sound.
 * @param {View} view @param {number} duration @returns {View}
 */
export function clampedView(view, duration) {
  const most = Math.max(duration, SHORTEST_VIEW_SECONDS);
  const length = Math.min(Math.max(view.end - view.start, SHORTEST_VIEW_SECONDS), most);
  const start = Math.min(Math.max(view.start, 0), most - length);
  return { start, end: start + length };
}

/**
 * Zoomed by `factor` (2 = twice as close) with `anchor` staying where it is on screen.
 * @param {View} view @param {number} factor @param {number} anchor seconds @param {number} duration @returns {View}
 */
export function zoomedView(view, factor, anchor, duration) {
  const most = Math.max(duration, SHORTEST_VIEW_SECONDS);
  const length = Math.min(Math.max((view.end - view.start) / factor, SHORTEST_VIEW_SECONDS), most);
  const share = (anchor - view.start) / (view.end - view.start);
  return clampedView({ start: anchor - share * length, end: anchor + (1 - share) * length }, duration);
}

/** @param {View} view @param {number} seconds @param {number} duration @returns {View} */
export function scrolledView(view, seconds, duration) {
  return clampedView({ start: view.start + seconds, end: view.end + seconds }, duration);
}

/**
 * The view with a stretch of the sound filling 80 % of it.
 * @param {number} from @param {number} to @param {number} duration @returns {View}
 */
export function viewAround(from, to, duration) {
  const margin = Math.max((to - from) * 0.125, SHORTEST_VIEW_SECONDS / 2);
  return clampedView({ start: from - margin, end: to + margin }, duration);
}

/**
 * The view scrolled just so far that `time` is in it.
 * @param {View} view @param {number} time @param {number} duration @returns {View}
 */
export function viewShowing(view, time, duration) {
  if (time < view.start) return scrolledView(view, time - view.start, duration);
  if (time > view.end) return scrolledView(view, time - view.end, duration);
  return view;
}

/** Seconds between two labels of the ruler, and into how many parts small ticks divide them. */
const STEPS = [
  [0.01, 5],
  [0.02, 4],
  [0.05, 5],
  [0.1, 5],
  [0.2, 4],
  [0.5, 5],
  [1, 5],
  [2, 4],
  [5, 5],
  [10, 5],
  [15, 3],
  [30, 3],
  [60, 6],
  [120, 4],
  [300, 5],
  [600, 5],
  [900, 3],
  [1800, 3],
  [3600, 6],
  [7200, 4],
  [18000, 5],
];

/**
 * The ruler's ticks; labelled (`major`) ones are at least `labelPixels` apart.
 * @param {View} view @param {number} width pixels @param {number} [labelPixels]
 * @returns {{digits: number, ticks: {time: number, major: boolean}[]}} digits after the point that the labels need
 */
export function ruler(view, width, labelPixels = 64) {
  const wanted = ((view.end - view.start) / width) * labelPixels;
  const [step, parts] = STEPS.find(([seconds]) => seconds >= wanted) ?? STEPS[STEPS.length - 1];
  const first = Math.ceil((view.start / step) * parts - 1e-9) + 0; // not -0
  const last = Math.floor((view.end / step) * parts + 1e-9);
  const ticks = [];
  for (let index = first; index <= last; index++) {
    ticks.push({ time: (index * step) / parts, major: index % parts === 0 });
  }
  return { digits: step >= 1 ? 0 : step >= 0.1 ? 1 : 2, ticks };
}
