/** Start, end and length of a selection as texts to type into: `1:23.45`. */
import { formatTime, parseTime } from "../lib/time.js";
import { make } from "./dom.js";

/** @typedef {"start" | "end" | "length"} TimeName */

const LABELS = /** @type {const} */ ({ start: "Start", end: "End", length: "Length" });
const TITLES = {
  start: "A time such as 1:23.45; [ or I sets it at the cursor",
  end: "A time such as 1:23.45; ] or O sets it at the cursor",
  length: "A time such as 1:23.45",
};

export class TimeFields {
  /** @param {(name: TimeName, seconds: number) => void} onTyped a person typed a time that can be read */
  constructor(onTyped) {
    this.onTyped = onTyped;
    this.element = make("div", { class: "stv-row" });
    for (const name of /** @type {TimeName[]} */ (Object.keys(LABELS))) {
      const input = make("input", {
        type: "text",
        class: "stv-time",
        spellcheck: "false",
        autocomplete: "off",
        title: TITLES[name],
      });
      input.addEventListener("change", () => this.#typed(name, input));
      input.addEventListener("blur", () => this.#leave(input));
      input.addEventListener("keydown", (event) => {
        if (event.key === "Escape") input.value = this.#shown[name];
        if (event.key === "Enter" || event.key === "Escape") input.blur();
      });
      this.#inputs.set(name, input);
      this.element.append(make("label", { class: "stv-time-label" }, make("span", { text: LABELS[name] }), input));
    }
  }

  /** @type {Map<TimeName, HTMLInputElement>} */
  #inputs = new Map();
  /** @type {Record<TimeName, string>} */
  #shown = { start: "", end: "", length: "" };

  /** @param {{start: number, end: number} | null} selection @param {boolean} soundIsKnown without it no time can be typed */
  show(selection, soundIsKnown) {
    const seconds = selection && {
      start: selection.start,
      end: selection.end,
      length: selection.end - selection.start,
    };
    for (const [name, input] of this.#inputs) {
      this.#shown[name] = seconds ? formatTime(seconds[name], 3).replace(/0$/, "") : "";
      input.disabled = !soundIsKnown;
      if (document.activeElement !== input) input.value = this.#shown[name];
    }
  }

  /** @param {TimeName} name @param {HTMLInputElement} input */
  #typed(name, input) {
    const time = parseTime(input.value);
    if (time === null) input.setAttribute("aria-invalid", "true");
    else this.onTyped(name, time);
  }

  /** What cannot be read gives way to what is. @param {HTMLInputElement} input */
  #leave(input) {
    input.removeAttribute("aria-invalid");
    for (const [name, one] of this.#inputs) if (one === input) input.value = this.#shown[name];
  }
}
