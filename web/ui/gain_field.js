/** The gain of a cut as a text to type into, and a menu that finds it: peak, loudness, none. */
import { formatGain, parseGain } from "../lib/gain.js";
import { icon, make } from "./dom.js";

/** @typedef {"peak" | "loudness" | "none"} Target */

const TARGETS = /** @type {const} */ ({
  peak: "Peak at -1 dB",
  loudness: "Loudness of -16 LUFS",
  none: "As it is (0 dB)",
});

export class GainField {
  /**
   * @param {import("../lib/scope.js").Scope} scope
   * @param {{onTyped: (gain: number) => void, onNormalise: (target: Target) => void}} told
   */
  constructor(scope, told) {
    this.told = told;
    this.input = make("input", {
      type: "text",
      class: "stv-time stv-gain",
      spellcheck: "false",
      autocomplete: "off",
      title: "Decibels by which the cut becomes louder, such as 3.5 or -6",
      onchange: () => this.#typed(),
      onblur: () => this.#leave(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") this.input.value = this.#shown;
        if (event.key === "Enter" || event.key === "Escape") this.input.blur();
      },
    });
    this.button = make(
      "button",
      {
        type: "button",
        class: "stv-button stv-normalise",
        title: "Normalise: find the gain that brings the cut to a level",
        "aria-label": "Normalise: find the gain that brings the cut to a level",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        onclick: () => (this.menu.hidden ? this.#open() : this.#close()),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onButtonKey(event),
      },
      icon("normalise"),
    );
    const names = /** @type {Target[]} */ (Object.keys(TARGETS));
    this.menu = make(
      "div",
      { class: "stv-menu", role: "menu", "aria-label": "Normalise", hidden: true },
      ...names.map((name) =>
        make("button", {
          type: "button",
          class: "stv-button",
          role: "menuitem",
          tabindex: "-1",
          text: TARGETS[name],
          "aria-label": TARGETS[name],
          onclick: () => this.#take(name),
        }),
      ),
    );
    this.menu.addEventListener("keydown", (event) => this.#onMenuKey(event));
    this.element = make(
      "div",
      { class: "stv-group stv-gain-group" },
      make("label", { class: "stv-time-label" }, make("span", { text: "Gain" }), this.input),
      this.button,
      this.menu,
    );
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(/** @type {Node | null} */ (event.relatedTarget))) this.menu.hidden || this.#close(false);
    });
    scope.listen(
      window,
      "pointerdown",
      (event) => {
        if (!this.menu.hidden && !this.element.contains(/** @type {Node} */ (event.target))) this.#close(false);
      },
      { capture: true },
    );
  }

  #shown = "";

  /** @param {number} gain @param {{canType: boolean, canMeasure: boolean}} may */
  show(gain, { canType, canMeasure }) {
    this.#shown = formatGain(gain);
    this.input.disabled = !canType;
    this.button.disabled = !canType || !canMeasure;
    if (document.activeElement !== this.input) this.input.value = this.#shown;
  }

  #typed() {
    const gain = parseGain(this.input.value);
    if (gain === null) this.input.setAttribute("aria-invalid", "true");
    else this.told.onTyped(gain);
  }

  /** What cannot be read gives way to what is. */
  #leave() {
    this.input.removeAttribute("aria-invalid");
    this.input.value = this.#shown;
  }

  get #entries() {
    return /** @type {HTMLElement[]} */ ([...this.menu.children]);
  }

  #open() {
    this.menu.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.#entries[0].focus();
  }

  /** @param {boolean} [takesFocus] */
  #close(takesFocus = true) {
    this.menu.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (takesFocus) this.button.focus();
  }

  /** @param {Target} name */
  #take(name) {
    this.#close();
    this.told.onNormalise(name);
  }

  /** @param {KeyboardEvent} event */
  #onButtonKey(event) {
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    this.#open();
    if (event.key === "ArrowUp") this.#entries.at(-1)?.focus();
  }

  /** @param {KeyboardEvent} event */
  #onMenuKey(event) {
    const entries = this.#entries;
    const at = entries.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") this.#close();
    else if (to !== undefined) entries[(to + entries.length) % entries.length].focus();
    else return;
    event.preventDefault();
  }
}
