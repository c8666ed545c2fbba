/** Pictures of a video of the host's folders: what it is, and small ones of it side by side. */
import { packJSON, packURL } from "../host.js";
import { originOf, targetsOf } from "../lib/graph.js";
import { soundFileOf } from "../lib/soundfile.js";
import { SHOWS_VIDEO, fieldValue } from "./follow.js";
import { lastSaid } from "./runs.js";

/** @typedef {import("../lib/soundfile.js").SoundFile} VideoFile */
/** @typedef {{duration: number, frame_rate: number, width: number, height: number}} About */

/** Nodes whose video is a file of the host, and the widget that names it. @type {Record<string, string>} */
const FILE_WIDGETS = { LoadVideo: "file", VHS_LoadVideo: "video" };

/** The file that a node's last run showed as a video. @param {any} node @returns {VideoFile | null} */
export function videoOfRun(node) {
  const said = lastSaid(node, ({ output }) => isVideo(output));
  if (!said) return null;
  const { filename, subfolder = "", type = "output" } = said.output.images[0];
  return { filename, subfolder, type };
}

/** Whether a node's output is a video that the front end shows. @param {any} output */
function isVideo(output) {
  return Boolean(output?.animated?.[0] && output.images?.[0]?.filename);
}

/** The file whose pictures come into an input; null where there is none, or none yet. @param {any} node @param {number} slot @returns {VideoFile | null} */
export function videoInto(node, slot) {
  const origin = originOf(node, slot);
  if (!origin) return null;
  const name = FILE_WIDGETS[origin.node.type];
  if (name) return soundFileOf(fieldValue(origin.node, name));
  // A sampler has no file of its own: what saves its clip has.
  const beside = targetsOf(origin.node, origin.slot).map((target) => target.node);
  const writers = [origin.node, ...beside.filter((one) => SHOWS_VIDEO.includes(one.type))];
  return writers.map(videoOfRun).find(Boolean) ?? null;
}

/** @param {VideoFile} file @param {AbortSignal} signal @returns {Promise<About>} */
export function aboutVideo(file, signal) {
  return packJSON("video", { ...file }, signal);
}

/** Where the picture at a time is. @param {VideoFile} file @param {number} seconds @param {number} height */
export function pictureURL(file, seconds, height) {
  return packURL("frame", { ...file, seconds: seconds.toFixed(4), height });
}

/** Where pictures at times are, side by side. @param {VideoFile} file @param {number[]} times @param {number} height */
export function picturesURL(file, times, height) {
  return packURL("frames", { ...file, times: times.map((time) => time.toFixed(3)).join(), height });
}

/**
 * Times in the middle of as many equal parts as have room side by side.
 * @param {About} about @param {number} start @param {number} end seconds @param {number} width @param {number} height pixels
 */
export function timesAcross(about, start, end, width, height) {
  const count = Math.min(24, Math.max(1, Math.round((width * about.height) / (height * about.width))));
  return Array.from({ length: count }, (_, index) => start + ((index + 0.5) * (end - start)) / count);
}

