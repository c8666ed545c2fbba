/** The panel of Video Frame: a scrubber over the footage that edits the node's own fields, and the picture they choose. */
import { captureUndo, setWidgetValue, widgetOf } from "../host.js";
import { isConnected, slotOf } from "../lib/graph.js";
import { Scope } from "../lib/scope.js";
import { fileKey } from "../lib/soundfile.js";
import { formatTime, parseTime, spokenTime, toMilliseconds } from "../lib/time.js";
import { translated } from "../lib/words.js";
import { make } from "./dom.js";
import { fieldValue } from "./follow.js";
import { addPanel } from "./panel.js";
import { aboutVideo, pictureURL, picturesURL, timesAcross, videoInto } from "./pictures.js";
import { onGraphChange } from "./ticker.js";

const PICTURE_PIXELS = 180;
const STRIP_PIXELS = 36;
const PANEL_PIXELS = PICTURE_PIXELS + STRIP_PIXELS + 24 + 2 * 5 + 12;
const WAIT_MILLISECONDS = 120;
const AT_SECONDS = "at seconds";

export class VideoFrameWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    node.previewMediaType = "image"; // Nodes 2.0 takes what a node with a VIDEO input shows for a video
    this.scope = new Scope();
    this.picture = make("img", { class: "stv-picture", alt: "", hidden: true });
    this.message = make("div", { class: "stv-message", role: "status" });
    this.strip = make("img", { class: "stv-strip", alt: "", draggable: "false" });
    this.mark = make("div", { class: "stv-mark", hidden: true });
    // No input element: in one, the front end leaves Ctrl+Z to the browser.
    this.slider = make(
      "div",
      {
        class: "stv-wave stv-scrub",
        role: "slider",
        tabindex: "0",
        style: `height:${STRIP_PIXELS}px`,
        "aria-label": "Time in the video",
        "aria-valuemin": "0",
        "aria-valuenow": "0",
        "aria-disabled": "true",
      },
      this.strip,
      this.mark,
    );
    this.field = make("input", {
      type: "text",
      class: "stv-time",
      spellcheck: "false",
      autocomplete: "off",
      title: "A time such as 1:23.45",
    });
    this.words = make("span", { class: "stv-clock" });
    const label = make("label", { class: "stv-time-label" }, make("span", { text: "Time" }), this.field);
    this.panel = addPanel(node, this.scope, "Frame", PANEL_PIXELS, [
      make("div", { class: "stv-stage", style: `height:${PICTURE_PIXELS}px` }, this.picture, this.message),
      this.slider,
      make("div", { class: "stv-row" }, label, this.words),
    ]);
    this.scope.listen(this.slider, "keydown", (event) => this.#onKey(event));
    for (const type of ["keyup", "blur", "pointerup", "lostpointercapture"])
      this.scope.listen(this.slider, type, () => this.#commit());
    this.scope.listen(this.slider, "pointerdown", (event) => this.#onPointer(event));
    this.scope.listen(this.slider, "pointermove", (event) => this.#onPointer(event));
    this.scope.listen(this.field, "change", () => this.#typed());
    this.scope.listen(this.field, "keydown", (event) => event.key === "Enter" && this.field.blur());
    this.scope.listen(this.picture, "error", () => this.#say("This picture cannot be shown.", true));
    this.scope.listen(this.picture, "load", () => this.#say(""));
    this.scope.onEnd(() => clearTimeout(this.#timer));
    Object.assign(widgetOf(node, "seconds")?.options ?? {}, { precision: 3, round: 0.001 }); // milliseconds
    const sizes = new ResizeObserver(() => this.#showStrip());
    sizes.observe(this.panel);
    this.scope.onEnd(() => sizes.disconnect());
    onGraphChange(this.scope, () => this.refresh());
  }

  /** @type {import("./pictures.js").VideoFile | null} */
  #file = null;
  #key = "";
  /** @type {import("./pictures.js").About | null} */
  #about = null;
  #shown = "";
  #stripShown = "";
  #changed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Look at the graph and the fields again. */
  refresh() {
    const file = videoInto(this.node, slotOf(this.node, "video"));
    if (fileKey(file) !== this.#key || (!file && !this.#shown)) this.#take(file);
    this.#show();
  }

  /** @param {import("./pictures.js").VideoFile | null} file */
  async #take(file) {
    this.#file = file;
    this.#key = fileKey(file);
    this.#about = null;
    this.#shown = this.#stripShown = "-";
    this.picture.hidden = true;
    this.strip.removeAttribute("src");
    this.#say(file ? "Reading the video …" : "Connect Load Video, or run the clip before it, to choose a picture here.");
    if (!file) return;
    try {
      const about = await aboutVideo(file, this.scope.signal);
      if (fileKey(file) !== this.#key) return;
      this.#about = about;
      this.#showStrip();
      this.#show();
    } catch (error) {
      if (!this.scope.ended && fileKey(file) === this.#key)
        this.#say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** The time of the last picture. */
  get #last() {
    return this.#about ? Math.max(0, this.#about.duration - 1 / this.#about.frame_rate) : 0;
  }

  /** The time that the node's fields mean; null where only a run tells. @returns {number | null} */
  get #time() {
    const [which, seconds] = [fieldValue(this.node, "which"), fieldValue(this.node, "seconds")];
    if (which === undefined || (seconds === undefined && !/^(first|last)$/.test(which))) return null;
    if (which === "first") return 0;
    return which === "last" ? this.#last : Math.max(0, Number(seconds) || 0);
  }

  get #isLocked() {
    return isConnected(this.node, "which") || isConnected(this.node, "seconds");
  }

  #show() {
    const time = this.#time;
    const about = this.#about;
    this.field.disabled = !about || this.#isLocked;
    this.slider.setAttribute("aria-disabled", String(this.field.disabled));
    this.mark.hidden = !about || time === null;
    if (!about || time === null) return;
    this.mark.style.left = `${Math.min(100, (100 * (time + 0.5 / about.frame_rate)) / about.duration)}%`;
    this.slider.setAttribute("aria-valuemax", this.#last.toFixed(3));
    this.slider.setAttribute("aria-valuenow", time.toFixed(3));
    this.slider.setAttribute("aria-valuetext", spokenTime(time));
    if (document.activeElement !== this.field) this.field.value = formatTime(time, 3).replace(/0$/, "");
    const number = Math.min(Math.round(time * about.frame_rate), Math.round(this.#last * about.frame_rate));
    const isSharpest = fieldValue(this.node, "which") === "sharpest near seconds";
    this.words.textContent = isSharpest
      ? translated("the sharpest near it, when it runs")
      : translated("frame {number}", { number });
    const shown = `${this.#key} ${number}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#showPicture(number / about.frame_rate), WAIT_MILLISECONDS);
  }

  /** @param {number} time */
  #showPicture(time) {
    if (!this.#file || this.scope.ended) return;
    this.picture.hidden = false;
    this.picture.src = pictureURL(this.#file, time, 2 * PICTURE_PIXELS);
    this.picture.alt = translated("The picture at {time}", { time: spokenTime(time) });
  }

  #showStrip() {
    const width = this.panel.clientWidth;
    if (!this.#about || !this.#file || !width) return;
    const times = timesAcross(this.#about, 0, this.#about.duration, width, STRIP_PIXELS);
    const url = picturesURL(this.#file, times, 2 * STRIP_PIXELS);
    if (url === this.#stripShown) return;
    this.#stripShown = url;
    this.strip.src = url;
  }

  /** @param {string} sentence @param {boolean} [isError] */
  #say(sentence, isError = false) {
    this.message.textContent = translated(sentence);
    this.message.classList.toggle("stv-error", isError);
    if (isError) this.picture.hidden = true;
  }

  /** @param {number} seconds */
  #choose(seconds) {
    const about = this.#about;
    if (!about || this.#isLocked) return;
    const frame = Math.round(Math.min(Math.max(seconds, 0), this.#last) * about.frame_rate);
    const which = widgetOf(this.node, "which");
    if (/^(first|last)$/.test(which.value)) setWidgetValue(this.node, which, AT_SECONDS);
    setWidgetValue(this.node, widgetOf(this.node, "seconds"), toMilliseconds(frame / about.frame_rate));
    this.#changed = true;
    this.#show();
  }

  #commit() {
    if (!this.#changed) return;
    this.#changed = false;
    captureUndo();
  }

  #typed() {
    const time = parseTime(this.field.value);
    if (time !== null) this.#choose(time);
    this.#commit();
    this.field.blur();
    this.#show();
  }

  /** Arrows go by a frame, with Shift and by page by a second. @param {KeyboardEvent} event */
  #onKey(event) {
    const direction = { ArrowLeft: -1, ArrowDown: -1, PageDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1 }[event.key];
    const to = { Home: 0, End: this.#last }[event.key];
    if (!this.#about || event.ctrlKey || event.metaKey || (direction ?? to) === undefined) return;
    event.preventDefault();
    const step = event.shiftKey || event.key.startsWith("Page") ? 1 : 1 / this.#about.frame_rate;
    this.#choose(to ?? (this.#time ?? 0) + Number(direction) * step);
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    if (!this.#about) return;
    if (event.type === "pointerdown") {
      if (event.button !== 0) return;
      this.slider.setPointerCapture(event.pointerId);
    } else if (!this.slider.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const box = this.slider.getBoundingClientRect();
    const { duration, frame_rate } = this.#about;
    this.#choose(((event.clientX - box.left) / box.width) * duration - 0.5 / frame_rate);
  }
}
