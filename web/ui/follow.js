/** What a trim's neighbours in the graph say: the file upstream, the sampler downstream. */
import { widgetOf } from "../host.js";
import { originOf, targetsOf } from "../lib/graph.js";
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
    const file = soundFileOf(widgetOf(origin.node, widgetName)?.value);
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
 * @typedef {{audioInput: string, frameRate: number, segmentSeconds: number}} Destiny
 * the input of Audio Encode that is used, and what the sampler's widgets say (0 = the model's own)
 */

/** What the sound of an output is going to be used for; null where no sampler is reached. @param {any} node @param {number} slot @returns {Destiny | null} */
export function downstreamUse(node, slot) {
  for (const encoder of targetsOf(node, slot)) {
    const audioInput = encodersInput(encoder.node);
    if (!audioInput) continue;
    for (const { node: sampler } of targetsOf(encoder.node, 0)) {
      if (!/^SoundToVideo_.*Sampler$/.test(sampler.type)) continue;
      const frameRate = Number(widgetOf(sampler, "frame_rate")?.value) || 0;
      const segmentSeconds = Number(widgetOf(sampler, "segment_seconds")?.value) || 0;
      return { audioInput, frameRate, segmentSeconds };
    }
  }
  return null;
}

/** @param {any} node @returns {string | null} */
function encodersInput(node) {
  if (node.type === "AudioEncoderEncode") return "audio_encoder";
  if (node.type !== "SoundToVideo_AudioEncode") return null;
  const input = node.inputs?.find(
    (/** @type {any} */ one) =>
      ["audio_encoder", "audio_vae"].includes(one.name) && one.link !== null && one.link !== undefined,
  );
  return input?.name ?? null;
}
