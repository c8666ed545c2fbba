/**
 * Times as people write them, and the few roundings that the browser does itself.
 * Python's `core/timeline.py` decides; both are tested on `tests/data/rounding.json`.
 */

import { translated } from "./words.js";

/**
 * Seconds of `1:23.45`, `1:02:03`, `83.45`, `83,45` or `83.45 s`; null for anything else.
 * @param {string} text
 * @returns {number | null}
 */
export function parseTime(text) {
  const trimmed = text
    .trim()
    .replace(",", ".")
    .replace(/\s*s(ec(onds?)?)?$/i, "");
  const match = /^(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d*)?|\.\d+)$/.exec(trimmed);
  if (!match) return null;
  const [hours, minutes] = match[2] === undefined ? ["0", match[1] ?? "0"] : [match[1], match[2]];
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(match[3]);
}

/**
 * `0:08.00`, `1:23.45`, `1:02:03.00`.
 * @param {number} seconds
 * @param {number} [digits] after the point
 */
export function formatTime(seconds, digits = 2) {
  const unit = 10 ** digits;
  const units = Math.max(0, Math.round(seconds * unit));
  const whole = Math.floor(units / unit);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, "0");
  const fraction = digits ? `.${String(units % unit).padStart(digits, "0")}` : "";
  const start = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${start}:${rest}${fraction}`;
}

/**
 * A time for a screen reader: `1 minute 23.45 seconds`.
 * @param {number} seconds
 */
export function spokenTime(seconds) {
  const units = Math.max(0, Math.round(seconds * 100));
  const hours = Math.floor(units / 360000);
  const minutes = Math.floor(units / 6000) % 60;
  const parts = [];
  if (hours) parts.push(translated(hours === 1 ? "1 hour" : "{hours} hours", { hours }));
  if (minutes) parts.push(translated(minutes === 1 ? "1 minute" : "{minutes} minutes", { minutes }));
  parts.push(translated("{seconds} seconds", { seconds: (units % 6000) / 100 }));
  return parts.join(" ");
}

/**
 * To the nearest multiple of 1/1000 s, which is what the number fields hold.
 * @param {number} seconds
 */
export function toMilliseconds(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

/**
 * The time nearest to `seconds` that is a whole number of frames away from `anchor`.
 * @param {number} seconds
 * @param {number} anchor seconds
 * @param {number} frameRate
 */
export function nearestFrameTime(seconds, anchor, frameRate) {
  return anchor + Math.round((seconds - anchor) * frameRate) / frameRate;
}
