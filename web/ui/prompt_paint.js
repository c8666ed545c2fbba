/** The strip over the blocks of prompts: the segments of the plan, and where the picture starts afresh. */
import { palette } from "./dom.js";

export const STRIP_PIXELS = 24;
export const LANE_PIXELS = 78;

const SEGMENTS_TOP = 15;
const SHARPNESS = 2;

/**
 * @param {HTMLCanvasElement} canvas @param {number} width pixels
 * @param {{starts: number[], cuts: number[], frame_count: number, frame_rate: number} | null} plan @param {(seconds: number) => number} x
 */
export function paintPlan(canvas, width, plan, x) {
  const [pixelsWide, pixelsHigh] = [Math.round(width * SHARPNESS), STRIP_PIXELS * SHARPNESS];
  if (canvas.width !== pixelsWide || canvas.height !== pixelsHigh) Object.assign(canvas, { width: pixelsWide, height: pixelsHigh });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(SHARPNESS, 0, 0, SHARPNESS, 0, 0);
  context.clearRect(0, 0, width, STRIP_PIXELS);
  if (!plan) return;
  const { text, accent, muted } = palette();
  const end = plan.frame_count / plan.frame_rate;
  const cuts = new Set(plan.cuts);
  const height = STRIP_PIXELS - SEGMENTS_TOP;
  plan.starts.forEach((start, index) => {
    const [from, to] = [x(start), x(plan.starts[index + 1] ?? end)];
    if (to < 0 || from > width) return;
    context.fillStyle = muted;
    context.globalAlpha = index % 2 ? 0.55 : 0.3;
    context.fillRect(from, SEGMENTS_TOP, to - from, height);
    context.globalAlpha = 1;
    context.fillStyle = cuts.has(start) ? accent : text;
    const thick = cuts.has(start) ? 3 : 1;
    if (index) context.fillRect(from - thick / 2, SEGMENTS_TOP - (thick > 1 ? 4 : 0), thick, STRIP_PIXELS);
    label(context, `${index + 1}`, from, to, text);
  });
  context.globalAlpha = 1;
}

/** A segment's number, where it has room. @param {CanvasRenderingContext2D} context @param {string} words @param {number} from @param {number} to @param {string} colour */
function label(context, words, from, to, colour) {
  if (to - from < 40) return;
  context.font = "9px sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(words, from + 14, SEGMENTS_TOP + 5);
}
