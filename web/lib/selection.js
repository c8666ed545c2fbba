/**
 * The part of a sound that a trim keeps. No DOM.
 * The node's number fields are what is saved: negative ones count back from the end of the sound, and end 0 is that end.
 * @typedef {{start: number, end: number, fadeIn: number, fadeOut: number}} Selection seconds
 * @typedef {{start_seconds: number, end_seconds: number, fade_in_seconds: number, fade_out_seconds: number}} Fields
 */
import { toMilliseconds } from "./time.js";

export const SHORTEST_SELECTION_SECONDS = 0.01;

/**
 * What the fields mean for a sound of this length; null where they keep nothing of it.
 * @param {Fields} fields @param {number} duration @returns {Selection | null}
 */
export function selectionOf(fields, duration) {
  const end = fields.end_seconds > 0 ? Math.min(fields.end_seconds, duration) : duration + fields.end_seconds;
  const start = fields.start_seconds < 0 ? Math.max(0, duration + fields.start_seconds) : fields.start_seconds;
  if (!(start >= 0 && start < end)) return null;
  return { start, end, fadeIn: fields.fade_in_seconds, fadeOut: fields.fade_out_seconds };
}

/** All of a sound, without fades. @param {number} duration @returns {Selection} */
export function wholeOf(duration) {
  return { start: 0, end: duration, fadeIn: 0, fadeOut: 0 };
}

/**
 * The fields that say this selection; the end of the sound is written as 0, so that it holds for other sounds too.
 * @param {Selection} selection @param {number} duration @returns {Fields}
 */
export function fieldsOf(selection, duration) {
  const atEnd = selection.end >= duration - 0.0005;
  return {
    start_seconds: toMilliseconds(selection.start),
    end_seconds: atEnd ? 0 : toMilliseconds(selection.end),
    fade_in_seconds: toMilliseconds(selection.fadeIn),
    fade_out_seconds: toMilliseconds(selection.fadeOut),
  };
}

/** @param {Selection} selection @param {number} start @returns {Selection} */
export function withStart(selection, start) {
  return withFades({ ...selection, start: clamp(start, 0, selection.end - SHORTEST_SELECTION_SECONDS) });
}

/** @param {Selection} selection @param {number} end @param {number} duration @returns {Selection} */
export function withEnd(selection, end, duration) {
  return withFades({ ...selection, end: clamp(end, selection.start + SHORTEST_SELECTION_SECONDS, duration) });
}

/**
 * The whole range moved, its length kept.
 * @param {Selection} selection @param {number} start @param {number} duration @returns {Selection}
 */
export function movedTo(selection, start, duration) {
  const length = selection.end - selection.start;
  const from = clamp(start, 0, duration - length);
  return { ...selection, start: from, end: from + length };
}

/**
 * A new range between two times in either order.
 * @param {Selection} selection whose fades are kept @param {number} one @param {number} other @param {number} duration
 * @returns {Selection}
 */
export function between(selection, one, other, duration) {
  const start = clamp(Math.min(one, other), 0, duration - SHORTEST_SELECTION_SECONDS);
  const end = clamp(Math.max(one, other), start + SHORTEST_SELECTION_SECONDS, duration);
  return withFades({ ...selection, start, end });
}

/**
 * Fades cut to what fits: each within the range, and both together no longer than it.
 * @param {Selection} selection @param {Partial<Selection>} [changed] the fade that is being set wins over the other
 * @returns {Selection}
 */
export function withFades(selection, changed = {}) {
  const length = selection.end - selection.start;
  const fadeIn = clamp(changed.fadeIn ?? selection.fadeIn, 0, length);
  const fadeOut = clamp(changed.fadeOut ?? selection.fadeOut, 0, length);
  if (changed.fadeOut !== undefined) return { ...selection, fadeIn: Math.min(fadeIn, length - fadeOut), fadeOut };
  return { ...selection, fadeIn, fadeOut: Math.min(fadeOut, length - fadeIn) };
}

/**
 * The range with its start where the cursor is; behind its end it takes all that follows.
 * @param {Selection} selection @param {number} time @param {number} duration @returns {Selection}
 */
export function startingAt(selection, time, duration) {
  const isBehind = time > selection.end - SHORTEST_SELECTION_SECONDS;
  return withStart(isBehind ? { ...selection, end: duration } : selection, time);
}

/**
 * The range with its end where the cursor is; before its start it takes all that comes before.
 * @param {Selection} selection @param {number} time @param {number} duration @returns {Selection}
 */
export function endingAt(selection, time, duration) {
  const isBefore = time < selection.start + SHORTEST_SELECTION_SECONDS;
  return withEnd(isBefore ? { ...selection, start: 0 } : selection, time, duration);
}

/**
 * The phrase at a time: from the silence before it to the one after it. In a silence, and where there is none, all.
 * @param {readonly [number, number][]} silences ascending @param {number} time @param {number} duration
 * @returns {{start: number, end: number}}
 */
export function phraseAt(silences, time, duration) {
  if (silences.some(([from, to]) => from <= time && time < to)) return { start: 0, end: duration };
  const before = silences.filter(([, to]) => to <= time).at(-1);
  const after = silences.find(([from]) => from > time);
  return { start: before?.[1] ?? 0, end: after?.[0] ?? duration };
}

/** @param {Selection} selection @param {number} duration */
export function isWhole(selection, duration) {
  return selection.start <= 0.0005 && selection.end >= duration - 0.0005;
}

/** @param {number} value @param {number} least @param {number} most */
function clamp(value, least, most) {
  return Math.min(Math.max(value, least), Math.max(least, most));
}

/**
 * The gain of a fade: a raised cosine from 0 to 1, as core/audio has it.
 * @param {number} share how much of the fade is over
 */
export function fadeGain(share) {
  return 0.5 - 0.5 * Math.cos(Math.PI * clamp(share, 0, 1));
}
