/**
 * Two clips in step: what time is which frame, and how a clip that runs behind catches up. No DOM.
 */

/** A player at `frame + CENTRE` frames shows that frame, however the browser rounds. */
const CENTRE = 0.5;
/** Seconds apart from which a jump is better than a change of speed. */
const JUMP = 0.3;
const FASTEST = 1.25;
const SLOWEST = 0.8;

/** @typedef {{frame_rate: number, frame_count: number}} Clip */

/** Seconds that a clip's pictures last. @param {Clip} clip */
export function lengthOf(clip) {
  return clip.frame_count / clip.frame_rate;
}

/** The frame that is shown at a time, the last one after the end. @param {Clip} clip @param {number} seconds */
export function frameAt(clip, seconds) {
  return Math.max(0, Math.min(clip.frame_count - 1, Math.floor(seconds * clip.frame_rate + 1e-6)));
}

/** The time in the middle of the frame that is shown at a time. @param {Clip} clip @param {number} seconds */
export function middleOfFrame(clip, seconds) {
  return (frameAt(clip, seconds) + CENTRE) / clip.frame_rate;
}

/** A whole number of frames on or back. @param {Clip} clip @param {number} seconds @param {number} frames */
export function stepped(clip, seconds, frames) {
  const frame = Math.max(0, Math.min(clip.frame_count - 1, frameAt(clip, seconds) + frames));
  return (frame + CENTRE) / clip.frame_rate;
}

/**
 * How a clip goes on that is `behind` seconds behind the other (negative: ahead): its speed, or that it has to jump.
 * @param {number} behind seconds @param {number} frameRate
 * @returns {{speed: number, jump: boolean}}
 */
export function catchUp(behind, frameRate) {
  if (Math.abs(behind) > JUMP) return { speed: 1, jump: true };
  if (Math.abs(behind) < 0.25 / frameRate) return { speed: 1, jump: false };
  return { speed: Math.max(SLOWEST, Math.min(FASTEST, 1 + 4 * behind)), jump: false };
}
