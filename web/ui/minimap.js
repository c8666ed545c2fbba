/** The whole sound in a narrow strip, with what the waveform above shows of it; drag to scroll. */
import { timeAt, wholeView, xAt } from "../lib/view.js";
import { spokenTime } from "../lib/time.js";
import { followPalette, make, palette } from "./dom.js";
import { translated } from "../lib/words.js";

const HEIGHT = 14;

export class Minimap {
  /** @param {import("../lib/scope.js").Scope} scope @param {import("./waveform.js").Waveform} waveform @param {() => {start: number, end: number} | null} selection */
  constructor(scope, waveform, selection) {
    this.waveform = waveform;
    this.selection = selection;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.element = make("div", {
      class: "stv-minimap",
      role: "slider",
      tabindex: "0",
      "aria-label": "Part of the sound that is shown",
      "aria-valuemin": "0",
    });
    this.element.append(this.canvas);
    this.#columns = new Int8Array(0);
    followPalette(scope, () => this.redraw());
    const sizes = new ResizeObserver(() => this.redraw());
    sizes.observe(this.element);
    scope.onEnd(() => sizes.disconnect());
    scope.listen(this.element, "pointerdown", (event) => this.#onPointer(event));
    scope.listen(this.element, "pointermove", (event) => this.#onPointer(event));
    scope.listen(this.element, "keydown", (event) => this.#onKey(event));
    scope.onEnd(() => cancelAnimationFrame(this.#frame));
  }

  #frame = 0;
  #columns;

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    if (event.type === "pointerdown") {
      if (event.button !== 0) return;
      this.element.setPointerCapture(event.pointerId);
    } else if (!this.element.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const box = this.element.getBoundingClientRect();
    this.#centre(timeAt(wholeView(this.waveform.duration), event.clientX - box.left, box.width || 1));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { view, duration } = this.waveform;
    const length = view.end - view.start;
    const middle = (view.start + view.end) / 2;
    const to = {
      ArrowLeft: middle - length / 4,
      ArrowRight: middle + length / 4,
      PageUp: middle - length,
      PageDown: middle + length,
      Home: 0,
      End: duration,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#centre(to);
  }

  /** @param {number} time */
  #centre(time) {
    const half = (this.waveform.view.end - this.waveform.view.start) / 2;
    this.waveform.setView({ start: time - half, end: time + half });
  }

  #draw() {
    const { waveform, element, canvas } = this;
    element.classList.toggle("stv-idle", waveform.isWhole);
    element.tabIndex = waveform.isWhole ? -1 : 0;
    element.setAttribute("aria-valuemax", waveform.duration.toFixed(2));
    element.setAttribute("aria-valuenow", waveform.view.start.toFixed(2));
    element.setAttribute(
      "aria-valuetext",
      translated("from {start} to {end}", { start: spokenTime(waveform.view.start), end: spokenTime(waveform.view.end) }),
    );
    const width = element.clientWidth;
    const context = canvas.getContext("2d");
    if (!width || !context) return;
    const sharpness = Math.max(devicePixelRatio, 1.5);
    canvas.width = Math.round(width * sharpness);
    canvas.height = Math.round(HEIGHT * sharpness);
    context.scale(canvas.width / width, canvas.height / HEIGHT);
    if (!waveform.duration || !waveform.sound) return;
    const { accent, muted, text } = palette();
    const whole = wholeView(waveform.duration);
    if (this.#columns.length !== 2 * width) this.#columns = new Int8Array(2 * width);
    waveform.sound.peaks.columns(whole.start, whole.end, width, this.#columns);
    const unit = (HEIGHT - 2) / 2 / 127;
    context.fillStyle = muted;
    context.globalAlpha = 0.7;
    for (let column = 0; column < width; column++) {
      const [low, high] = [this.#columns[2 * column] * unit, this.#columns[2 * column + 1] * unit];
      context.fillRect(column, HEIGHT / 2 - high - 0.25, 1, high - low + 0.5);
    }
    const selection = this.selection();
    if (selection) {
      context.globalAlpha = 0.35;
      context.fillStyle = accent;
      const [from, to] = [xAt(whole, selection.start, width), xAt(whole, selection.end, width)];
      context.fillRect(from, 0, Math.max(to - from, 1), HEIGHT);
    }
    if (!waveform.isWhole) {
      const [from, to] = [xAt(whole, waveform.view.start, width), xAt(whole, waveform.view.end, width)];
      context.globalAlpha = 0.9;
      context.strokeStyle = text;
      context.strokeRect(from + 0.5, 0.5, Math.max(to - from - 1, 4), HEIGHT - 1);
    }
    context.globalAlpha = 1;
  }
}
