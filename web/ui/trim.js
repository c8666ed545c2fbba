/** The widget of Trim Audio: a waveform that edits the node's number fields, which are all that is saved. */
import { captureUndo, packJSON, packURL, setWidgetValue, toast, widgetOf } from "../host.js";
import { isConnected } from "../lib/graph.js";
import { factorOf, gainToLoudness, gainToPeak, LOUDNESS_LUFS } from "../lib/gain.js";
import { isRefused } from "../lib/limits.js";
import { Scope } from "../lib/scope.js";
import {
  endingAt,
  fieldsOf,
  isWhole as isWholeSound,
  phraseAt,
  selectionOf,
  startingAt,
  wholeOf,
  withEnd,
  withFades,
  withStart,
} from "../lib/selection.js";
import { stemOf } from "../lib/soundfile.js";
import { formatTime } from "../lib/time.js";
import { viewAround } from "../lib/view.js";
import { CLIP_PIXELS, ClipStrip } from "./clip_strip.js";
import { make, setPressed } from "./dom.js";
import { copyText, download } from "./download.js";
import { TRIM_FIELDS, downstreamUse, fieldValue, limitedUse, nodeKey, trimFields, upstreamSound } from "./follow.js";
import { GainField } from "./gain_field.js";
import { Minimap } from "./minimap.js";
import { offerInMenu } from "./node_menu.js";
import { Outcome } from "./outcome.js";
import { playbackControls } from "./playback.js";
import { Player } from "./player.js";
import { addPanel, fit } from "./panel.js";
import { PROMPTS_PIXELS, PromptLane } from "./prompt_lane.js";
import { soundIn, soundKey } from "./sounds.js";
import { onGraphChange, onTick } from "./ticker.js";
import { TimeFields } from "./time_fields.js";
import { TrimArea } from "./trim_area.js";
import { TALLEST } from "./waveform.js";
import { TrimToolbar } from "./trim_toolbar.js";
import { translated } from "../lib/words.js";

/** @typedef {import("../lib/selection.js").Selection} Selection */

const WAVE_PIXELS = 118;
const PANEL_PIXELS = 238;
/** What a Prompt Timeline downstream adds. */
const LANE_ROOM = PROMPTS_PIXELS + 5;
/** What the frames of a finished clip take from the waveform: the node keeps its height. */
const CLIP_ROOM = CLIP_PIXELS + 5;
/** Which field a handle writes; the range writes both ends. */
const FIELD_OF = /** @type {const} */ ({
  start: ["start_seconds"],
  end: ["end_seconds"],
  range: ["start_seconds", "end_seconds"],
  fadeIn: ["fade_in_seconds"],
  fadeOut: ["fade_out_seconds"],
});

/** Which end a key sets at the cursor. @type {Map<string, "start" | "end">} */
const CURSOR_KEYS = new Map([
  ["[", "start"],
  ["i", "start"],
  ["]", "end"],
  ["o", "end"],
]);

/** How much louder what is kept becomes; the panel shows it. */
const GAIN = "gain_db";

/** How a node's widget was left: undo and a switch of tabs build the node anew. @type {Map<string, {file: string, view: {start: number, end: number}, tallness: number, pressed: string[], playhead: number | null}>} */
const left = new Map();

export class TrimWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.area = new TrimArea(this.scope, {
      height: WAVE_PIXELS,
      targets: () => this.#targets(),
      whole: () => this.#whole(),
      onSelect: (selection) => this.#write(selection),
      onCommit: captureUndo,
      onSeek: (time) => this.#seek(time),
      onDouble: (time) => this.#takePhrase(time),
      gain: () => factorOf(this.#gain),
      onView: () => {
        this.toolbar?.showTallness(this.waveform.tallness);
        this.minimap?.redraw();
        this.lane?.show();
        this.clip?.show();
      },
    });
    this.waveform = this.area.waveform;
    this.minimap = new Minimap(this.scope, this.waveform, () => this.area.selection);
    this.player = new Player(this.scope, {
      onTime: (time) => this.#showTime(time),
      onState: (playing) => this.toolbar.showPlaying(playing),
      onError: (sentence) => this.#notice(sentence),
    });
    this.outcome = new Outcome(this.scope, (words, isError) => {
      this.#plan = { words, isError };
      this.lane.show();
      this.#enable();
      this.#say();
    });
    this.lane = new PromptLane(this.scope, {
      waveform: this.waveform,
      start: () => this.area.selection?.start ?? 0,
      end: () => this.area.selection?.end ?? null,
      outcome: this.outcome,
      targets: () => this.#targets(),
      onSeek: (time) => this.#seek(time),
      onPlay: (start, end) => this.player.play({ start, end, fadeIn: 0, fadeOut: 0 }, start, false),
    });
    this.lane.element.hidden = true;
    this.clip = new ClipStrip(this.scope, {
      node,
      waveform: this.waveform,
      selection: () => this.area.selection,
      onShown: (isShown) => this.waveform.setHeight(WAVE_PIXELS - (isShown ? CLIP_ROOM : 0)),
      onPlayed: (time) => this.player.playing || this.#showTime(time),
    });
    const sizes = new ResizeObserver(() => this.clip.show());
    sizes.observe(this.waveform.element);
    this.scope.onEnd(() => sizes.disconnect());
    this.toolbar = new TrimToolbar({
      play: () => this.#playOrPause(false),
      playSelection: () => this.#playSelection(),
      onLoop: () => this.player.playing && this.#playSelection(),
      onSnap: (name, on) => (name === "beats" ? this.#onBeats(on) : this.waveform.redraw()),
      zoomOut: () => this.waveform.zoom(0.5),
      zoomIn: () => this.waveform.zoom(2, this.#middle()),
      zoomToSelection: () => this.#zoomToSelection(),
      showAll: () => this.waveform.setView({ start: 0, end: this.waveform.duration }),
      taller: () => this.#taller(),
    });
    this.times = new TimeFields((name, time) => this.#typed(name, time));
    this.gain = new GainField(this.scope, {
      onTyped: (gain) => this.#chooseGain(gain),
      onNormalise: (target) => (target === "none" ? this.#chooseGain(0) : this.#normalise(target)),
    });
    hide(widgetOf(node, GAIN));
    this.line = make("div", { class: "stv-line", "aria-live": "polite" });
    this.cure = make("button", {
      type: "button",
      class: "stv-button",
      text: "Use the whole sound",
      "aria-label": "Use the whole sound",
      title: "Start at the beginning, end at the end",
      hidden: true,
      onclick: () => this.#choose(this.#whole()),
    });
    this.times.element.append(playbackControls(this.scope));
    const height = () => PANEL_PIXELS + (this.lane.element.hidden ? 0 : LANE_ROOM);
    const panel = addPanel(node, this.scope, "Trim", height, [
      this.toolbar.element,
      this.clip.element,
      this.waveform.element,
      this.lane.element,
      this.minimap.element,
      this.times.element,
      make("div", { class: "stv-row stv-last" }, this.line, this.cure, this.gain.element),
    ]);
    listenToKeys(this, panel);
    offerInMenu(node, () => this.#menu());
    onGraphChange(this.scope, () => this.refresh());
    onTick(this.scope, () => this.#remember());
    for (const name of [...TRIM_FIELDS, GAIN]) this.#follow(name);
  }

  /** @type {string | null} */
  #shown = null;
  #from = "";
  /** @type {number[] | null} */
  #beats = null;
  /** What the last line has to say, the most pressing last. */
  #plan = { words: "", isError: false };
  #noticed = "";
  #told = "";
  #busy = "";
  #problem = "";
  /** Fields whose number another node will bring. @type {string[]} */
  #unknown = [];

  /** Look at the graph and the fields again. */
  refresh() {
    const { file, words, from } = upstreamSound(this.node, 0);
    const key = file ? soundKey(file) : words;
    const isMadeAgain = this.waveform.sound?.isGone && from === "run" && this.#from === "kept";
    this.#from = from;
    if (key !== this.#shown || isMadeAgain) {
      this.#shown = key;
      this.#beats = null;
      this.#noticed = this.#told = "";
      const sound = file ? soundIn(file) : null;
      this.player.load(sound);
      const onChange = () => {
        this.#read();
        this.minimap.redraw();
      };
      this.waveform.show(sound, words, onChange, from !== "file");
      this.#recall();
      if (this.toolbar.snapsTo("beats")) this.#onBeats(true);
    }
    this.#read();
  }

  /** All of the sound, with the fades that are set. @returns {Selection} */
  #whole() {
    const { fade_in_seconds, fade_out_seconds } = trimFields(this.node);
    return withFades({ ...wholeOf(this.waveform.duration), fadeIn: fade_in_seconds, fadeOut: fade_out_seconds });
  }

  /** Take the selection from the fields. */
  #read() {
    const { duration, sound } = this.waveform;
    const fields = trimFields(this.node);
    this.#unknown = TRIM_FIELDS.filter((name) => fieldValue(this.node, name) === undefined);
    const selection = duration ? selectionOf(fields, duration) : null;
    const isNew = JSON.stringify(selection) !== JSON.stringify(this.area.selection);
    this.area.locked = new Set(
      /** @type {(keyof typeof FIELD_OF)[]} */ (Object.keys(FIELD_OF)).filter((handle) =>
        FIELD_OF[handle].some((name) => this.#isLinked(name)),
      ),
    );
    if (isNew) {
      this.area.select(selection);
      this.minimap.redraw();
    } else if (this.#gain !== this.#drawnGain) this.waveform.redraw();
    this.#drawnGain = this.#gain;
    this.#problem =
      duration && !selection && sound?.complete
        ? translated("The range {start}–{end} s is empty; the sound lasts {duration} s.", {
            start: fields.start_seconds,
            end: fields.end_seconds || formatTime(duration),
            duration: duration.toFixed(2),
          })
        : "";
    this.#afterSelection();
  }

  #drawnGain = 0;

  /** Decibels; 0 where only a run tells. */
  get #gain() {
    return Number(fieldValue(this.node, GAIN)) || 0;
  }

  /** Take a gain as one step of undo. @param {number} gain */
  #chooseGain(gain) {
    const widget = widgetOf(this.node, GAIN);
    if (!widget || this.#isLinked(GAIN)) return;
    this.#noticed = this.#told = "";
    setWidgetValue(this.node, widget, gain);
    captureUndo();
    this.#read();
  }

  /** Find the gain that brings the cut to a level, and take it. @param {"peak" | "loudness"} target */
  async #normalise(target) {
    const { selection } = this.area;
    const { sound } = this.waveform;
    if (!selection || !sound || this.#busy) return;
    this.#busy = translated("Measuring the cut …");
    this.#noticed = this.#told = "";
    this.#say();
    try {
      const level = await packJSON("level", { ...sound.query, ...cutOf(selection) }, this.scope.signal);
      if (this.area.selection !== selection) return;
      const loud = target === "loudness" ? gainToLoudness(level) : null;
      const gain = target === "peak" ? gainToPeak(level) : (loud?.gain ?? null);
      if (gain === null) {
        const isHeard = level.peak !== null;
        const why = isHeard ? "This cut is too short or too quiet to have a loudness: go by its peak." : "Nothing is heard in this cut: it has no level.";
        return void this.#notice(translated(why));
      }
      this.#chooseGain(gain);
      if (loud && loud.loudness < LOUDNESS_LUFS - 0.05)
        this.#told = translated("{loudness} LUFS: any louder, its peaks would be cut off.", { loudness: loud.loudness.toFixed(1) });
    } catch (error) {
      if (!this.scope.ended) this.#notice(error instanceof Error ? error.message : String(error));
    } finally {
      this.#busy = "";
      if (!this.scope.ended) this.#say();
    }
  }

  /** Twice as high, and from the highest back to full scale. */
  #taller() {
    const { tallness } = this.waveform;
    this.waveform.setTallness(tallness < TALLEST ? 2 ** (Math.floor(Math.log2(tallness)) + 1) : 1);
    this.#remember();
  }

  /** Write the selection into the fields, which keep it. @param {Selection} selection */
  #write(selection) {
    const fields = fieldsOf(selection, this.waveform.duration);
    this.#noticed = this.#told = "";
    this.#problem = "";
    for (const name of TRIM_FIELDS) {
      const widget = widgetOf(this.node, name);
      if (widget && !this.#isLinked(name)) setWidgetValue(this.node, widget, fields[name]);
    }
    this.minimap.redraw();
    this.#afterSelection();
  }

  #afterSelection() {
    const { selection } = this.area;
    const { sound } = this.waveform;
    const { destiny, timeline } = downstreamUse(this.node, 0);
    this.#showPrompts(selection ? timeline : null);
    this.clip.refresh();
    this.outcome.ask(this.#unknown.length || !selection ? null : destiny, selection?.start ?? 0, selection?.end ?? 0, sound?.sampleRate ?? 0);
    this.#enable();
    this.times.show(selection, Boolean(sound?.duration));
    this.gain.show(this.#gain, { canType: !this.#isLinked(GAIN), canMeasure: Boolean(selection && sound) });
    this.#say();
  }

  /** The prompts of the Prompt Timeline whose clip this sound is for. @param {any} timeline or null */
  #showPrompts(timeline) {
    const { element } = this.lane;
    const isNew = element.hidden === Boolean(timeline);
    element.hidden = !timeline;
    this.lane.read(timeline);
    if (isNew) fit(this.node, timeline ? LANE_ROOM : -LANE_ROOM);
  }

  #enable() {
    this.toolbar.enable(Boolean(this.waveform.sound?.complete), Boolean(this.outcome.frameRate));
  }

  /** @returns {import("../lib/snap.js").SnapTargets} */
  #targets() {
    return {
      beats: this.toolbar.snapsTo("beats") ? this.#beats : null,
      silences: this.toolbar.snapsTo("silences") ? (this.waveform.sound?.silenceBorders ?? null) : null,
      frameRate: this.toolbar.snapsTo("frames") ? this.outcome.frameRate : null,
    };
  }

  /** @param {boolean} on */
  async #onBeats(on) {
    const { sound } = this.waveform;
    this.waveform.redraw();
    if (!on || !sound || this.#beats) return;
    this.toolbar.snaps.beats.classList.add("stv-busy");
    this.#busy = translated("Looking for beats …");
    this.#say();
    try {
      const beats = await sound.beats();
      if (sound !== this.waveform.sound || this.scope.ended) return;
      this.#beats = beats;
      if (!beats.length) this.#notice(translated("No beats were found in this sound."));
    } catch (error) {
      sound.beatsAsked = null;
      setPressed(this.toolbar.snaps.beats, false);
      this.#notice(error instanceof Error ? error.message : String(error));
    } finally {
      this.#busy = "";
      this.#say();
      this.toolbar.snaps.beats.classList.remove("stv-busy");
      this.waveform.redraw();
    }
  }

  /** Something to be told until the selection or the sound changes. @param {string} sentence */
  #notice(sentence) {
    this.#noticed = sentence;
    this.#say();
  }

  #say() {
    const unknown = this.#unknown.length
      ? translated("{fields}: from another node, known when it runs.", {
          fields: this.#unknown.join(", ").replaceAll("_seconds", ""),
        })
      : "";
    const limit = this.#limit();
    const plan = [limit.words, this.#plan.words].filter(Boolean).join("\n");
    const words = this.#problem || this.#noticed || this.#busy || this.#told || unknown || plan || this.#reading();
    this.cure.hidden = !this.#problem || FIELD_OF.range.some((name) => this.#isLinked(name));
    if (this.line.textContent !== words) this.line.textContent = words;
    this.line.classList.toggle("stv-error", Boolean(this.#problem || this.#noticed) || this.#plan.isError || limit.isError);
  }

  /** How long a sound the node takes that it goes to, and whether this one is another. */
  #limit() {
    const { selection } = this.area;
    const use = selection && !this.#unknown.length ? limitedUse(this.node, 0) : null;
    if (!selection || !use) return { words: "", isError: false };
    const seconds = selection.end - selection.start;
    const isError = isRefused(seconds, use.limits);
    const [shortest, longest] = use.limits;
    const values = { node: use.name, shortest, longest, seconds: seconds.toFixed(2) };
    const words = isError
      ? translated("{node} takes {shortest} to {longest} s of sound, not {seconds} s: choose another length.", values)
      : translated("{node} takes {shortest} to {longest} s of sound.", values);
    return { words, isError };
  }

  /** How much of a long sound has been read; until then beats and silences are not known. */
  #reading() {
    const { sound } = this.waveform;
    if (!sound?.duration || sound.complete || sound.error) return "";
    return translated("Reading the sound … {percent} %", { percent: Math.round(100 * sound.peaks.share) });
  }

  /** @param {boolean} onlySelection */
  #playOrPause(onlySelection) {
    if (this.player.playing) {
      this.player.stop();
      return;
    }
    if (onlySelection || this.toolbar.loops) return void this.#playSelection();
    const { duration, playhead } = this.waveform;
    const from = playhead !== null && playhead < duration - 0.01 ? playhead : 0;
    this.player.play({ start: 0, end: duration, fadeIn: 0, fadeOut: 0 }, from, false);
  }

  #playSelection() {
    const { selection } = this.area;
    if (selection) this.player.play({ ...selection, gain: this.#gain }, selection.start, this.toolbar.loops);
  }

  /** @param {number} time */
  #seek(time) {
    this.#showTime(time);
    this.clip.seek(time);
    if (this.player.playing)
      this.player.play({ start: 0, end: this.waveform.duration, fadeIn: 0, fadeOut: 0 }, time, false);
  }

  /** @param {number} time */
  #showTime(time) {
    this.waveform.playhead = time;
    this.toolbar.clock.textContent = formatTime(time);
    if (
      this.player.playing &&
      !this.waveform.isWhole &&
      (time > this.waveform.view.end || time < this.waveform.view.start)
    ) {
      const length = this.waveform.view.end - this.waveform.view.start;
      this.waveform.setView({ start: time, end: time + length });
    }
    this.waveform.redraw();
  }

  /** Space: what is playing stops; else the selection plays. */
  space() {
    this.#playOrPause(true);
  }

  #middle() {
    const { view, playhead } = this.waveform;
    return playhead !== null && playhead > view.start && playhead < view.end ? playhead : (view.start + view.end) / 2;
  }

  #zoomToSelection() {
    const { selection } = this.area;
    if (selection) this.waveform.setView(viewAround(selection.start, selection.end, this.waveform.duration));
  }

  /** What the node's menu offers. */
  #menu() {
    const { selection } = this.area;
    const isLocked = this.area.locked.has("range");
    const isWhole = selection !== null && isWholeSound(selection, this.waveform.duration);
    return [
      {
        content: translated("Use the whole sound"),
        callback: () => this.#choose(this.#whole()),
        disabled: !this.waveform.duration || isLocked || isWhole,
      },
      { content: translated("Save this cut as WAV"), callback: () => this.#save(), disabled: !selection },
      { content: translated("Copy times"), callback: () => this.#copyTimes(), disabled: !selection },
    ];
  }

  /** The cut as Trim Audio gives it out, as a file of the browser. */
  #save() {
    const { selection } = this.area;
    const { sound } = this.waveform;
    if (!selection || !sound) return;
    const times = [selection.start, selection.end].map((time) => time.toFixed(2)).join("-");
    const query = { ...sound.query, ...cutOf(selection), gain_db: this.#gain };
    download(packURL("sound", query), `${stemOf(sound.file)} ${times}.wav`);
  }

  async #copyTimes() {
    const { selection } = this.area;
    if (!selection) return;
    const times = `${formatTime(selection.start)} - ${formatTime(selection.end)}`;
    const summary = (await copyText(times)) ? "Copied" : "The browser does not let this page copy";
    toast("info", translated(summary), times);
  }

  /** @param {"start" | "end" | "length"} name @param {number} time */
  #typed(name, time) {
    const { duration } = this.waveform;
    const selection = this.area.selection ?? this.#whole();
    this.#choose(
      name === "start"
        ? withStart(selection, time)
        : withEnd(selection, name === "end" ? time : selection.start + time, duration),
    );
  }

  /** Start or end at the cursor, also while it plays. @param {"start" | "end"} name */
  takeCursor(name) {
    const { duration, playhead } = this.waveform;
    if (!duration || playhead === null || this.area.locked.has(name)) return;
    const selection = this.area.selection ?? this.#whole();
    const take = name === "start" ? startingAt : endingAt;
    this.#choose(take(selection, playhead, duration));
  }

  /** The phrase between two silences; all, where it is taken already. @param {number} time */
  #takePhrase(time) {
    const { duration, sound } = this.waveform;
    if (!duration || this.area.locked.has("range")) return;
    const was = this.area.selection ?? this.#whole();
    const phrase = phraseAt(sound?.silences ?? [], time, duration);
    const isTaken = Math.abs(was.start - phrase.start) < 0.001 && Math.abs(was.end - phrase.end) < 0.001;
    this.#choose(isTaken ? this.#whole() : withFades({ ...was, ...phrase }));
  }

  /** Take a selection as one step of undo. @param {Selection} selection */
  #choose(selection) {
    this.area.select(selection);
    this.#write(selection);
    captureUndo();
  }

  /** @param {string} name */
  #isLinked(name) {
    return isConnected(this.node, name);
  }

  /** Let a field hold milliseconds, and see at once what is typed into it. @param {string} name */
  #follow(name) {
    const widget = widgetOf(this.node, name);
    if (!widget) return;
    if (name !== GAIN) Object.assign(widget.options, { precision: 3, round: 0.001 });
    const before = widget.callback;
    widget.callback = (/** @type {any[]} */ ...values) => {
      const answer = before?.apply(widget, values);
      if (!this.scope.ended) queueMicrotask(() => this.#read());
      return answer;
    };
  }

  #remember() {
    if (this.node.id === -1 || !this.#shown || !this.waveform.duration) return;
    left.set(nodeKey(this.node), {
      file: this.#shown,
      view: this.waveform.view,
      tallness: this.waveform.tallness,
      pressed: this.toolbar.pressed,
      playhead: this.waveform.playhead,
    });
  }

  #recall() {
    const was = left.get(nodeKey(this.node));
    if (!was || was.file !== this.#shown) return;
    this.toolbar.press(was.pressed);
    if (this.waveform.duration) this.waveform.setView(was.view);
    this.waveform.setTallness(was.tallness);
    this.waveform.playhead = was.playhead;
  }
}

/** What our routes are asked about a cut. @param {Selection} selection */
function cutOf({ start, end, fadeIn, fadeOut }) {
  return { start, end, fade_in: fadeIn, fade_out: fadeOut };
}

/** Keep a plain field out of sight where the panel has it, too; without the panel it is there. @param {any} widget */
function hide(widget) {
  if (widget) widget.hidden = widget.options.hidden = true;
}

/** Space plays from anywhere in the waveform; [ and ], I and O set the ends from wherever nothing is typed. @param {TrimWidget} widget @param {HTMLElement} panel */
function listenToKeys(widget, panel) {
  widget.scope.listen(widget.waveform.element, "keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    widget.space();
  });
  widget.scope.listen(panel, "keydown", (event) => {
    const isTyped = event.target instanceof HTMLSelectElement || /^text/.test(event.target.type);
    const isBracket = "[]".includes(event.key); // with Ctrl and Alt on some keyboards
    if (isTyped || (!isBracket && (event.ctrlKey || event.metaKey || event.altKey))) return;
    const end = CURSOR_KEYS.get(event.key.toLowerCase());
    if (!end) return;
    event.preventDefault();
    widget.takeCursor(end);
  });
}
