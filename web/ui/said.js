/**
 * What a sampler's last run made, kept on the node: there after a reload and after a run whose result was cached.
 * The host's own text is there only while a run goes on, or until the page is loaded again, as the front end has it.
 */
import { setPropertyQuietly, widgetOf } from "../host.js";
import { Scope } from "../lib/scope.js";
import { modelBefore } from "./follow.js";
import { make } from "./dom.js";
import { addPanel } from "./panel.js";
import { lastSaid } from "./runs.js";
import { onGraphChange } from "./ticker.js";
import { translated, translatedPlan } from "../lib/words.js";

const PROPERTY = "sound_to_video_run";
const PANEL_PIXELS = 40;
/** The widget in which the front end shows a running node's text. */
const HOST_TEXT = "$$node-text-preview";

/** @typedef {{words: string, numbers?: Record<string, string | number>, resumed?: number, failed?: boolean, family?: string, model?: string}} Run */

/** What was made of each, at the time: the model may be another one later. @type {WeakMap<import("../lib/runs.js").Said, Run>} */
const runs = new WeakMap();

export class SaidWidget {
  /** @param {any} node a sampler */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    const { onRemoved } = node;
    node.onRemoved = (/** @type {any[]} */ ...values) => {
      this.scope.end();
      return onRemoved?.apply(node, values);
    };
    onGraphChange(this.scope, () => this.refresh());
  }

  /** @type {import("../lib/runs.js").Said | null} */
  #taken = null;
  #shown = "";

  /** Take what a run has said, and show it. */
  refresh() {
    const said = lastSaid(this.node, ({ output, failed }) => Boolean(failed || output?.sound_to_video_plan));
    if (said && said !== this.#taken) {
      this.#taken = said;
      const run = runs.get(said) ?? this.#runOf(said);
      runs.set(said, run);
      this.#keep(run);
    }
    this.#show();
  }

  /** @type {HTMLElement | null} */
  #line = null;

  /** Show what the node's properties keep. */
  #show() {
    const run = /** @type {Run | undefined} */ (this.node.properties?.[PROPERTY]);
    const shown = JSON.stringify(run ?? null);
    if (shown === this.#shown || (!run && !this.#line)) return;
    this.#shown = shown;
    this.#line ??= this.#addLine();
    this.#line.textContent = run ? wordsOf(run) : "";
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
    const hosts = widgetOf(this.node, HOST_TEXT);
    if (hosts) this.node.removeWidget?.(hosts);
    if (JSON.stringify(run) === JSON.stringify(this.node.properties?.[PROPERTY])) return;
    this.node.properties[PROPERTY] = run;
    this.#show();
    setPropertyQuietly(this.node, PROPERTY, run);
  }

  /** @param {import("../lib/runs.js").Said} said @returns {Run} */
  #runOf({ output, failed }) {
    if (failed) return { words: failed, failed: true };
    const resumed = Number(output.sound_to_video_resumed?.[0]) || 0;
    const words = output.sound_to_video_plan[0];
    const numbers = output.sound_to_video_numbers?.[0];
    const family = output.sound_to_video_family?.[0];
    return { words, numbers, resumed, ...(family ? { family, model: modelBefore(this.node) } : {}) };
  }
}

/** @param {Run} run */
function wordsOf({ words, numbers, resumed, failed }) {
  if (failed) return translated(words);
  const kept = resumed ? [translated("{count} of them kept from before", { count: resumed })] : [];
  return [translatedPlan(words, numbers), ...kept].join(" · ");
}
