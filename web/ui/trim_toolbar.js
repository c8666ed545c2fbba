/** The row of buttons over Trim Audio's waveform: playback, snapping, zoom. */
import { asToolbar, iconButton, isPressed, make, setIcon, setPressed, toggleButton } from "./dom.js";
import { translated } from "../lib/words.js";

/** @typedef {"beats" | "silences" | "frames"} SnapName */

/**
 * @typedef {object} ToolbarActions
 * @property {() => void} play @property {() => void} playSelection @property {() => void} onLoop
 * @property {(name: SnapName, on: boolean) => void} onSnap
 * @property {() => void} zoomOut @property {() => void} zoomIn @property {() => void} zoomToSelection @property {() => void} showAll
 * @property {() => void} taller
 */

const BEATS = "Snap to beats";
const SILENCES = "Snap to where the sound falls silent or sets in";
const FRAMES = "Snap to whole frames of the clip";
const TALLER = "Draw the waveform higher (Alt and wheel)";

export class TrimToolbar {
  /** @param {ToolbarActions} actions */
  constructor(actions) {
    this.playButton = iconButton("play", "Play from the cursor", actions.play);
    this.loop = toggleButton("", "Play the selection round and round", actions.onLoop, "loop");
    this.clock = make("span", { class: "stv-clock", "aria-hidden": "true" });
    const snap = (/** @type {string} */ words, /** @type {string} */ label, /** @type {SnapName} */ name) =>
      toggleButton(words, label, (on) => actions.onSnap(name, on), name);
    this.snaps = {
      beats: snap("Beats", BEATS, "beats"),
      silences: snap("Silences", SILENCES, "silences"),
      frames: snap("Frames", FRAMES, "frames"),
    };
    const playSelection = iconButton("selection", "Play the selection (space)", actions.playSelection);
    this.tall = iconButton("taller", TALLER, actions.taller);
    this.element = make(
      "div",
      { class: "stv-row" },
      group("Play", this.playButton, playSelection, this.loop, this.clock),
      make("span", { class: "stv-gap" }),
      group("Snap", make("span", { class: "stv-label", text: "Snap" }), ...Object.values(this.snaps)),
      group(
        "Zoom",
        iconButton("wider", "Zoom out", actions.zoomOut),
        iconButton("closer", "Zoom in", actions.zoomIn),
        this.tall,
        iconButton("focus", "Zoom to the selection", actions.zoomToSelection),
        iconButton("whole", "Show the whole sound", actions.showAll),
      ),
    );
    this.element.setAttribute("aria-label", translated("Play, snap, zoom"));
    asToolbar(this.element);
  }

  /** @param {boolean} playing */
  showPlaying(playing) {
    setIcon(this.playButton, playing ? "pause" : "play", playing ? "Pause (space)" : "Play from the cursor");
  }

  /** @param {number} tallness */
  showTallness(tallness) {
    this.tall.classList.toggle("stv-on", tallness > 1);
    const times = Math.round(tallness * 10) / 10;
    this.tall.title = tallness > 1 ? translated("The waveform is drawn {times} times as high (Alt and wheel)", { times }) : translated(TALLER);
    this.tall.setAttribute("aria-label", this.tall.title);
  }

  get loops() {
    return isPressed(this.loop);
  }

  /** @param {SnapName} name */
  snapsTo(name) {
    return isPressed(this.snaps[name]);
  }

  /** Which snaps there is something for. @param {boolean} soundIsKnown @param {boolean} framesAreKnown */
  enable(soundIsKnown, framesAreKnown) {
    this.snaps.beats.disabled = this.snaps.silences.disabled = !soundIsKnown;
    const whyNot = "Known once the whole sound has been read";
    this.snaps.beats.title = translated(soundIsKnown ? BEATS : whyNot);
    this.snaps.silences.title = translated(soundIsKnown ? SILENCES : whyNot);
    this.snaps.frames.disabled = !framesAreKnown;
    this.snaps.frames.title = translated(
      framesAreKnown ? FRAMES : "Connect Audio Encode and a sampler to snap to their frames",
    );
  }

  /** Names of the toggles that are on. */
  get pressed() {
    return Object.entries(this.#toggles)
      .filter(([, button]) => isPressed(button))
      .map(([name]) => name);
  }

  /** @param {string[]} names */
  press(names) {
    for (const [name, button] of Object.entries(this.#toggles)) setPressed(button, names.includes(name));
  }

  get #toggles() {
    return { ...this.snaps, loop: this.loop };
  }
}

/** @param {string} label @param {HTMLElement[]} children */
function group(label, ...children) {
  return make("div", { class: "stv-group", role: "group", "aria-label": label }, ...children);
}
