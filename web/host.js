/** The one door to ComfyUI's front end: every other module takes what it needs of the host from here. */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { Change, withNode } from "./lib/undo.js";
import { setWords } from "./lib/words.js";

export { api, app };

/** @param {string} path below /sound_to_video/ @param {Record<string, string | number>} [query] */
export function packURL(path, query = {}) {
  const words = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  return api.apiURL(`/sound_to_video/${path}?${words}`);
}

/** The file itself, as the host gives it out. @param {{filename: string, subfolder: string, type: string}} file */
export function fileURL({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/**
 * GET JSON from one of our routes.
 * @param {string} path @param {Record<string, string | number>} [query] @param {AbortSignal} [signal]
 * @returns {Promise<any>} rejects with the server's own sentence
 */
export async function packJSON(path, query = {}, signal) {
  return answered(await fetch(packURL(path, query), { signal }));
}

/** The JSON of an answer of ours, or an Error with the sentence in it. @param {Response} response @returns {Promise<any>} */
export async function answered(response) {
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.error ?? `the server answered ${response.status}`);
  return said;
}

/** Take the panels' words in the language that ComfyUI is set to, from `locales/`; without them they are English. */
export async function loadWords() {
  const language = /** @type {any} */ (app.extensionManager)?.setting?.get?.("Comfy.Locale");
  if (!language || language === "en") return;
  try {
    const all = await (await api.fetchApi("/i18n")).json();
    setWords(all[language]?.soundToVideo ?? {});
  } catch (error) {
    console.warn("Sound to Video: no translations.", error);
  }
}

/** @param {"success" | "info" | "warn" | "error"} severity @param {string} summary @param {string} [detail] */
export function toast(severity, summary, detail) {
  app.extensionManager.toast.add({ severity, summary, detail, life: severity === "error" ? 10000 : 4000 });
}

/** The workflow that is open; null while another one is being loaded. @returns {any} */
export function openWorkflow() {
  const workflow = /** @type {any} */ (app.extensionManager)?.workflow?.activeWorkflow;
  return workflow?.changeTracker?.constructor?.isLoadingGraph ? null : (workflow ?? null);
}

/** Call `tell` for each run that is queued from this page, with the workflow that it is queued from. @param {(prompt: string, workflow: any) => void} tell */
export function onQueued(tell) {
  const { queuePrompt } = api;
  api.queuePrompt = async function () {
    const workflow = openWorkflow();
    const answer = await queuePrompt.apply(this, /** @type {any} */ (arguments));
    if (answer?.prompt_id && workflow) tell(String(answer.prompt_id), workflow);
    return answer;
  };
}

function tracker() {
  return /** @type {any} */ (app.extensionManager)?.workflow?.activeWorkflow?.changeTracker;
}

/** What has been changed since the last step of undo was made. @type {Change | null} */
let change = null;

/** Make what has just changed one step of undo; to be called at the end of a drag or of typing. */
export function captureUndo() {
  const now = tracker();
  change?.end(now);
  change = null;
  (now?.captureCanvasState ?? now?.checkState)?.call(now);
}

/**
 * Change a node's property, which is saved, without making it a step of undo; the node's size may change with it.
 * @param {any} node @param {string} name @param {unknown} value
 */
export function setPropertyQuietly(node, name, value) {
  node.properties ??= {};
  node.properties[name] = value;
  takeQuietly(node, (was, { properties }) => ({ properties: { ...was.properties, [name]: properties[name] } }));
}

/** Change a node's size without making it a step of undo. @param {any} node @param {number} height pixels */
export function setHeightQuietly(node, height) {
  if (height === node.size[1]) return;
  node.setSize([node.size[0], height]);
  takeQuietly(node, () => ({}));
}

/**
 * Let the tracker take what has changed of a node, and its size, into the state that it compares with.
 * @param {any} node @param {(was: any, saved: any) => object} changed of the node as it was in that state
 */
function takeQuietly(node, changed) {
  node.setDirtyCanvas?.(true, true);
  const now = tracker();
  const look = () => {
    if (!now?.activeState || tracker() !== now || !node.graph) return;
    const saved = node.serialize();
    const state = withNode(now.activeState, node.graph.id, node.id, (was) => ({
      ...was,
      ...changed(was, saved),
      size: saved.size,
    }));
    if (change && change.state === now.activeState) change.state = state;
    now.activeState = state;
  };
  look();
  now?.updateModified?.(); // keeps it for a reload
  requestAnimationFrame(() => requestAnimationFrame(look)); // Nodes 2.0 measures the node a frame later,
  for (const milliseconds of [150, 500]) setTimeout(look, milliseconds); // or some, on a busy machine
}

/**
 * Give a widget a new value as if a person had typed it; the node is redrawn.
 * @param {any} node @param {any} widget @param {unknown} value
 */
export function setWidgetValue(node, widget, value) {
  if (widget.value === value) return;
  change ??= new Change(tracker());
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  node.setDirtyCanvas?.(true, true);
}

/** @param {any} node @param {string} name @returns {any} */
export function widgetOf(node, name) {
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name);
}
