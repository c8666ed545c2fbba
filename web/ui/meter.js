/** A level meter with a clip light, and the levels of the last seconds as they run past. */
import { make, palette } from "./dom.js";
import { translated } from "../lib/words.js";

const FLOOR_DB = -60;
const CLIP_AT = 0.999;
const FALL_DB = 1.2;
const COLUMN_PIXELS = 3;

export class Meter {
  constructor() {
    this.shade = make("div", { class: "stv-meter-shade" });
    this.light = make("button", {
      type: "button",
      class: "stv-clip",
      title: "Lights up when the sound is too loud; click to put it out",
      "aria-label": "Not too loud",
    });
    this.light.addEventListener("click", () => this.#clip(false));
    this.element = make(
      "div",
      {
        class: "stv-meter",
        role: "meter",
        "aria-label": "Level",
        "aria-valuemin": String(FLOOR_DB),
        "aria-valuemax": "0",
      },
      this.shade,
    );
    this.canvas = make("canvas", { class: "stv-levels", "aria-hidden": "true", hidden: true });
    this.#show();
  }

  #shownDb = FLOOR_DB;
  /** @type {number[]} */
  #past = [];

  /** A new peak in 0..1. @param {number} peak @param {boolean} draws the level is part of a take */
  level(peak, draws) {
    const db = Math.max(FLOOR_DB, 20 * Math.log10(Math.max(peak, 1e-6)));
    this.#shownDb = Math.max(db, this.#shownDb - FALL_DB);
    this.#show();
    if (peak >= CLIP_AT) this.#clip(true);
    if (!draws) return;
    this.#past.push(peak);
    this.#draw();
  }

  /** Nothing comes in any more; the clip light stays as it is. */
  rest() {
    this.#shownDb = FLOOR_DB;
    this.#show();
  }

  reset() {
    this.rest();
    this.#past = [];
    this.#clip(false);
    this.#draw();
  }

  #show() {
    this.shade.style.width = `${(this.#shownDb / FLOOR_DB) * 100}%`;
    this.element.setAttribute("aria-valuenow", this.#shownDb.toFixed(0));
    this.element.setAttribute("aria-valuetext", translated("{level} decibels", { level: this.#shownDb.toFixed(0) }));
  }

  /** @param {boolean} on */
  #clip(on) {
    if (this.light.classList.contains("stv-on") === on) return;
    this.light.classList.toggle("stv-on", on);
    this.light.setAttribute("aria-label", translated(on ? "Too loud: the take clips" : "Not too loud"));
  }

  #draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = canvas.getContext("2d");
    if (!width || !context) return;
    const sharpness = Math.max(devicePixelRatio, 1.5);
    canvas.width = Math.round(width * sharpness);
    canvas.height = Math.round(height * sharpness);
    context.scale(sharpness, sharpness);
    const columns = Math.floor(width / COLUMN_PIXELS);
    this.#past = this.#past.slice(-columns);
    const { error, accent } = palette();
    this.#past.forEach((peak, i) => {
      const half = Math.max(0.75, (peak * (height - 8)) / 2);
      context.fillStyle = peak >= CLIP_AT ? error : accent;
      context.fillRect(i * COLUMN_PIXELS, height / 2 - half, COLUMN_PIXELS - 1, 2 * half);
    });
  }
}
