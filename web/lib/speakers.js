/** When each of several speakers is heard, as core/audio/speakers.py has it. Pure, no DOM. */

/** @typedef {{start: number, end: number}} Turn seconds */

/**
 * @param {{duration: number, start: number}[]} speakers seconds; `start`: from the beginning, or after the one before
 * @param {boolean} inTurns
 * @returns {Turn[]}
 */
export function turnsOf(speakers, inTurns) {
  let before = 0;
  return speakers.map(({ duration, start }) => {
    const from = start + (inTurns ? before : 0);
    before = from + duration;
    return { start: from, end: before };
  });
}
