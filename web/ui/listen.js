/** A file's waveform with a play button and a clock: what LoadAudio and RecordMic show. */
import { formatTime } from "../lib/time.js";
import { iconButton, make, setIcon } from "./dom.js";
import { Player } from "./player.js";
import { soundIn, soundKey } from "./sounds.js";
import { Waveform } from "./waveform.js";
import { translated } from "../lib/words.js";

/** @typedef {import("../lib/soundfile.js").SoundFile} SoundFile */

export class Listen {
  /** @param {import("../lib/scope.js").Scope} scope @param {number} height pixels of the waveform */
  constructor(scope, height) {
    this.scope = scope;
    this.waveform = new Waveform(scope, { height });
    this.playButton = iconButton("play", "Play", () => this.toggle());
    this.clock = make("span", { class: "stv-clock", "aria-hidden": "true" });
    this.player = new Player(scope, {
      onTime: (time) => this.#showTime(time),
      onState: (playing) => setIcon(this.playButton, playing ? "pause" : "play", playing ? "Pause" : "Play"),
      onError: (sentence) => (this.waveform.words.textContent = sentence),
    });
    const { element } = this.waveform;
    element.tabIndex = 0;
    element.setAttribute("role", "slider");
    element.setAttribute("aria-label", translated("Position in the sound"));
    scope.listen(element, "pointerdown", (event) => event.button === 0 && this.#seek(this.waveform.timeOf(event)));
    scope.listen(element, "keydown", (event) => this.#onKey(event));
    this.show(null, "");
  }

  /** @type {string | null} */
  #shown = null;
  #time = 0;

  /** Show a file, or a sentence in its place; nothing happens if it is shown already. @param {SoundFile | null} file @param {string} words */
  show(file, words) {
    const key = file ? soundKey(file) : words;
    if (key === this.#shown) return;
    this.#shown = key;
    const sound = file ? soundIn(file) : null;
    this.player.load(sound);
    this.waveform.show(sound, words, () => this.#showTime(this.#time));
    this.#time = 0;
    this.#showTime(0);
    this.playButton.disabled = !file;
  }

  toggle() {
    const { duration } = this.waveform;
    if (this.player.playing) this.player.stop();
    else if (duration) this.#playFrom(this.#time < duration - 0.05 ? this.#time : 0);
  }

  /** @param {number} from */
  #playFrom(from) {
    const { duration } = this.waveform;
    this.player.play({ start: 0, end: duration, fadeIn: 0, fadeOut: 0 }, from, false);
  }

  /** @param {number} time */
  #seek(time) {
    const { duration } = this.waveform;
    if (!duration) return;
    const to = Math.min(Math.max(time, 0), duration);
    if (this.player.playing) this.#playFrom(to);
    this.#showTime(to);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined && event.key !== " ") return;
    event.preventDefault();
    if (step === undefined) this.toggle();
    else this.#seek(this.#time + step);
  }

  /** @param {number} time */
  #showTime(time) {
    const { duration, element } = this.waveform;
    this.#time = time;
    this.waveform.playhead = time > 0 ? time : null;
    this.clock.textContent = duration ? `${formatTime(time)} / ${formatTime(duration)}` : "";
    element.setAttribute("aria-valuemin", "0");
    element.setAttribute("aria-valuemax", duration.toFixed(2));
    element.setAttribute("aria-valuenow", time.toFixed(2));
    element.setAttribute("aria-valuetext", this.clock.textContent);
    this.waveform.redraw();
  }
}
