/** The panel of Prompt Timeline: its prompts over the sound of the clip that they are for. */
import { isConnected } from "../lib/graph.js";
import { Scope } from "../lib/scope.js";
import { selectionOf } from "../lib/selection.js";
import { formatTime } from "../lib/time.js";
import { translated } from "../lib/words.js";
import { asToolbar, iconButton, make, setIcon, setPressed, toggleButton, isPressed } from "./dom.js";
import { TRIM_FIELDS, clipOf, fieldValue, trimFields } from "./follow.js";
import { Outcome } from "./outcome.js";
import { addPanel } from "./panel.js";
import { Player } from "./player.js";
import { PROMPTS_PIXELS, PromptLane } from "./prompt_lane.js";
import { soundIn, soundKey } from "./sounds.js";
import { onGraphChange } from "./ticker.js";
import { paintBeats } from "./trim_paint.js";
import { Waveform } from "./waveform.js";

const WAVE_PIXELS = 74;
const PANEL_PIXELS = 24 + WAVE_PIXELS + PROMPTS_PIXELS + 36 + 3 * 5 + 4;
/** What is shown where no clip is known: so much beyond the last prompt, and never less than a little. */
const BEYOND = 1.25;
const LEAST_SECONDS = 10;

export class PromptTimelineWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.waveform = new Waveform(this.scope, {
      height: WAVE_PIXELS,
      selection: () => (this.#clip ? { start: 0, end: this.#clip.end - this.#clip.start } : null),
      onDraw: (picture) => this.#beatsOn() && paintBeats(picture, this.waveform.view, this.#beats ?? []),
      onView: () => this.lane?.show(),
    });
    this.outcome = new Outcome(this.scope, (words, isError) => {
      this.line.textContent = words || this.#hint;
      this.line.title = words;
      this.line.classList.toggle("stv-error", isError);
      this.lane.show();
    });
    this.lane = new PromptLane(this.scope, {
      waveform: this.waveform,
      start: () => 0,
      end: () => (this.#clip ? this.#clip.end - this.#clip.start : null),
      outcome: this.outcome,
      targets: () => ({ beats: this.#beatsOn() ? this.#beats : null, silences: null, frameRate: null }),
      onSeek: (time) => this.#seek(time),
      onPlay: (start, end) => this.#play(start, end),
    });
    this.player = new Player(this.scope, {
      onTime: (time) => this.#showTime(time - this.waveform.offset),
      onState: (playing) => setIcon(this.playButton, playing ? "pause" : "play", playing ? "Pause" : "Play"),
      onError: (sentence) => (this.line.textContent = sentence),
    });
    this.playButton = iconButton("play", "Play", () => this.#toggle());
    this.clock = make("span", { class: "stv-clock", "aria-hidden": "true" });
    this.beats = toggleButton("Beats", "Snap to beats", () => this.#findBeats(), "beats");
    const row = make(
      "div",
      { class: "stv-row", "aria-label": "Play, snap, zoom" },
      this.playButton,
      this.clock,
      make("span", { class: "stv-gap" }),
      this.beats,
      make(
        "div",
        { class: "stv-group", role: "group", "aria-label": "Zoom" },
        iconButton("wider", "Zoom out", () => this.waveform.zoom(0.5)),
        iconButton("closer", "Zoom in", () => this.waveform.zoom(2)),
        iconButton("whole", "Show the whole clip", () => this.waveform.setView({ start: 0, end: this.waveform.duration })),
      ),
    );
    asToolbar(row);
    this.line = make("div", { class: "stv-said", role: "status" });
    addPanel(node, this.scope, "Timeline", PANEL_PIXELS, [row, this.waveform.element, this.lane.element, this.line]);
    const { element } = this.waveform;
    this.scope.listen(element, "pointerdown", (event) => event.button === 0 && this.#seek(this.waveform.timeOf(event)));
    const sizes = new ResizeObserver(() => this.lane.show());
    sizes.observe(element);
    this.scope.onEnd(() => sizes.disconnect());
    onGraphChange(this.scope, () => this.refresh());
  }

  /** @type {string | null} */
  #shown = null;
  /** The part of the sound that the clip is made from, in seconds of its file. @type {{start: number, end: number} | null} */
  #clip = null;
  /** Seconds of the clip. @type {number[] | null} */
  #beats = null;
  #hint = "";

  /** Look at the graph and the text again. */
  refresh() {
    const clip = clipOf(this.node);
    const words = clip?.words ?? translated("Connect a sampler with a sound to see its clip here.");
    const key = clip?.file ? soundKey(clip.file) : words;
    if (key !== this.#shown) {
      this.#shown = key;
      this.#beats = null;
      const sound = clip?.file ? soundIn(clip.file) : null;
      this.player.load(sound);
      this.waveform.show(sound, sound ? words : "", () => this.#read(), clip?.from !== "file");
      this.#hint = sound ? "" : words;
    }
    this.#read(clip);
  }

  /** @param {ReturnType<typeof clipOf>} [clip] */
  #read(clip = clipOf(this.node)) {
    const { sound } = this.waveform;
    const whole = sound?.duration ?? 0;
    const isKnown = !clip?.trim || TRIM_FIELDS.every((name) => fieldValue(clip.trim, name) !== undefined);
    const cut = whole && clip?.trim && isKnown ? selectionOf(trimFields(clip.trim), whole) : null;
    this.#clip = cut ?? (whole ? { start: 0, end: whole } : null);
    this.lane.read(this.node);
    const length = this.#clip ? this.#clip.end - this.#clip.start : LEAST_SECONDS;
    const last = this.lane.lastStart;
    this.waveform.showPart({ offset: this.#clip?.start ?? 0, length: last < length ? length : last * BEYOND });
    const asks = this.#clip && isKnown ? (clip?.destiny ?? null) : null;
    if (!asks) this.line.textContent = this.#hint;
    this.outcome.ask(asks, this.#clip?.start ?? 0, this.#clip?.end ?? 0, sound?.sampleRate ?? 0);
    this.beats.disabled = !sound?.complete || isConnected(this.node, "snap_to_beats_of");
    this.playButton.disabled = !whole;
    this.#showTime(this.waveform.playhead ?? 0);
    if (this.#beatsOn()) this.#findBeats();
  }

  #beatsOn() {
    return isPressed(this.beats);
  }

  async #findBeats() {
    const { sound } = this.waveform;
    this.waveform.redraw();
    if (!this.#beatsOn() || !sound || !this.#clip) return;
    this.beats.classList.add("stv-busy");
    try {
      const beats = await sound.beats();
      if (sound !== this.waveform.sound || this.scope.ended || !this.#clip) return;
      const { start } = this.#clip;
      this.#beats = beats.map((beat) => beat - start).filter((beat) => beat >= 0);
    } catch (error) {
      sound.beatsAsked = null;
      setPressed(this.beats, false);
      this.line.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.beats.classList.remove("stv-busy");
    }
    this.waveform.redraw();
  }

  #toggle() {
    if (this.player.playing) return void this.player.stop();
    const length = this.#clip ? this.#clip.end - this.#clip.start : 0;
    const { playhead } = this.waveform;
    this.#play(playhead !== null && playhead < length - 0.01 ? playhead : 0, length);
  }

  /** @param {number} start @param {number} end seconds of the clip */
  #play(start, end) {
    if (!this.#clip) return;
    const { offset } = this.waveform;
    this.player.play({ start: start + offset, end: end + offset, fadeIn: 0, fadeOut: 0 }, start + offset, false);
  }

  /** @param {number} time */
  #seek(time) {
    this.#showTime(time);
    if (this.player.playing && this.#clip) this.#play(time, this.#clip.end - this.#clip.start);
  }

  /** @param {number} time seconds of the clip */
  #showTime(time) {
    this.waveform.playhead = time;
    this.clock.textContent = formatTime(time);
    this.waveform.redraw();
  }
}
