/** What a trim's neighbours in the graph say: the file upstream, the sampler downstream. */
import { setPropertyQuietly, widgetOf } from "../host.js";
import { isConnected, nodesBefore, originOf, slotOf, targetsOf, valueInto } from "../lib/graph.js";
import { SOUND_LIMITS } from "../lib/limits.js";
import { plain, readTimeline } from "../lib/prompts.js";
import { soundFileOf } from "../lib/soundfile.js";
import { lastSaid } from "./runs.js";
import { translated } from "../lib/words.js";

/** Nodes whose sound is a file of the host, and the widget that names it. */
const FILE_WIDGETS = {
  SoundToVideo_LoadAudio: "audio",
  SoundToVideo_RecordMic: "take",
  LoadAudio: "audio",
  VHS_LoadAudioUpload: "audio",
};

export const TRIM_FIELDS = /** @type {const} */ ([
  "start_seconds",
  "end_seconds",
  "fade_in_seconds",
  "fade_out_seconds",
]);

/** Nodes whose pictures are a file of the host, and the widget that names it. */
const FOOTAGE_WIDGETS = { LoadVideo: "file" };

/** Where a node keeps which file has the sound that a run brought it: there after a reload and a run that was cached. */
const SOURCE = "sound_to_video_source";

/** A node's name that no other node of the workflow has, and that undo keeps. @param {any} node */
export function nodeKey(node) {
  return `${node.graph?.id ?? ""}:${node.id}`;
}

/** A field's value, wherever it comes from; undefined where only a run tells. @param {any} node @param {string} name @returns {any} */
export function fieldValue(node, name) {
  return isConnected(node, name) ? valueInto(node, slotOf(node, name)) : (widgetOf(node, name)?.value ?? null);
}

/**
 * The file with the sound that the last run brought to a node.
 * @param {any} node @returns {{file: import("../lib/soundfile.js").SoundFile | null, from: "run" | "kept"}}
 */
function soundOfRun(node) {
  const file = lastSaid(node, ({ output }) => Boolean(output?.[SOURCE]))?.output[SOURCE][0];
  const kept = node.properties?.[SOURCE] ?? null;
  if (!file) return { file: kept, from: "kept" };
  if (JSON.stringify(file) !== JSON.stringify(kept)) setPropertyQuietly(node, SOURCE, file);
  return { file, from: "run" };
}

/**
 * The sound that comes into an input: its file; or, where it is made in the graph, a sentence and perhaps the last run's file.
 * @param {any} node @param {number} slot
 * @returns {{file: import("../lib/soundfile.js").SoundFile | null, words: string, from: "file" | "run" | "kept"}}
 * from: a file of the user's, one that a run made while this page was open, or one made before, which may be gone
 */
export function upstreamSound(node, slot) {
  const origin = originOf(node, slot);
  if (!origin) return { file: null, words: translated("Connect a sound to see it here."), from: "file" };
  const widgetName = FILE_WIDGETS[/** @type {keyof typeof FILE_WIDGETS} */ (origin.node.type)];
  if (widgetName) {
    const file = soundFileOf(fieldValue(origin.node, widgetName));
    const invitation = origin.node.type.endsWith("RecordMic")
      ? "Record a take to see it here."
      : "Choose a file to see it here.";
    return { file, words: translated(invitation), from: "file" };
  }
  return { ...soundOfRun(node), words: translated("Made in the graph: run the workflow once to see this sound.") };
}

/**
 * The file with the footage that comes into an input; a sentence where there is none to see.
 * @param {any} node @param {string} name @returns {{file: import("../lib/soundfile.js").SoundFile | null, words: string}}
 */
export function upstreamFootage(node, name) {
  const origin = originOfInput(node, name);
  if (!origin) return { file: null, words: translated("Connect Load Video to see the footage here.") };
  const widgetName = FOOTAGE_WIDGETS[/** @type {keyof typeof FOOTAGE_WIDGETS} */ (origin.type)];
  if (!widgetName) return { file: null, words: translated("Footage that is made in the graph is not seen here.") };
  return { file: soundFileOf(fieldValue(origin, widgetName)), words: translated("Choose a video to see it here.") };
}

/**
 * @typedef {{audioInput: string, family: string, encoderFile: string, modelFiles: string[], settings: Record<string, string | number>, problem?: string}} Destiny
 * the input of Audio Encode that is used, the model family that listened in the last run, the file of the encoder (both
 * "" = not known), the files that the model is loaded from, what the route is told of the sampler's own settings, and what is wrong with them
 */

const PLAN_SETTINGS = ["frame_rate", "segment_seconds", "preview_seconds"];
const TIMELINE = "SoundToVideo_PromptTimeline";
const TRIM = "SoundToVideo_TrimAudio";
export const SHOWS_VIDEO = ["SoundToVideo_MuxAudioVideo", "SaveVideo"];

/**
 * What the sound of an output is going to be used for.
 * @param {any} node @param {number} slot
 * @returns {{destiny: Destiny | null, timeline: any}} destiny: null where no sampler is reached, or where a setting of it
 * comes from a node that has to run first. timeline: the Prompt Timeline before the sampler, or null
 */
export function downstreamUse(node, slot) {
  for (const encoder of targetsOf(node, slot)) {
    const audioInput = encodersInput(encoder.node);
    if (!audioInput) continue;
    for (const { node: sampler } of targetsOf(encoder.node, 0)) {
      if (isSampler(sampler)) return useIn(sampler, encoder.node, audioInput);
    }
  }
  return { destiny: null, timeline: null };
}

/** @param {any} node */
function isSampler(node) {
  return /^SoundToVideo_.*Sampler$/.test(node.type);
}

/** What a sampler makes of the sound in an encoder. @param {any} sampler @param {any} encoder @param {string} audioInput */
function useIn(sampler, encoder, audioInput) {
  const timelines = ["positive", "negative"]
    .map((input) => originOfInput(sampler, input))
    .filter((node) => node?.type === TIMELINE);
  const values = PLAN_SETTINGS.map((name) => [name, fieldValue(sampler, name)]);
  const times = timesOf(timelines);
  const isKnown = times !== null && values.every(([, value]) => value !== undefined);
  const numbers = Object.fromEntries(values.map(([name, value]) => [name, Number(value) || 0]));
  const { problem = "", ...settings } = { ...numbers, ...times };
  const encoderFile = loadedBy(encoder, audioInput);
  /** @type {Destiny | null} */
  const destiny = isKnown ? { audioInput, family: familyOf(sampler), encoderFile, modelFiles: modelFiles(sampler), settings, problem } : null;
  return { destiny, timeline: timelines[0] ?? null };
}

/**
 * The sound of the clip that a Prompt Timeline is for, and what will be made of it; null where no sampler is reached.
 * @param {any} timeline
 * @returns {(ReturnType<typeof upstreamSound> & {trim: any, destiny: Destiny | null}) | null} trim: the Trim Audio that cuts it, or null
 */
export function clipOf(timeline) {
  for (const { node: sampler } of targetsOf(timeline, 0)) {
    const encoder = isSampler(sampler) ? originOfInput(sampler, "encoded_audio") : null;
    const audioInput = encoder && encodersInput(encoder);
    if (!audioInput) continue;
    const { destiny } = useIn(sampler, encoder, audioInput);
    const slot = slotOf(encoder, "audio");
    const before = originOf(encoder, slot)?.node;
    const trim = before?.type === TRIM ? before : null;
    return { ...(trim ? upstreamSound(trim, 0) : upstreamSound(encoder, slot)), trim, destiny };
  }
  return null;
}

/**
 * The node with limits that the sound of an output goes to, by its name, and how long a sound it takes; null for none.
 * @param {any} node @param {number} slot @returns {{name: string, limits: [number, number]} | null}
 */
export function limitedUse(node, slot) {
  const { node: target } = targetsOf(node, slot).find((port) => port.node.type in SOUND_LIMITS) ?? {};
  return target ? { name: target.title ?? target.type, limits: SOUND_LIMITS[target.type] } : null;
}

/** The node that shows the clip that the sound of a Trim Audio becomes, such as Mux Audio Video; null for none. @param {any} trim */
export function videoBehind(trim) {
  for (const encoder of targetsOf(trim, 0)) {
    for (const { node: sampler } of encodersInput(encoder.node) ? targetsOf(encoder.node, 0) : []) {
      const shown = isSampler(sampler) && targetsOf(sampler, 0).find(({ node }) => SHOWS_VIDEO.includes(node.type));
      if (shown) return shown.node;
    }
  }
  return null;
}

/** The four numbers of a Trim Audio; what only a run tells counts as 0. @param {any} node @returns {import("../lib/selection.js").Fields} */
export function trimFields(node) {
  const values = TRIM_FIELDS.map((name) => [name, Number(fieldValue(node, name)) || 0]);
  return /** @type {import("../lib/selection.js").Fields} */ (Object.fromEntries(values));
}

/** Where a node's input of that name comes from. @param {any} node @param {string} name */
function originOfInput(node, name) {
  return originOf(node, slotOf(node, name))?.node;
}

/** The loader before an input and the file that it loads; "" for what is not known. @param {any} node @param {string} name */
function loadedBy(node, name) {
  const loader = originOfInput(node, name);
  const choice = loader?.widgets?.find((/** @type {any} */ widget) => /\.\w+$/.test(String(widget.value)));
  return [loader?.type ?? "", (choice && fieldValue(loader, choice.name)) ?? ""].join(" ");
}

/** What the route is told of the Prompt Timelines before a sampler; null where only a run tells it. @param {any[]} timelines */
function timesOf([timeline, second]) {
  if (!timeline) return {};
  const text = fieldValue(timeline, "timeline");
  const cuts = cutsOf(timeline);
  if (second || text === undefined || cuts === undefined || isConnected(timeline, "snap_to_beats_of")) return null;
  const { entries, error } = readTimeline(String(text ?? ""));
  if (error) return { problem: `Prompt Timeline: ${error}` };
  return { [cuts ? "cuts" : "prompts"]: entries.map(({ time }) => plain(time)).join() };
}

/** Whether a Prompt Timeline cuts at every prompt; undefined where only a run tells. @param {any} timeline @returns {boolean | undefined} */
export function cutsOf(timeline) {
  const cuts = fieldValue(timeline, "cuts");
  return cuts === undefined ? undefined : cuts !== "no cuts";
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
export function familyOf(sampler) {
  const run = sampler.properties?.sound_to_video_run;
  return run?.family && run.model === modelBefore(sampler) ? run.family : "";
}

/** The names of files in a node's fields. @param {any} node @returns {string[]} */
export function filesOf(node) {
  const values = (node.widgets ?? []).map((/** @type {any} */ widget) => widget.value);
  return values.filter((/** @type {unknown} */ value) => typeof value === "string" && /\.\w+$/.test(value));
}

/** The files that a sampler's model is loaded from: of the loader itself, and of a patch. @param {any} sampler */
export function modelFiles(sampler) {
  const nodes = ["model", "model_patch"].flatMap((name) => nodesBefore(sampler, name));
  return nodes.filter(({ type }) => !/lora/i.test(type)).flatMap(filesOf);
}

/** @param {any} node @returns {string | null} */
function encodersInput(node) {
  if (node.type === "AudioEncoderEncode") return "audio_encoder";
  if (node.type !== "SoundToVideo_AudioEncode") return null;
  return ["audio_encoder", "audio_vae"].find((name) => isConnected(node, name)) ?? null;
}
