/** What a trim's neighbours in the graph say: the file upstream, the sampler downstream. */
import { widgetOf } from "../host.js";
import { isConnected, originOf, targetsOf, valueInto } from "../lib/graph.js";
import { soundFileOf } from "../lib/soundfile.js";

/** Nodes whose sound is a file of the host, and the widget that names it. */
const FILE_WIDGETS = {
  SoundToVideo_LoadAudio: "audio",
  SoundToVideo_RecordMic: "take",
  LoadAudio: "audio",
  VHS_LoadAudioUpload: "audio",
};

/** @type {Map<string, import("../lib/soundfile.js").SoundFile>} what a run said a node's sound was, by node */
const afterRun = new Map();

/** A node's name that no other node of the workflow has, and that undo keeps. @param {any} node */
export function nodeKey(node) {
  return `${node.graph?.id ?? ""}:${node.id}`;
}

/** A field's value, wherever it comes from; undefined where only a run tells. @param {any} node @param {string} name @returns {any} */
export function fieldValue(node, name) {
  const slot = (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.name === name);
  return isConnected(node, name) ? valueInto(node, slot) : (widgetOf(node, name)?.value ?? null);
}

/** Keep what a run says about the sound that came in. @param {any} node @param {any} output its `ui` */
export function keepRun(node, output) {
  const file = output?.sound_to_video_source?.[0];
  if (file) afterRun.set(nodeKey(node), file);
}

/**
 * The sound that comes into an input: its file; or, where it is made in the graph, a sentence and perhaps the last run's file.
 * @param {any} node @param {number} slot
 * @returns {{file: import("../lib/soundfile.js").SoundFile | null, words: string}}
 */
export function upstreamSound(node, slot) {
  const origin = originOf(node, slot);
  if (!origin) return { file: null, words: "Connect a sound to see it here." };
  const widgetName = FILE_WIDGETS[/** @type {keyof typeof FILE_WIDGETS} */ (origin.node.type)];
  if (widgetName) {
    const file = soundFileOf(fieldValue(origin.node, widgetName));
    const words = origin.node.type.endsWith("RecordMic")
      ? "Record a take to see it here."
      : "Choose a file to see it here.";
    return { file, words };
  }
  return {
    file: afterRun.get(nodeKey(node)) ?? null,
    words: "Made in the graph: run the workflow once to see this sound.",
  };
}

/**
 * @typedef {{audioInput: string, family: string, settings: Record<string, string | number>}} Destiny
 * the input of Audio Encode that is used, the model family that listened in the last run ("" = not known), and what
 * the route is told of the sampler's own settings
 */

const PLAN_SETTINGS = ["frame_rate", "segment_seconds", "preview_seconds"];

/**
 * What the sound of an output is going to be used for; null where no sampler is reached, or where a setting of it comes
 * from a node that has to run first.
 * @param {any} node @param {number} slot @returns {Destiny | null}
 */
export function downstreamUse(node, slot) {
  for (const encoder of targetsOf(node, slot)) {
    const audioInput = encodersInput(encoder.node);
    if (!audioInput) continue;
    for (const { node: sampler } of targetsOf(encoder.node, 0)) {
      if (!/^SoundToVideo_.*Sampler$/.test(sampler.type)) continue;
      const values = PLAN_SETTINGS.map((name) => [name, fieldValue(sampler, name)]);
      if (values.some(([, value]) => value === undefined)) return null;
      const numbers = Object.fromEntries(values.map(([name, value]) => [name, Number(value) || 0]));
      const timeline = timelineOf(sampler);
      if (timeline === null) return null;
      return { audioInput, family: familyOf(sampler), settings: { ...numbers, ...timeline } };
    }
  }
  return null;
}

/** Where a node's input of that name comes from. @param {any} node @param {string} name */
function originOfInput(node, name) {
  return originOf(
    node,
    (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.name === name),
  )?.node;
}

/** As much of a line as its time can take. */
const LINE_LETTERS = 40;

/** The text of a Prompt Timeline before a sampler; null where only a run tells it. @param {any} sampler */
function timelineOf(sampler) {
  const [timeline, second] = ["positive", "negative"]
    .map((input) => originOfInput(sampler, input))
    .filter((node) => node?.type === "SoundToVideo_PromptTimeline");
  if (!timeline) return {};
  const text = fieldValue(timeline, "timeline");
  const cuts = fieldValue(timeline, "cuts");
  if (second || text === undefined || cuts === undefined || isConnected(timeline, "snap_to_beats_of")) return null;
  const lines = String(text)
    .split("\n")
    .map((line, index) => (index ? shortened(line) : line.trim().slice(0, LINE_LETTERS)));
  return { timeline: lines.join("\n"), timeline_cuts: cuts === "no cuts" ? 0 : 1 };
}

/** The beginning of a line, in letters that an address carries as one byte: only its time counts. @param {string} line */
function shortened(line) {
  return line
    .trim()
    .slice(0, LINE_LETTERS)
    .replace(/[^\x00-\x7f]/gu, (letter) => (/[\p{Nd}\s]/u.test(letter) ? letter : "x"));
}

/** What makes a sampler's model: the nodes before it and what they say. @param {any} sampler */
export function modelBefore(sampler) {
  const found = [];
  for (let node = sampler; node && found.length < 20; ) {
    const slot = (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.type === "MODEL");
    node = slot < 0 ? null : originOf(node, slot)?.node;
    if (node) found.push([node.type, ...(node.widgets ?? []).map((/** @type {any} */ widget) => widget.value)]);
  }
  return JSON.stringify(found);
}

/** The family that the last run recognised, if the model is still the same; else "". @param {any} sampler */
function familyOf(sampler) {
  const run = sampler.properties?.sound_to_video_run;
  return run?.family && run.model === modelBefore(sampler) ? run.family : "";
}

/** @param {any} node @returns {string | null} */
function encodersInput(node) {
  if (node.type === "AudioEncoderEncode") return "audio_encoder";
  if (node.type !== "SoundToVideo_AudioEncode") return null;
  return ["audio_encoder", "audio_vae"].find((name) => isConnected(node, name)) ?? null;
}
