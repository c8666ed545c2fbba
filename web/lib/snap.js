/** Snapping: to the nearest of some times, if one is near enough. No DOM. */
import { nearestFrameTime } from "./time.js";

/**
 * The index of the first of ascending `times` that is not before `time`.
 * @param {readonly number[]} times @param {number} time
 */
export function lowerBound(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The nearest of ascending `times`, or null for none.
 * @param {readonly number[]} times @param {number} time @returns {number | null}
 */
export function nearest(times, time) {
  const index = lowerBound(times, time);
  const before = times[index - 1];
  const after = times[index];
  if (before === undefined) return after ?? null;
  if (after === undefined) return before;
  return time - before <= after - time ? before : after;
}

/**
 * The next of some times in a direction, five seconds on where there are none.
 * @param {readonly number[]} times in any order @param {number} time @param {number} direction -1 or 1
 */
export function nextOf(times, time, direction) {
  const sorted = [...times].sort((a, b) => a - b);
  const found = direction > 0 ? sorted[lowerBound(sorted, time + 0.001)] : sorted[lowerBound(sorted, time - 0.001) - 1];
  return found ?? (sorted.length ? time : time + 5 * direction);
}

/**
 * @typedef {{beats: readonly number[] | null, silences: readonly number[] | null, frameRate: number | null, segments?: readonly number[]}} SnapTargets
 * what is switched on: times of beats, borders of silences and of segments (all ascending), a frame rate
 */

/**
 * Where a dragged time goes. Beats and borders attract within `reach`; otherwise frames decide.
 * @param {number} time @param {SnapTargets} targets @param {number} reach seconds
 * @param {number} anchor the other end of the range, from which frames are counted
 */
export function snapped(time, targets, reach, anchor) {
  let best = null;
  for (const times of [targets.beats, targets.silences, targets.segments]) {
    const found = times ? nearest(times, time) : null;
    if (found === null || Math.abs(found - time) > reach) continue;
    if (best === null || Math.abs(found - time) < Math.abs(best - time)) best = found;
  }
  if (best !== null) return best;
  return targets.frameRate ? nearestFrameTime(time, anchor, targets.frameRate) : time;
}
