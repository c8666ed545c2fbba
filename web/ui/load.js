/** The panel of Load Audio: the chosen file's waveform, and every way to bring a file in: choose, drop, paste. */
import { app, captureUndo, packURL, setWidgetValue, toast, widgetOf } from "../host.js";
import { mayHoldSound } from "../lib/endings.js";
import { Scope } from "../lib/scope.js";
import { soundFileOf, stemOf, valueOf } from "../lib/soundfile.js";
import { iconButton, make } from "./dom.js";
import { download } from "./download.js";
import { fieldValue } from "./follow.js";
import { Listen } from "./listen.js";
import { offerInMenu } from "./node_menu.js";
import { addPanel } from "./panel.js";
import { onGraphChange } from "./ticker.js";
import { ACCEPTED, upload } from "./upload.js";
import { translated } from "../lib/words.js";

const WAVE_PIXELS = 84;
const PANEL_PIXELS = 124;
const NODE_TYPE = "SoundToVideo_LoadAudio";
/** @typedef {import("../lib/soundfile.js").SoundFile} SoundFile */

/** How the host's list of media, and a preview in a node, are dragged. */
const ASSET = "application/x-comfy-asset-info";
const LINKS = "text/uri-list";
const INVITATION = "Drop a sound or a video here, paste it, or choose a file.";

/** Files that were uploaded since the page was loaded: the node's definition does not list them. @type {Set<string>} */
const uploaded = new Set();

export class LoadWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.listen = new Listen(this.scope, WAVE_PIXELS);
    this.chooser = make("input", {
      type: "file",
      accept: ACCEPTED,
      hidden: true,
      tabindex: "-1",
      "aria-hidden": "true",
    });
    this.progress = make("div", { class: "stv-progress", role: "progressbar", "aria-label": "Upload", hidden: true });
    this.files = make("select", { class: "stv-select stv-in-app", "aria-label": "File", title: "A file of the input folder" });
    const row = make(
      "div",
      { class: "stv-row" },
      this.listen.playButton,
      this.listen.clock,
      this.files,
      make("span", { class: "stv-gap" }),
      iconButton("upload", "Choose a sound or video from this computer", () => this.chooser.click(), "Choose a file"),
      this.chooser,
    );
    this.listen.waveform.element.append(this.progress);
    this.panel = addPanel(node, this.scope, "Sound", PANEL_PIXELS, [this.listen.waveform.element, row]);
    this.scope.listen(this.chooser, "change", () => this.#take([...(this.chooser.files ?? [])]));
    this.scope.listen(this.files, "change", () => this.#pick(this.files.value));
    this.#acceptDrops();
    this.#acceptPaste();
    addChoices(node);
    offerInMenu(node, () => this.#menu());
    onGraphChange(this.scope, () => this.refresh());
  }

  /** @type {AbortController | null} */
  #upload = null;

  refresh() {
    const file = soundFileOf(fieldValue(this.node, "audio"));
    if (!this.#upload) this.listen.show(file, INVITATION);
    this.#list();
  }

  /** What the panel's own list offers. @type {unknown} */
  #offered = null;

  /** Offer in the panel what the node's own list offers, which an app does not show. */
  #list() {
    const widget = widgetOf(this.node, "audio");
    const chosen = String(widget?.value ?? "");
    const values = widget?.options?.values;
    if (values === this.#offered && chosen === this.files.value) return;
    this.#offered = values;
    const names = new Set(Array.isArray(values) ? [...values.map(String), chosen] : [chosen]);
    this.files.replaceChildren(...[...names].map((name) => make("option", { value: name, text: name })));
    this.files.value = chosen;
  }

  /** @param {string} name */
  #pick(name) {
    setWidgetValue(this.node, widgetOf(this.node, "audio"), name);
    captureUndo();
  }

  #menu() {
    const file = soundFileOf(fieldValue(this.node, "audio"));
    const save = () => file && download(packURL("sound", file), `${stemOf(file)}.wav`);
    return [{ content: translated("Save this sound as WAV"), callback: save, disabled: !file }];
  }

  #acceptDrops() {
    const { node, panel, scope } = this;
    const holdsFiles = (/** @type {DragEvent} */ event) =>
      [ASSET, "Files", LINKS].some((type) => event.dataTransfer?.types.includes(type));
    const take = (/** @type {DragEvent} */ event) =>
      this.#choose(assetIn(event.dataTransfer)) || this.#take([...(event.dataTransfer?.files ?? [])]);
    const { onDragOver, onDragDrop } = node;
    node.onDragOver = function (/** @type {DragEvent} */ event) {
      return holdsFiles(event) || Boolean(onDragOver?.apply(this, arguments));
    };
    node.onDragDrop = function (/** @type {DragEvent} */ event) {
      return take(event) || (onDragDrop?.apply(this, arguments) ?? false);
    };
    const mark = (/** @type {boolean} */ on) => panel.classList.toggle("stv-drop", on);
    for (const type of ["dragenter", "dragover"]) {
      scope.listen(panel, type, (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        event.stopPropagation();
        mark(true);
      });
    }
    scope.listen(panel, "dragleave", (event) => panel.contains(event.relatedTarget) || mark(false));
    scope.listen(panel, "drop", (event) => {
      mark(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      take(event);
    });
  }

  #acceptPaste() {
    this.node.previewMediaType = "audio";
    this.node.pasteFiles = (/** @type {File[]} */ files) => this.#take(files);
    this.scope.listen(this.panel, "paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      event.stopPropagation();
      this.#take(files);
    });
  }

  /** Choose a file that the host has already; false where there is none. @param {SoundFile | null} file */
  #choose(file) {
    if (!file) return false;
    if (!mayHoldSound(file.filename)) {
      toast("warn", "Load Audio", translated("{file} is neither audio nor video.", { file: file.filename }));
      return true;
    }
    this.#offer(valueOf(file));
    return true;
  }

  /** Put a name into the list and choose it. @param {string} name */
  #offer(name) {
    uploaded.add(name);
    for (const other of allNodes(app.graph)) addChoices(other);
    addChoices(this.node);
    this.#pick(name);
  }

  /** Take the first file that can have sound; false where there is none. @param {File[]} files */
  #take(files) {
    this.chooser.value = "";
    if (!files.length) return false;
    const file = files.find((file) => mayHoldSound(file.name));
    if (file) this.#send(file);
    if (file && files.length > 1)
      toast("info", "Load Audio", translated("{file} is taken; one Load Audio holds one sound of the {count}.", { file: file.name, count: files.length }));
    else if (!file) toast("warn", "Load Audio", translated("{file} is neither audio nor video.", { file: files[0].name }));
    return true;
  }

  /** @param {File} file */
  async #send(file) {
    this.#upload?.abort();
    const controller = (this.#upload = new AbortController());
    this.scope.onEnd(() => controller.abort());
    this.listen.show(null, translated("Uploading {file} …", { file: file.name }));
    this.#showProgress(0);
    try {
      const name = await upload(file, file.name, {
        onProgress: (share) => this.#showProgress(share),
        signal: controller.signal,
      });
      this.#offer(name);
    } catch (error) {
      if (!controller.signal.aborted)
        toast(
          "error",
          "Load Audio",
          translated("{file} was not uploaded: {why}", { file: file.name, why: error instanceof Error ? error.message : String(error) }),
        );
    } finally {
      if (this.#upload === controller) {
        this.#upload = null;
        this.progress.hidden = true;
        this.refresh();
      }
    }
  }

  /** @param {number} share 0..1 */
  #showProgress(share) {
    this.progress.hidden = false;
    this.progress.style.width = `${Math.round(share * 100)}%`;
    this.progress.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  }
}

/** The file of the host that is dragged: from its list of media, or a preview by its address. @param {DataTransfer | null} data @returns {SoundFile | null} */
function assetIn(data) {
  try {
    const about = JSON.parse(data?.getData(ASSET) || "{}");
    if (about.filename) return soundFileAt(about);
    const link = new URL(data?.getData(LINKS) || "none:");
    return link.origin === location.origin ? soundFileAt(Object.fromEntries(link.searchParams)) : null;
  } catch {
    return null;
  }
}

/** @param {{filename?: string, subfolder?: string, type?: string}} about @returns {SoundFile | null} */
function soundFileAt({ filename, subfolder = "", type = "output" }) {
  return filename ? { filename, subfolder, type } : null;
}

/** Offer what was uploaded in a node's list too. @param {any} node */
function addChoices(node) {
  if (node.comfyClass !== NODE_TYPE) return;
  const widget = widgetOf(node, "audio");
  const values = widget?.options?.values;
  if (!Array.isArray(values)) return;
  const missing = [...uploaded].filter((name) => !values.includes(name));
  if (missing.length) widget.options.values = [...values, ...missing].sort();
}

/** @param {any} graph @returns {Generator<any>} the nodes of a graph and of its subgraphs */
function* allNodes(graph) {
  for (const node of graph?.nodes ?? []) {
    yield node;
    if (node.subgraph) yield* allNodes(node.subgraph);
  }
}
