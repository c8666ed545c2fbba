/** What a trim paints over the waveform: silences, beats, what is cut off, and the fades. */
import { fadeGain } from "../lib/selection.js";
import { lowerBound } from "../lib/snap.js";
import { palette } from "./dom.js";

const BEAT_PIXELS = 7;
const FADE_STEPS = 24;

/**
 * @param {import("./waveform.js").Picture} picture @param {import("./waveform.js").Waveform} waveform
 * @param {import("../lib/selection.js").Selection | null} selection @param {import("../lib/snap.js").SnapTargets} targets
 */
export function paintTrim({ context, width, height, top, x }, waveform, selection, targets) {
  const { accent, background, muted } = palette();
  const { view, sound } = waveform;
  if (targets.silences) {
    context.fillStyle = muted;
    context.globalAlpha = 0.14;
    for (const [from, to] of sound?.silences ?? []) {
      if (to > view.start && from < view.end) context.fillRect(x(from), top, x(to) - x(from), height - top);
    }
  }
  if (targets.beats) paintBeats({ context, width, height, top, x }, view, targets.beats);
  if (selection) {
    const [from, to] = [x(selection.start), x(selection.end)];
    context.fillStyle = background;
    context.globalAlpha = 0.45;
    context.fillRect(0, top, from, height - top);
    context.fillRect(to, top, width - to, height - top);
    context.globalAlpha = 0.1;
    context.fillStyle = accent;
    context.fillRect(from, top, to - from, height - top);
    paintFade(context, from, x(selection.start + selection.fadeIn), top, height);
    paintFade(context, to, x(selection.end - selection.fadeOut), top, height);
  }
  context.globalAlpha = 1;
}

/** @param {import("./waveform.js").Picture} picture @param {{start: number, end: number}} view @param {readonly number[]} beats */
export function paintBeats({ context, width, height, x }, view, beats) {
  const from = lowerBound(beats, view.start);
  const to = lowerBound(beats, view.end);
  const crowded = (to - from) * 3 > width;
  context.fillStyle = palette().text;
  context.globalAlpha = crowded ? 0.25 : 0.7;
  context.beginPath();
  for (let i = from; i < to; i++) context.rect(Math.round(x(beats[i])), height - BEAT_PIXELS, 1, BEAT_PIXELS);
  context.fill();
  context.globalAlpha = 1;
}

/**
 * The gain's line, and shade where it takes sound away.
 * @param {CanvasRenderingContext2D} context @param {number} silent x @param {number} full x @param {number} top @param {number} bottom
 */
function paintFade(context, silent, full, top, bottom) {
  if (Math.abs(full - silent) < 1) return;
  const { background, text } = palette();
  const line = new Path2D();
  line.moveTo(silent, bottom);
  for (let step = 1; step <= FADE_STEPS; step++) {
    const share = step / FADE_STEPS;
    line.lineTo(silent + (full - silent) * share, bottom + (top - bottom) * fadeGain(share));
  }
  const shade = new Path2D(line);
  shade.lineTo(silent, top);
  context.globalAlpha = 0.6;
  context.fillStyle = background;
  context.fill(shade);
  context.globalAlpha = 0.9;
  context.strokeStyle = text;
  context.lineWidth = 1.25;
  context.stroke(line);
}
