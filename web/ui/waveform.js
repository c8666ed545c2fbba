/**
 * A sound drawn on a canvas: ruler, waveform, playhead, and what a widget paints over it.
 * Wheel and pinch zoom and scroll it once it has the focus, so that the graph's own zoom is not taken away.
 */
import { formatTime } from "../lib/time.js";
import { clampedView, ruler, scrolledView, timeAt, viewShowing, wholeView, xAt, zoomedView } from "../lib/view.js";
import { followPalette, make, palette } from "./dom.js";
import { onZoom } from "./ticker.js";
import { translated } from "../lib/words.js";

/** @typedef {import("../lib/scope.js").Scope} Scope */
/** @typedef {import("./sounds.js").Sound} Sound */
/** @typedef {{context: CanvasRenderingContext2D, width: number, height: number, top: number, x: (time: number) => number}} Picture */

export const RULER_PIXELS = 18;
const WHEEL_ZOOM = 1.0015;
const SHARPEST = 3;
export const TALLEST = 32;
const FULL_SCALE = 127;
const CLIP_PIXELS = 3;

export class Waveform {
  /**
   * @param {Scope} scope
   * @param {{height: number, ruler?: boolean, onDraw?: (picture: Picture) => void, onView?: () => void,
   *          selection?: () => {start: number, end: number} | null, gain?: () => number}} options
   *        gain: what the samples of the selection are multiplied by
   */
  constructor(scope, options) {
    this.options = options;
    /** @type {Sound | null} */
    this.sound = null;
    this.view = wholeView(0);
    /** @type {number | null} */
    this.playhead = null;
    /** How many times as high the waveform is drawn. */
    this.tallness = 1;
    this.canBeTaller = false; // by the wheel
    /** Milliseconds that the last redraw took; read by the tests. */
    this.drawMilliseconds = 0;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.words = make("div", { class: "stv-message", role: "status" });
    this.element = make("div", {
      class: "stv-wave",
      style: `height:${options.height}px`,
    });
    this.element.append(this.canvas, this.words);
    this.#frame = 0;
    this.#columns = new Int8Array(0);
    followPalette(scope, () => this.redraw());
    const sizes = new ResizeObserver(() => {
      this.#width = this.element.clientWidth;
      this.redraw();
    });
    sizes.observe(this.element);
    onZoom(scope, () => this.#sharpness() !== this.#drawnSharpness && this.redraw());
    // What is off the screen is drawn when it comes to be seen.
    const seen = new IntersectionObserver((entries) => {
      this.#isSeen = entries.at(-1)?.isIntersecting ?? true;
      if (this.#isSeen && this.#isStale) this.redraw();
    });
    seen.observe(this.element);
    scope.onEnd(() => {
      sizes.disconnect();
      seen.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#follow?.abort();
    });
    this.zoomByWheelOver(scope, this.element);
  }

  #frame;
  #columns;
  #width = 0;
  #drawnSharpness = 0;
  #instead = "";
  #isSeen = true;
  #isStale = false;
  /** @type {{offset: number, length: number} | null} */
  #part = null;
  /** @type {AbortController | null} */
  #follow = null;

  get duration() {
    return this.#part?.length ?? this.sound?.duration ?? 0;
  }

  /** Seconds of the sound's file before what is shown. */
  get offset() {
    return this.#part?.offset ?? 0;
  }

  /**
   * Show a part of the sound, with times that count from its start; or, with null, all of it.
   * @param {{offset: number, length: number} | null} part seconds
   */
  showPart(part) {
    if (part?.offset === this.#part?.offset && part?.length === this.#part?.length) return;
    const wasWhole = this.isWhole;
    this.#part = part;
    this.view = wasWhole ? wholeView(this.duration) : clampedView(this.view, this.duration);
    this.options.onView?.();
    this.redraw();
  }

  /** Where the waveform begins, below the ruler, in pixels. */
  get #top() {
    return this.options.ruler === false ? 0 : RULER_PIXELS;
  }

  /** Width in the element's own pixels, which the graph's zoom does not change; measured when it changes, as asking costs a layout. */
  get width() {
    return this.#width || 1;
  }

  /**
   * Show another sound, or none with a sentence in its place.
   * @param {Sound | null} sound @param {string} [words] @param {() => void} [onChange] more of this sound is known, while it is shown
   * @param {boolean} [mayBeGone] a sound that is not there is none: the sentence is said, and no error
   */
  show(sound, words = "", onChange = () => {}, mayBeGone = false) {
    this.#follow?.abort();
    this.sound = sound;
    this.#instead = mayBeGone ? words : "";
    this.playhead = null;
    this.view = wholeView(this.duration);
    this.words.textContent = sound ? "" : words;
    if (sound) {
      this.#follow = new AbortController();
      let duration = this.duration;
      const follow = () => {
        const wasWhole = this.view.start === 0 && this.view.end >= duration;
        duration = this.duration;
        this.view = wasWhole ? wholeView(duration) : clampedView(this.view, duration);
        this.#say();
        this.options.onView?.();
        this.redraw();
        onChange();
      };
      sound.addEventListener("change", follow, { signal: this.#follow.signal });
      this.#say();
    }
    this.options.onView?.();
    this.redraw();
  }

  #say() {
    const { sound } = this;
    const gone = sound?.isGone ? this.#instead : "";
    this.words.textContent = gone || (sound?.error ?? (sound && !sound.duration ? translated("Reading the sound …") : ""));
    this.words.classList.toggle("stv-error", Boolean(sound?.error) && !gone);
  }

  /** @param {{start: number, end: number}} view */
  setView(view) {
    this.view = clampedView(view, this.duration);
    this.options.onView?.();
    this.redraw();
  }

  /** @param {number} factor @param {number} [anchor] seconds, else the middle */
  zoom(factor, anchor = (this.view.start + this.view.end) / 2) {
    this.setView(zoomedView(this.view, factor, anchor, this.duration));
  }

  /** Draw the waveform higher, so that what is quiet is seen; nothing else changes. @param {number} tallness 1 is full scale */
  setTallness(tallness) {
    this.tallness = Math.min(Math.max(tallness, 1), TALLEST);
    this.redraw();
    this.options.onView?.();
  }

  /** @param {number} time seconds */
  reveal(time) {
    this.setView(viewShowing(this.view, time, this.duration));
  }

  get isWhole() {
    return this.view.end - this.view.start >= this.duration - 1e-6;
  }

  /** The time under a pointer; right at any zoom of the graph. @param {{clientX: number}} event */
  timeOf(event) {
    const box = this.element.getBoundingClientRect();
    return timeAt(this.view, event.clientX - box.left, box.width || 1);
  }

  /** Seconds that lie on so many pixels of the screen. @param {number} pixels */
  secondsOf(pixels) {
    return ((this.view.end - this.view.start) * pixels) / (this.element.getBoundingClientRect().width || 1);
  }

  /** Distance from the left edge in the element's own pixels. @param {number} time */
  x(time) {
    return xAt(this.view, time, this.width);
  }

  /** @param {number} height pixels */
  setHeight(height) {
    this.options.height = height;
    this.element.style.height = `${height}px`;
    this.redraw();
  }

  /** Let the wheel over an element do as over the waveform. @param {Scope} scope @param {HTMLElement} element */
  zoomByWheelOver(scope, element) {
    element.dataset.captureWheel = "true";
    scope.listen(element, "wheel", (event) => this.#onWheel(event), { passive: false });
  }

  redraw() {
    this.#isStale = !this.#isSeen;
    if (this.#isStale) return;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const start = performance.now();
      this.#draw();
      this.drawMilliseconds = performance.now() - start;
    });
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    if (!this.duration || !this.element.closest(".stv")?.contains(document.activeElement)) return;
    event.preventDefault();
    event.stopPropagation();
    const pixels = event.deltaMode === 1 ? 16 : 1;
    if (event.altKey && this.canBeTaller) this.setTallness(this.tallness * WHEEL_ZOOM ** (-event.deltaY * pixels));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const delta = (event.deltaX || event.deltaY) * pixels;
      this.setView(scrolledView(this.view, this.secondsOf(delta), this.duration));
    } else {
      const speed = event.ctrlKey ? 6 : 1; // a pinch on a touchpad comes as small steps with ctrl
      this.zoom(WHEEL_ZOOM ** (-event.deltaY * pixels * speed), this.timeOf(event));
    }
  }

  /** Pixels of the screen on one of ours: no event tells that the graph is zoomed. */
  #sharpness() {
    const scale = (this.element.getBoundingClientRect().width / this.width || 1) * devicePixelRatio;
    return Math.min(Math.max(scale, 1), SHARPEST);
  }

  #draw() {
    const { width } = this;
    const height = this.options.height;
    const sharpness = (this.#drawnSharpness = this.#sharpness());
    const [pixelsWide, pixelsHigh] = [Math.round(width * sharpness), Math.round(height * sharpness)];
    if (this.canvas.width !== pixelsWide || this.canvas.height !== pixelsHigh) {
      this.canvas.width = pixelsWide;
      this.canvas.height = pixelsHigh;
    }
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.setTransform(pixelsWide / width, 0, 0, pixelsHigh / height, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.duration) return;
    if (this.#top) this.#drawRuler(context, width, height);
    const picture = { context, width, height, top: this.#top, x: (/** @type {number} */ time) => this.x(time) };
    this.#drawPeaks(context, width, height);
    this.options.onDraw?.(picture);
    if (this.playhead !== null) {
      context.fillStyle = palette().text;
      context.fillRect(Math.round(this.x(this.playhead)) - 0.75, 0, 1.5, height);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
  #drawRuler(context, width, height) {
    const { ticks, digits } = ruler(this.view, width);
    context.fillStyle = palette().muted;
    context.font = "10px sans-serif";
    context.textBaseline = "top";
    for (const { time, major } of ticks) {
      const x = Math.round(xAt(this.view, time, width));
      context.globalAlpha = major ? 0.9 : 0.45;
      context.fillRect(x, RULER_PIXELS - (major ? 6 : 3), 1, major ? 6 : 3);
      if (!major) continue;
      const label = formatTime(time, digits);
      const half = context.measureText(label).width / 2;
      context.fillText(label, Math.min(Math.max(x - half, 2), width - 2 * half - 2), 1.5);
      context.globalAlpha = 0.08;
      context.fillRect(x, RULER_PIXELS, 1, height - RULER_PIXELS);
    }
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
  #drawPeaks(context, width, height) {
    const count = Math.max(1, Math.round(width * this.#drawnSharpness));
    const columnWidth = width / count;
    if (this.#columns.length !== 2 * count) this.#columns = new Int8Array(2 * count);
    const peaks = this.sound?.peaks;
    if (!peaks) return;
    peaks.columns(this.view.start + this.offset, this.view.end + this.offset, count, this.#columns);
    const middle = this.#top + (height - this.#top) / 2;
    const half = (height - this.#top - 6) / 2;
    const unit = (half / FULL_SCALE) * this.tallness;
    const selection = this.options.selection?.() ?? null;
    const from = selection ? Math.round((xAt(this.view, selection.start, width) / width) * count) : 0;
    const to = selection ? Math.round((xAt(this.view, selection.end, width) / width) * count) : count;
    const { accent, error, muted } = palette();
    const inside = (/** @type {number} */ pixels) => Math.min(Math.max(pixels, -half), half);
    /** @param {number} first @param {number} last @param {string} colour @param {number} alpha @param {number} gain */
    const band = (first, last, colour, alpha, gain = 1) => {
      const clipped = new Path2D();
      context.beginPath();
      for (let column = Math.max(first, 0); column < Math.min(last, count); column++) {
        const [lowest, highest] = [this.#columns[2 * column] * gain, this.#columns[2 * column + 1] * gain];
        const [low, high] = [inside(Math.max(lowest, -FULL_SCALE) * unit), inside(Math.min(highest, FULL_SCALE) * unit)];
        context.rect(column * columnWidth, middle - high - 0.5, columnWidth, high - low + 1);
        if (highest > FULL_SCALE) clipped.rect(column * columnWidth, middle - high - 0.5, columnWidth, CLIP_PIXELS);
        if (lowest < -FULL_SCALE) clipped.rect(column * columnWidth, middle - low + 0.5 - CLIP_PIXELS, columnWidth, CLIP_PIXELS);
      }
      context.fillStyle = colour;
      context.globalAlpha = alpha;
      context.fill();
      context.fillStyle = error;
      context.fill(clipped);
    };
    band(0, from, muted, 0.55);
    band(from, to, accent, 1, this.options.gain?.());
    band(to, count, muted, 0.55);
    context.globalAlpha = 1;
  }
}
