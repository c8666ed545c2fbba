/** The one door to ComfyUI's front end: every other module takes what it needs of the host from here. */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

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

/** @param {"success" | "info" | "warn" | "error"} severity @param {string} summary @param {string} [detail] */
export function toast(severity, summary, detail) {
  app.extensionManager.toast.add({ severity, summary, detail, life: severity === "error" ? 10000 : 4000 });
}

/** Make what has just changed one step of undo; to be called at the end of a drag or of typing. */
export function captureUndo() {
  const tracker = /** @type {any} */ (app.extensionManager).workflow?.activeWorkflow?.changeTracker;
  const capture = tracker?.captureCanvasState ?? tracker?.checkState;
  capture?.call(tracker);
}

/**
 * Give a widget a new value as if a person had typed it; the node is redrawn.
 * @param {any} node @param {any} widget @param {unknown} value
 */
export function setWidgetValue(node, widget, value) {
  if (widget.value === value) return;
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  node.setDirtyCanvas?.(true, true);
}

/** @param {any} node @param {string} name @returns {any} */
export function widgetOf(node, name) {
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name);
}
