/** The panel of Lip Sync Sampler: the footage, and a box around the head that is drawn on it; the fields keep the box. */
import { answered, captureUndo, fileURL, setWidgetValue, widgetOf } from "../host.js";
import { between, EDGES, fitted, gripAt, isBox, moved, resized, rounded } from "../lib/box.js";
import { isConnected } from "../lib/graph.js";
import { Scope } from "../lib/scope.js";
import { fileKey } from "../lib/soundfile.js";
import { formatTime } from "../lib/time.js";
import { translated } from "../lib/words.js";
import { iconButton, make, setIcon } from "./dom.js";
import { fieldValue, nodeKey, upstreamFootage } from "./follow.js";
import { addPanel } from "./panel.js";
import { aboutVideo, pictureURL } from "./pictures.js";
import { onGraphChange } from "./ticker.js";

/** @typedef {import("../lib/box.js").Box} Box @typedef {import("../lib/box.js").Point} Point */

const PANEL_PIXELS = 250;
/** Of a single picture of the server: the most that it gives. */
const STILL_PIXELS = 720;
/** How near to an edge a pointer takes it, in pixels of the screen. */
const REACH = 12;
const NUDGE = 0.01;
const FINE_NUDGE = 0.001;
/** The aspect of a stage without footage. */
const BLANK = 16 / 9;
/** @type {Box} */
const DEFAULT = { left: 0.2, top: 0.1, right: 0.8, bottom: 0.9 };
const CURSORS = { new: "crosshair", move: "move", n: "ns-resize", s: "ns-resize", w: "ew-resize", e: "ew-resize" };
const CORNERS = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize" };

/** Where each node's footage was left: undo and a switch of tabs build the node anew. @type {Map<string, {file: string, time: number}>} */
const left = new Map();

export class HeadBoxWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.video = make("video", { class: "stv-footage-video", playsinline: true, preload: "auto", "aria-hidden": "true" });
    this.video.muted = true;
    this.box = make("div", { class: "stv-footage-box", role: "group", tabindex: "0" });
    this.still = make("img", { class: "stv-footage-video", alt: "", hidden: true });
    this.picture = make("div", { class: "stv-footage-picture" }, this.video, this.still, this.box);
    this.message = make("div", { class: "stv-footage-message", role: "status" });
    this.stage = make("div", { class: "stv-footage" }, this.picture, this.message);
    this.playButton = iconButton("play", "Play the footage", () => this.toggle());
    this.seek = make("input", { type: "range", class: "stv-compare-seek", min: 0, max: 1, step: "any", value: 0 });
    this.seek.setAttribute("aria-label", translated("Time of the footage"));
    this.clock = make("span", { class: "stv-clock" });
    this.resetButton = iconButton("again", "Put the box around the middle again", () => this.#choose(DEFAULT));
    const row = make("div", { class: "stv-row" }, this.playButton, this.seek, this.clock, this.resetButton);
    this.line = make("div", { class: "stv-line", "aria-live": "polite" });
    this.panel = addPanel(node, this.scope, "Box around the head", PANEL_PIXELS, [this.stage, row, this.line]);
    for (const edge of EDGES) this.#follow(edge);
    this.#listen();
    this.#layOut();
    onGraphChange(this.scope, () => this.refresh());
    this.scope.onEnd(() => this.#load(null));
  }

  /** @type {import("../lib/soundfile.js").SoundFile | null} */
  file = null;
  #shown = "";
  #problem = "";
  /** How long the footage is that the server shows picture by picture, 0 while the browser plays it. */
  #stillSeconds = 0;
  #stillTime = 0;
  #stillAsked = false;
  /** A drag under way: what was taken hold of where, and the box then. @type {{grip: import("../lib/box.js").Grip, from: Point, box: Box} | null} */
  #drag = null;

  /** Look at the graph and the fields again. */
  refresh() {
    const { file, words } = upstreamFootage(this.node, "source_video");
    const key = fileKey(file);
    if (key !== this.#shown) {
      this.#shown = key;
      this.#load(file);
    }
    this.message.textContent = file ? this.#problem : words;
    this.message.hidden = !this.message.textContent;
    this.#show();
  }

  /** The box that the fields hold; the usual one where only a run tells. @returns {Box} */
  get value() {
    const edges = EDGES.map((edge) => [edge, Number(fieldValue(this.node, `head_${edge}`) ?? DEFAULT[edge])]);
    return /** @type {Box} */ (Object.fromEntries(edges));
  }

  get #isLocked() {
    return EDGES.every((edge) => isConnected(this.node, `head_${edge}`));
  }

  /** @param {import("../lib/soundfile.js").SoundFile | null} file */
  #load(file) {
    this.file = file;
    this.#problem = "";
    this.video.pause();
    if (file) this.video.src = fileURL(file);
    else this.video.removeAttribute("src");
    this.video.load();
    this.#useStill(0);
    this.#layOut();
  }

  /** Show single pictures of the server in place of a video that the browser cannot play; 0: the video. @param {number} seconds how long it is */
  #useStill(seconds) {
    this.#stillSeconds = seconds;
    this.still.hidden = !seconds;
    this.video.hidden = Boolean(seconds);
  }

  /** Ask the server for the picture at a time; of those asked for meanwhile only the last is fetched. @param {number} seconds */
  async #showStill(seconds) {
    this.#stillTime = seconds;
    if (this.#stillAsked || !this.file) return;
    this.#stillAsked = true;
    const { file } = this;
    try {
      const length = this.#stillSeconds || (await aboutVideo(file, this.scope.signal)).duration;
      if (file !== this.file) return;
      this.still.src = pictureURL(file, seconds, STILL_PIXELS);
      await this.still.decode().catch(async (error) => {
        await answered(await fetch(this.still.src, { signal: this.scope.signal })); // throws what the server says
        throw error;
      });
      if (file !== this.file) return;
      this.#problem = "";
      this.#useStill(length);
      this.#layOut();
      this.refresh();
    } catch (error) {
      if (this.scope.ended || file !== this.file) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#problem = translated("{file} cannot be shown: {why}", { file: file.filename, why });
      this.refresh();
    } finally {
      this.#stillAsked = false;
      // Another file meanwhile may be one that the browser cannot play either.
      const isDue = file === this.file ? this.#stillSeconds && this.#stillTime !== seconds : this.video.error;
      if (isDue) this.#showStill(this.#stillTime);
    }
  }

  /** @param {Box} box */
  #write(box) {
    const after = rounded(box);
    for (const edge of EDGES) {
      const widget = widgetOf(this.node, `head_${edge}`);
      if (widget && !isConnected(this.node, `head_${edge}`)) setWidgetValue(this.node, widget, after[edge]);
    }
    this.#show();
  }

  /** Take a box as one step of undo. @param {Box} box */
  #choose(box) {
    this.#write(box);
    captureUndo();
  }

  #listen() {
    const { scope, stage, video } = this;
    scope.listen(stage, "pointerdown", (event) => this.#begin(event));
    scope.listen(stage, "pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"]) scope.listen(stage, type, (event) => this.#end(event));
    scope.listen(this.box, "keydown", (event) => this.#key(event));
    scope.listen(this.seek, "input", () => this.#goTo(Number(this.seek.value)));
    for (const type of ["timeupdate", "play", "pause", "seeked"]) scope.listen(video, type, () => this.#showTime());
    scope.listen(video, "loadedmetadata", () => this.#begun());
    scope.listen(video, "error", () => {
      if (!this.file || !video.getAttribute("src")) return;
      this.#showStill(this.#firstTime());
    });
    const sizes = new ResizeObserver(() => this.#layOut());
    sizes.observe(stage);
    scope.onEnd(() => sizes.disconnect());
  }

  /** Where it is looked at first: as it was left, else where the clip begins. */
  #firstTime() {
    const was = left.get(nodeKey(this.node));
    return was?.file === this.#shown ? was.time : Number(fieldValue(this.node, "start_seconds")) || 0;
  }

  #begun() {
    this.#goTo(this.#firstTime());
    this.#layOut();
    this.#show();
  }

  /** Where a pointer is, in parts of the picture. @param {PointerEvent} event @returns {{at: Point, reach: Point}} */
  #place(event) {
    const { x, y, width, height } = this.picture.getBoundingClientRect();
    return {
      at: { x: (event.clientX - x) / width, y: (event.clientY - y) / height },
      reach: { x: REACH / width, y: REACH / height },
    };
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.button !== 0 || this.#drag || this.#isLocked) return;
    const { at, reach } = this.#place(event);
    this.#drag = { grip: gripAt(this.value, at, reach), from: at, box: this.value };
    this.stage.setPointerCapture(event.pointerId);
    this.box.focus({ preventScroll: true });
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { at, reach } = this.#place(event);
    if (!this.#drag) {
      const grip = this.#isLocked ? null : gripAt(this.value, at, reach);
      const cursors = /** @type {Record<string, string>} */ ({ ...CURSORS, ...CORNERS });
      this.stage.style.cursor = grip ? cursors[grip] : "";
      return;
    }
    if (!this.stage.hasPointerCapture(event.pointerId)) return;
    const { grip, from, box } = this.#drag;
    const [x, y] = [at.x - from.x, at.y - from.y];
    if (grip === "new") this.#write(between(from, at));
    else this.#write(grip === "move" ? moved(box, x, y) : resized(box, grip, x, y));
  }

  /** @param {PointerEvent} event */
  #end(event) {
    if (!this.#drag) return;
    this.#drag = null;
    this.stage.releasePointerCapture?.(event.pointerId);
    captureUndo();
  }

  /** The arrows move the box, with Shift its right and lower edge; with Alt in small steps. @param {KeyboardEvent} event */
  #key(event) {
    const way = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    })[event.key];
    if (event.key === " ") this.toggle();
    else if (way && !this.#isLocked) {
      const [x, y] = way.map((one) => one * (event.altKey ? FINE_NUDGE : NUDGE));
      this.#choose(event.shiftKey ? resized(this.value, "se", x, y) : moved(this.value, x, y));
    } else return;
    event.preventDefault();
  }

  toggle() {
    if (!this.file || this.video.error) return;
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  /** @param {number} seconds */
  #goTo(seconds) {
    if (this.#stillSeconds) {
      this.#showStill(seconds);
      this.#showTime();
    }
    if (!this.file || this.video.error || !(this.video.duration > 0)) return;
    this.video.currentTime = Math.min(seconds, Math.max(0, this.video.duration - 0.001));
    this.#showTime();
  }

  #showTime() {
    const { paused } = this.video;
    const currentTime = this.#stillSeconds ? this.#stillTime : this.video.currentTime;
    const duration = this.#stillSeconds || this.video.duration;
    const isThere = Boolean(this.file) && duration > 0 && (this.#stillSeconds > 0 || !this.video.error);
    this.seek.disabled = !isThere;
    this.playButton.disabled = !isThere || this.#stillSeconds > 0;
    this.seek.max = String(isThere ? duration : 1);
    this.seek.value = String(isThere ? currentTime : 0);
    this.clock.textContent = isThere ? formatTime(currentTime) : "";
    setIcon(this.playButton, paused ? "play" : "pause", paused ? "Play the footage" : "Pause");
    if (isThere && this.node.id !== -1) left.set(nodeKey(this.node), { file: this.#shown, time: currentTime });
  }

  /** Lay the picture into the stage, whole. */
  #layOut() {
    const { clientWidth, clientHeight } = this.stage;
    const { naturalWidth, naturalHeight } = this.still;
    const wide = this.#stillSeconds ? naturalWidth : this.video.videoWidth;
    const high = this.#stillSeconds ? naturalHeight : this.video.videoHeight;
    const place = fitted(clientWidth, clientHeight, wide && high ? wide / high : BLANK);
    const { style } = this.picture;
    style.left = `${place.x}px`;
    style.top = `${place.y}px`;
    style.width = `${place.width}px`;
    style.height = `${place.height}px`;
  }

  #show() {
    const box = this.value;
    const percent = (/** @type {number} */ part) => `${Math.round(part * 1000) / 10}%`;
    const { style } = this.box;
    style.left = percent(box.left);
    style.top = percent(box.top);
    style.width = percent(Math.max(0, box.right - box.left));
    style.height = percent(Math.max(0, box.bottom - box.top));
    const edges = Object.fromEntries(EDGES.map((edge) => [edge, percent(box[edge])]));
    this.box.setAttribute(
      "aria-label",
      translated("Box around the head: left {left}, top {top}, right {right}, bottom {bottom}", edges),
    );
    const words = this.#words(box);
    this.panel.classList.toggle("stv-footage-unused", words.isUnused);
    this.line.classList.toggle("stv-error", words.isError);
    if (this.line.textContent !== words.text) this.line.textContent = words.text;
    this.#showTime();
  }

  /** What the box is good for. @param {Box} box */
  #words(box) {
    const is = (/** @type {string} */ text, isUnused = false, isError = false) => ({ text: translated(text), isUnused, isError });
    if (isConnected(this.node, "mask")) return is("The mask says where the mouth is; the box is not used.", true);
    const isFound = isConnected(this.node, "face_detection_model");
    if (isFound && fieldValue(this.node, "which_face") !== "in the box")
      return is("The face model finds the face; the box is not used.", true);
    if (!isBox(box)) return is("The box is empty: draw one around the head.", false, true);
    return is(isFound ? "The largest face in the box is taken." : "Draw a box around the head, hair to chin.");
  }

  /** Let a field hold three digits, and see at once what is typed into it. @param {string} edge */
  #follow(edge) {
    const widget = widgetOf(this.node, `head_${edge}`);
    if (!widget) return;
    Object.assign(widget.options, { precision: 3, round: 0.001 });
    const before = widget.callback;
    widget.callback = (/** @type {any[]} */ ...values) => {
      const answer = before?.apply(widget, values);
      if (!this.scope.ended && !this.#drag) queueMicrotask(() => this.#show());
      return answer;
    };
  }
}
