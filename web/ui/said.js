/**
 * What a sampler's last run made, kept on the node: there after a reload and after a run whose result was cached.
 * The host's own text is there only while a run goes on, or until the page is loaded again, as the front end has it.
 */
import { api, app } from "../host.js";
import { Scope } from "../lib/scope.js";
import { modelBefore } from "./follow.js";
import { make } from "./dom.js";
import { addPanel } from "./panel.js";

const PROPERTY = "sound_to_video_run";
const PANEL_PIXELS = 40;
/** The widget in which the front end shows a running node's text. */
const HOST_TEXT = "$$node-text-preview";

/** @typedef {{words: string, failed?: boolean, family?: string, model?: string}} Run */

export class SaidWidget {
  /** @param {any} node a sampler */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    const before = { onConfigure: node.onConfigure, onExecuted: node.onExecuted, onRemoved: node.onRemoved };
    node.onConfigure = (/** @type {any[]} */ ...values) => {
      const answer = before.onConfigure?.apply(node, values);
      this.show();
      return answer;
    };
    node.onExecuted = (/** @type {any} */ output, /** @type {any[]} */ ...more) => {
      this.#onExecuted(output);
      return before.onExecuted?.call(node, output, ...more);
    };
    node.onRemoved = (/** @type {any[]} */ ...values) => {
      this.scope.end();
      return before.onRemoved?.apply(node, values);
    };
    const events = /** @type {EventTarget} */ (/** @type {unknown} */ (api));
    this.scope.listen(events, "execution_error", (event) => this.#onEnd(event, "The last run ended with an error."));
    this.scope.listen(events, "execution_interrupted", (event) => this.#onEnd(event, "The last run was stopped."));
  }

  /** @type {HTMLElement | null} */
  #line = null;

  /** Show what the node's properties keep. */
  show() {
    const run = /** @type {Run | undefined} */ (this.node.properties?.[PROPERTY]);
    if (!run && !this.#line) return;
    this.#line ??= this.#addLine();
    this.#line.textContent = run?.words ?? "";
    this.#line.classList.toggle("stv-error", Boolean(run?.failed));
  }

  #addLine() {
    const line = make("div", { class: "stv-said", role: "status" });
    addPanel(this.node, this.scope, "Last run", PANEL_PIXELS, [line]);
    const { node } = this;
    node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1])]);
    return line;
  }

  /** @param {Run} run */
  #keep(run) {
    this.node.properties ??= {};
    this.node.properties[PROPERTY] = run;
    const hosts = this.node.widgets?.find((/** @type {any} */ widget) => widget.name === HOST_TEXT);
    if (hosts) this.node.removeWidget?.(hosts);
    this.show();
    this.node.setDirtyCanvas?.(true, true);
  }

  /** @param {any} output the sampler's `ui` */
  #onExecuted(output) {
    const plan = output?.sound_to_video_plan?.[0];
    if (!plan) return;
    const resumed = Number(output.sound_to_video_resumed?.[0]) || 0;
    const words = [plan, ...(resumed ? [`${resumed} of them kept from before`] : [])].join(" · ");
    const family = output.sound_to_video_family?.[0];
    this.#keep({ words, ...(family ? { family, model: modelBefore(this.node) } : {}) });
  }

  /** A run ended at this node. @param {CustomEvent} event @param {string} words */
  #onEnd(event, words) {
    const id = String(event.detail?.node_id ?? "").split(":").at(-1);
    if (id === String(this.node.id) && isInUse(this.node)) this.#keep({ words, failed: true });
  }
}

/** Whether a node is in the workflow that is open. @param {any} node */
function isInUse(node) {
  return node.graph && (node.graph.rootGraph ?? node.graph) === (app.graph?.rootGraph ?? app.graph);
}
