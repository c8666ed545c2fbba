/**
 * The panel of a sampler: which model is wired, its official settings and its sizes, one click each. A click fills the
 * node's plain fields, and what belongs to them in front of it (LoRA, shift, negative prompt); nothing happens without one.
 */
import { app, captureUndo, fileURL, packJSON, setPropertyQuietly, setWidgetValue, widgetOf } from "../host.js";
import { modelOf, settingIn } from "../lib/families.js";
import { isConnected, nodesBefore } from "../lib/graph.js";
import { Scope } from "../lib/scope.js";
import { soundFileOf } from "../lib/soundfile.js";
import { translated } from "../lib/words.js";
import { make, setPressed } from "./dom.js";
import { familyOf, fieldValue, filesOf, modelFiles } from "./follow.js";
import { families } from "./outcome.js";
import { addPanel } from "./panel.js";
import { onGraphChange } from "./ticker.js";

/** @typedef {import("../lib/families.js").Family} Family @typedef {import("../lib/families.js").Variant} Variant */
/** @typedef {import("../lib/families.js").Setting} Setting */

const PANEL_PIXELS = 128;
const PROPERTY = "sound_to_video_model";
const BYPASSED = 4;
const ON = 0;
const NONE = "Its settings and sizes appear here once a model that takes sound is connected.";

/** What was answered. @type {Family[]} */
let known = [];

export class ModelWidget {
  /** @param {any} node a sampler */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.name = make("span", { class: "stv-model" });
    this.settings = make("div", { class: "stv-choices", role: "group", "aria-label": "Settings" });
    this.more = make("button", { type: "button", class: "stv-button", hidden: true, onclick: () => this.#toggleMore() });
    this.sizes = make("div", { class: "stv-choices", role: "group", "aria-label": "Size" });
    this.line = make("div", { class: "stv-words", role: "status" });
    addPanel(node, this.scope, "Model", PANEL_PIXELS, [
      make("div", { class: "stv-row" }, this.name, make("span", { class: "stv-gap" }), this.more),
      this.settings,
      this.sizes,
      this.line,
    ]);
    onGraphChange(this.scope, () => this.refresh());
    // At once where a graph is opened, as an undo does: the front end makes nodes as high as what they show, and a node
    // that shrinks a moment later would be a step of undo.
    const { onAfterGraphConfigured } = node;
    node.onAfterGraphConfigured = (/** @type {any[]} */ ...values) => {
      if (known.length) this.#show();
      return onAfterGraphConfigured?.apply(node, values);
    };
  }

  /** @type {{family: Family, variant: Variant} | null} */
  #model = null;
  /** What the last click left to be done. */
  #left = "";
  #shown = "";

  /** Look at the graph and the fields again. */
  async refresh() {
    known = await families().catch(() => known);
    this.#show();
  }

  #show() {
    if (this.scope.ended || !this.node.graph) return;
    this.#model = modelOf(known, { family: familyOf(this.node), files: modelFiles(this.node) });
    const name = this.#model?.variant.name ?? "";
    if (name !== this.#shown) {
      this.#shown = name;
      this.#left = "";
      this.#build();
    }
    this.#fold();
    this.#mark();
  }

  /** The buttons of a model. */
  #build() {
    const variant = this.#model?.variant;
    this.name.textContent = variant?.name ?? translated("No model");
    /** @param {string} words @param {string} title @param {() => void} onclick */
    const button = (words, title, onclick) =>
      make("button", { type: "button", class: "stv-button", "aria-pressed": "false", text: words, title, onclick });
    this.settings.replaceChildren(
      ...(variant?.settings ?? []).map((setting) => button(setting.name, setting.words, () => this.#apply(setting))),
    );
    const sizes = widgetOf(this.node, "width") ? (variant?.sizes ?? []) : [];
    this.sizes.replaceChildren(
      ...sizes.map(({ name, width, height }) => button(name, `${width} x ${height}`, () => this.#resize(width, height))),
    );
    if (sizes.length > 1 && this.node.inputs?.some((/** @type {any} */ one) => one.name === "reference_image"))
      this.sizes.append(button("As picture", "The shape of the reference image", () => this.#asPicture()));
  }

  /** Press what is in the fields, and say what is to be known. */
  #mark() {
    const model = this.#model;
    const valueOf = (/** @type {string} */ name) => widgetOf(this.node, name) && fieldValue(this.node, name);
    const setting = model && settingIn(model.variant, valueOf, this.#wired());
    [...this.settings.children].forEach((one, index) =>
      setPressed(/** @type {HTMLElement} */ (one), model?.variant.settings[index] === setting),
    );
    const [width, height] = [Number(valueOf("width")), Number(valueOf("height"))];
    [...this.sizes.children].forEach((one, index) => {
      const size = model?.variant.sizes[index];
      setPressed(/** @type {HTMLElement} */ (one), size?.width === width && size?.height === height);
    });
    const off = model && [width, height].find((side) => side % model.variant.multiple);
    const problem = model && off ? offGrid(off, model.variant) : "";
    const words = model ? problem || this.#left || translated(setting?.words || "Values of your own.") : translated(NONE);
    if (this.line.textContent !== words) this.line.textContent = words;
    this.line.classList.toggle("stv-error", Boolean(problem));
  }

  /** What stands in front of the sampler and belongs to a setting; undefined where there is none. */
  #wired() {
    const { loras, shift, upscaler } = this.#before();
    return {
      speed_lora: loras.length ? loras.some((/** @type {any} */ one) => one.mode === ON) : undefined,
      shift: shift ? Number(widgetOf(shift, "shift").value) : undefined,
      stages: upscaler?.mode === ON ? 2 : 1,
    };
  }

  #before() {
    const chain = nodesBefore(this.node, "model");
    const words = this.#model?.variant.speed_loras ?? [];
    return {
      loras: chain.filter(
        (node) => /^LoraLoader/.test(node.type) && words.some((word) => filesOf(node).join().toLowerCase().includes(word)),
      ),
      shift: chain.find((node) => node.type === "ModelSamplingSD3"),
      upscaler: nodesBefore(this.node, "latent_upscale_model").at(-1),
      negative: nodesBefore(this.node, "negative").find((node) => widgetOf(node, "text")),
    };
  }

  /** @param {Setting} setting */
  async #apply(setting) {
    const left = [];
    for (const [name, value] of Object.entries(setting.values)) {
      const widget = widgetOf(this.node, name);
      if (widget && isConnected(this.node, name)) left.push(translated("{name} comes from another node: set {value} there.", { name, value }));
      else if (widget) setWidgetValue(this.node, widget, value);
    }
    const { loras, shift, upscaler, negative } = this.#before();
    if (setting.speed_lora !== null) {
      for (const lora of loras) setMode(lora, setting.speed_lora ? ON : BYPASSED);
      if (setting.speed_lora && !loras.length) left.push(translated("Put its LoRA for few steps in front of the model."));
    }
    if (setting.shift !== null && shift) setWidgetValue(shift, widgetOf(shift, "shift"), setting.shift);
    else if (setting.shift !== null) left.push(translated("Put ModelSamplingSD3 with shift {shift} in front of the model.", { shift: setting.shift }));
    if (setting.stages !== null && upscaler) setMode(upscaler, setting.stages === 2 ? ON : BYPASSED);
    else if (setting.stages === 2) left.push(translated("Connect a latent upscale model."));
    if (setting.negative !== null && negative && !this.#replace(negative, setting.negative))
      left.push(translated("Your negative prompt stays."));
    if (setting.then) left.push(translated(setting.then));
    this.#left = left.join(" ");
    this.refresh();
    await nodesAreMeasured();
    captureUndo();
  }

  /** Take another official text for an official one; false where a person wrote it. @param {any} node @param {string} text */
  #replace(node, text) {
    const widget = widgetOf(node, "text");
    const official = known.flatMap(({ variants }) => variants.flatMap(({ settings }) => settings.map((one) => one.negative)));
    if (isConnected(node, "text") || !["", ...official].includes(String(widget.value).trim())) return false;
    setWidgetValue(node, widget, text);
    return true;
  }

  /** @param {number} width @param {number} height */
  #resize(width, height) {
    setWidgetValue(this.node, widgetOf(this.node, "width"), width);
    setWidgetValue(this.node, widgetOf(this.node, "height"), height);
    captureUndo();
    this.refresh();
  }

  async #asPicture() {
    const [loader] = nodesBefore(this.node, "reference_image");
    const file = soundFileOf(loader && widgetOf(loader, "image") ? fieldValue(loader, "image") : null);
    if (!file || !this.#model) {
      this.#left = translated("The picture is made in the graph: its shape is known when it runs.");
      return this.#mark();
    }
    const picture = new Image();
    picture.src = fileURL(file);
    try {
      await picture.decode();
      const query = { variant: this.#model.variant.name, width: picture.naturalWidth, height: picture.naturalHeight };
      const { width, height } = await packJSON("size", query, this.scope.signal);
      this.#resize(width, height);
    } catch (error) {
      if (this.scope.ended) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#left = translated("The picture cannot be read: {why}", { why });
      this.#mark();
    }
  }

  #toggleMore() {
    this.node.showAdvanced = !this.node.showAdvanced;
    this.#fold();
    captureUndo();
  }

  /** Keep out of sight what the model does not know and, where the front end does not, what a beginner never touches. */
  #fold() {
    const folds = !isNodes2();
    this.more.hidden = !folds;
    this.more.textContent = translated(this.node.showAdvanced ? "Fewer fields" : "More fields");
    const spec = { ...this.node.constructor.nodeData?.input?.required, ...this.node.constructor.nodeData?.input?.optional };
    const ofFamilies = new Set(known.flatMap(({ options }) => options));
    let isChanged = false;
    for (const widget of this.node.widgets ?? []) {
      const about = spec[widget.name]?.[1];
      if (!about) continue;
      const isForOthers =
        this.#model && ofFamilies.has(widget.name) && !this.#model.family.options.includes(widget.name);
      const isUnused = isForOthers && widget.value === about.default;
      const isFolded = folds && about.advanced && !this.node.showAdvanced;
      const hidden = Boolean(isUnused || isFolded) && !isConnected(this.node, widget.name);
      if (Boolean(widget.hidden) === hidden) continue;
      isChanged = true;
      widget.hidden = hidden;
      widget.options.hidden = hidden;
    }
    if (!isChanged) return;
    this.node.widgets = [...this.node.widgets]; // older front ends look at `hidden` only when the list is another
    if (folds) this.node.setSize([this.node.size[0], this.node.computeSize()[1]]);
    setPropertyQuietly(this.node, PROPERTY, this.#shown);
  }
}

/** @param {number} side @param {Variant} variant */
function offGrid(side, { name, multiple }) {
  const lower = Math.floor(side / multiple) * multiple;
  const values = { side, multiple, name, lower, upper: lower + multiple };
  return lower
    ? translated("{side} is no multiple of {multiple}, as {name} wants it: take {lower} or {upper}.", values)
    : translated("{side} is too small for {name}: take {upper}.", values);
}

/** Nodes 2.0 shows a bypassed node in another size, some frames later: that belongs to the same step of undo. */
async function nodesAreMeasured() {
  for (let frame = 0; frame < 4; frame++) await new Promise((done) => requestAnimationFrame(done));
}

function isNodes2() {
  return Boolean(/** @type {any} */ (app.extensionManager)?.setting?.get("Comfy.VueNodes.Enabled"));
}

/** @param {any} node @param {number} mode */
function setMode(node, mode) {
  node.mode = mode;
  node.setDirtyCanvas?.(true, true);
}
