/**
 * The prompts of a Prompt Timeline as blocks along a waveform, over the segments and cuts of the plan.
 * The node's text is what is saved: every gesture changes it, as one step of undo.
 */
import { captureUndo, setWidgetValue, widgetOf } from "../host.js";
import { isConnected } from "../lib/graph.js";
import {
  betweenNeighbours,
  indexAt,
  plain,
  readTimeline,
  roomAt,
  timeWords,
  withPromptAt,
  withTimeOf,
  withWordsOf,
  withoutPrompt,
} from "../lib/prompts.js";
import { nextOf, snapped } from "../lib/snap.js";
import { spokenTime } from "../lib/time.js";
import { translated } from "../lib/words.js";
import { asToolbar, followPalette, iconButton, make } from "./dom.js";
import { cutsOf, fieldValue } from "./follow.js";
import { keepTouches } from "./panel.js";
import { LANE_PIXELS, STRIP_PIXELS, paintPlan } from "./prompt_paint.js";

/** @typedef {import("../lib/prompts.js").Entry} Entry */
/** @typedef {import("../lib/snap.js").SnapTargets} SnapTargets */
/** @typedef {{index: number, pointer: number, x: number, offset: number, from: string, moved: boolean, segments: number[]}} Drag */

/** The row of buttons, the blocks, and what is between them. */
export const PROMPTS_PIXELS = 24 + 5 + LANE_PIXELS;

const SNAP_PIXELS = 8;
const GRIP_PIXELS = 8;
const DRAG_PIXELS = 3;
const NUDGE_SECONDS = 0.1;
const FAR_NUDGE_SECONDS = 1;
/** Two clicks or taps within this are a double one. */
const DOUBLE_MILLISECONDS = 450;
const MOST_BLOCKS = 300;
const LEAST_TYPING_PIXELS = 220;

export class PromptLane {
  /**
   * @param {import("../lib/scope.js").Scope} scope
   * @param {{waveform: import("./waveform.js").Waveform, start: () => number, end: () => number | null,
   *          outcome: import("./outcome.js").Outcome, targets: () => SnapTargets, onSeek: (time: number) => void,
   *          onPlay: (start: number, end: number) => void}} told
   *        start, end: of the clip, in seconds of the waveform; end is null where it is not known
   */
  constructor(scope, told) {
    this.scope = scope;
    this.told = told;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.editor = make("textarea", { class: "stv-typing", rows: "3", hidden: true, spellcheck: "true" });
    this.lane = make("div", { class: "stv-lane" }, this.canvas, this.editor);
    const button = (/** @type {"add" | "edit" | "remove"} */ name, /** @type {string} */ words, /** @type {string} */ label) =>
      iconButton(name, label, () => this.#press(name), words);
    this.buttons = {
      add: button("add", "Add", "Add a prompt at the cursor (Insert)"),
      edit: button("edit", "Edit", "Edit the words of the chosen prompt (Enter)"),
      remove: button("remove", "Remove", "Remove the chosen prompt (Delete)"),
    };
    this.words = make("div", { class: "stv-prompt-words", role: "status" });
    const row = make("div", { class: "stv-row", "aria-label": "Change prompts" }, ...Object.values(this.buttons), this.words);
    asToolbar(row);
    this.element = make("div", { class: "stv-prompts", role: "group", "aria-label": "Prompts" }, row, this.lane);
    told.waveform.zoomByWheelOver(scope, this.lane);
    followPalette(scope, () => this.show());
    this.#listen();
  }

  /** The Prompt Timeline that is shown. @type {any} */
  #node = null;
  #text = "";
  #problem = "";
  #notice = "";
  #reading = "";
  /** @type {Entry[]} */
  #entries = [];
  #chosen = 0;
  #locked = false;
  /** @type {Drag | null} */
  #drag = null;
  #changed = false;
  #last = { at: 0, what: "" };
  /** What is typed into: a prompt that is there, or one that is to come at a time. @type {{index: number, time: number | null} | null} */
  #typing = null;
  /** @type {HTMLButtonElement[]} */
  #blocks = [];
  /** @type {HTMLDivElement[]} one for each prompt but the first */
  #borders = [];

  /** Look at a node's text again. @param {any} node a Prompt Timeline, or null */
  read(node) {
    this.#node = node;
    if (!node) return;
    const value = fieldValue(node, "timeline");
    this.#locked = isConnected(node, "timeline");
    const text = typeof value === "string" ? value : "";
    const { entries, error } = readTimeline(text);
    if (text !== this.#text) this.#notice = "";
    this.#text = text;
    this.#entries = entries.slice(0, MOST_BLOCKS);
    this.#chosen = Math.min(Math.max(this.#chosen, 0), Math.max(0, this.#entries.length - 1));
    this.#problem = value === undefined ? "" : error;
    this.#reading = this.#summary(value === undefined, entries.length);
    this.#say();
    this.show();
  }

  #say() {
    this.words.textContent = this.#problem || this.#notice || this.#reading;
    this.words.classList.toggle("stv-error", Boolean(this.#problem));
  }

  /** Say what could not be done, until a prompt is chosen or changed. @param {string} words */
  #notify(words) {
    this.#notice = words;
    this.#say();
  }

  /** @param {boolean} isUnknown @param {number} count */
  #summary(isUnknown, count) {
    if (isUnknown) return translated("The text comes from another node and is known when it runs.");
    const said = [translated(count === 1 ? "1 prompt" : "{count} prompts", { count })];
    if (cutsOf(this.#node)) said.push(translated("a cut at each"));
    if (count > MOST_BLOCKS) said.push(translated("the first {count} are shown", { count: MOST_BLOCKS }));
    if (this.#locked) said.push(translated("from another node"));
    return said.join(", ");
  }

  /** The time of the last prompt, in seconds of the clip. */
  get lastStart() {
    return this.#entries.at(-1)?.start ?? 0;
  }

  /** Where the clip ends, as far as it is known, in its own seconds. */
  get #end() {
    const end = this.told.end() ?? this.told.waveform.duration;
    return end - this.told.start();
  }

  /** Distance from the left edge. @param {number} seconds of the clip */
  #x(seconds) {
    return this.told.waveform.x(this.told.start() + seconds);
  }

  /** Seconds of the clip under a pointer. @param {{clientX: number}} event */
  #timeOf(event) {
    return this.told.waveform.timeOf(event) - this.told.start();
  }

  /** Put blocks and borders where their times are. */
  show() {
    if (!this.#node) return;
    const { waveform, outcome } = this.told;
    paintPlan(this.canvas, waveform.width, outcome.plan, (time) => this.#x(time));
    const count = this.#entries.length;
    while (this.#blocks.length < count) this.#addBlock();
    for (const gone of [...this.#blocks.splice(count), ...this.#borders.splice(Math.max(0, count - 1))]) gone.remove();
    this.#entries.forEach((entry, index) => this.#place(entry, index));
    this.buttons.add.disabled = this.#locked;
    this.buttons.edit.disabled = this.#locked || !count;
    this.buttons.remove.disabled = this.#locked || count < 2;
    if (this.#typing) this.#placeEditor();
  }

  #addBlock() {
    const index = this.#blocks.length;
    const block = make("button", { type: "button", class: "stv-block" }, make("span"));
    this.scope.listen(block, "focus", () => this.#choose(index));
    this.scope.listen(block, "keydown", (event) => this.#onBlockKey(index, event));
    this.#blocks.push(block);
    this.lane.append(block);
    if (index === 0) return;
    const border = make("div", { class: "stv-border", role: "slider", tabindex: "0", "aria-valuemin": "0" });
    this.scope.listen(border, "keydown", (event) => this.#onBorderKey(index, event));
    for (const type of ["keyup", "blur"]) this.scope.listen(border, type, () => this.#commit());
    this.#borders.push(border);
    this.lane.append(border);
  }

  /** @param {Entry} entry @param {number} index */
  #place(entry, index) {
    const { width } = this.told.waveform;
    const block = this.#blocks[index];
    const end = this.#end;
    const from = index ? entry.start : Math.min(0, entry.start); // the first holds from the start
    const isBeyond = index > 0 && entry.start >= end;
    const next = this.#entries[index + 1]?.start ?? Infinity;
    const until = isBeyond ? next : Math.min(next, Math.max(end, entry.start));
    const left = Math.max(this.#x(from), 0);
    const right = Math.min(until === Infinity ? width : this.#x(until), width);
    const isShown = right - left > 2;
    block.hidden = !isShown || this.#typing?.index === index;
    block.style.left = `${left + 1}px`;
    block.style.width = `${Math.max(right - left - 2, 1)}px`;
    block.classList.toggle("stv-chosen", index === this.#chosen);
    block.classList.toggle("stv-beyond", isBeyond);
    block.tabIndex = index === this.#chosen ? 0 : -1;
    const words = /** @type {HTMLElement} */ (block.firstChild);
    if (words.textContent !== entry.prompt) words.textContent = entry.prompt;
    const beyond = isBeyond ? `, ${translated("after the end of the clip")}` : "";
    const values = { number: index + 1, count: this.#entries.length, time: spokenTime(from) };
    const place = translated("prompt {number} of {count}, from {time}", values);
    block.setAttribute("aria-label", `${entry.prompt} (${place}${beyond})`);
    block.title = `${timeWords(from)} ${entry.prompt}${beyond}`;
    if (index) this.#placeBorder(this.#borders[index - 1], entry, index);
  }

  /** @param {HTMLElement} border @param {Entry} entry @param {number} index */
  #placeBorder(border, entry, index) {
    const x = this.#x(entry.start);
    border.hidden = x < -1 || x > this.told.waveform.width + 1;
    border.style.left = `${x}px`;
    border.classList.toggle("stv-cut", cutsOf(this.#node) === true);
    border.classList.toggle("stv-chosen", index === this.#chosen);
    border.setAttribute("aria-label", translated("Start of prompt {number}", { number: index + 1 }));
    border.setAttribute("aria-valuenow", entry.start.toFixed(3));
    border.setAttribute("aria-valuemax", Math.max(this.#end, entry.start).toFixed(3));
    border.setAttribute("aria-valuetext", spokenTime(entry.start));
    border.setAttribute("aria-disabled", String(this.#locked));
    border.title = `${timeWords(entry.start)} · ${translated("drag to move, with Alt freely")}`;
  }

  /** @param {number} index */
  #choose(index) {
    this.#notify("");
    if (index === this.#chosen) return;
    this.#chosen = index;
    this.show();
  }

  // -- what is written ----------------------------------------------------------------------------------------------

  /** @param {string} text */
  #write(text) {
    const widget = widgetOf(this.#node, "timeline");
    if (!widget || this.#locked || text === this.#text) return;
    setWidgetValue(this.#node, widget, text);
    this.#changed = true;
    this.read(this.#node);
  }

  #commit() {
    if (!this.#changed || this.#drag) return;
    this.#changed = false;
    captureUndo();
  }

  /** @param {"add" | "edit" | "remove"} name */
  #press(name) {
    if (name === "add") this.#add();
    else if (name === "edit") this.#type(this.#chosen);
    else this.#remove(this.#chosen);
  }

  /** Ask for the words of a new prompt, at a time of the clip or else at the cursor. @param {number} [time] */
  #add(time) {
    if (this.#locked) return;
    const { playhead } = this.told.waveform;
    const cursor = playhead === null ? -1 : playhead - this.told.start();
    const [from, until] = [this.#entries[this.#chosen]?.start ?? 0, this.#entries[this.#chosen + 1]?.start ?? this.#end];
    const wanted = time ?? (cursor > 0 && cursor < this.#end ? cursor : (from + until) / 2);
    const room = roomAt(this.#entries, wanted, this.#end);
    if (room !== null) this.#type(indexAt(this.#entries, room), Math.round(room * 1000) / 1000);
    else this.#notify(translated("There is no room here: move a border, or the cursor."));
  }

  /** @param {number} index */
  #remove(index) {
    if (this.#locked || this.#entries.length < 2) return;
    this.#write(withoutPrompt(this.#text, index));
    this.#commit();
    this.#focus(Math.max(0, index - 1));
  }

  /** Let a person type a prompt's words in its place. @param {number} index @param {number | null} [time] of a new one, which follows that one */
  #type(index, time = null) {
    if (this.#locked || (time === null && !this.#entries[index])) return;
    this.#notify("");
    this.#typing = { index: time === null ? index : -1, time };
    this.editor.value = this.#entries[index]?.prompt ?? "";
    const label =
      time === null
        ? translated("Words of prompt {number}", { number: index + 1 })
        : translated("Words of a new prompt at {time}", { time: spokenTime(time) });
    this.editor.setAttribute("aria-label", label);
    this.editor.hidden = false;
    this.show();
    this.editor.focus();
    this.editor.select();
  }

  /** @param {boolean} isKept */
  #endTyping(isKept) {
    const typing = this.#typing;
    if (!typing) return;
    this.#typing = null;
    const had = document.activeElement === this.editor;
    this.editor.hidden = true;
    const words = this.editor.value;
    let index = typing.index;
    if (isKept && typing.time !== null && words.trim()) {
      this.#write(withPromptAt(this.#text, typing.time, words));
      index = indexAt(this.#entries, typing.time);
    } else if (isKept && typing.time === null && this.#entries[index])
      this.#write(withWordsOf(this.#text, index, words));
    this.#commit();
    this.show();
    if (had) this.#focus(index < 0 ? this.#chosen : index);
    else if (index >= 0) this.#choose(index);
  }

  #placeEditor() {
    const { width } = this.told.waveform;
    const { index, time } = /** @type {{index: number, time: number | null}} */ (this.#typing);
    const from = time ?? (index ? (this.#entries[index]?.start ?? 0) : 0);
    const until = this.#entries[(time === null ? index : indexAt(this.#entries, time)) + 1]?.start ?? this.#end;
    const left = Math.max(0, this.#x(from));
    const wide = Math.min(Math.max(this.#x(until) - left, LEAST_TYPING_PIXELS), width);
    this.editor.style.width = `${wide}px`;
    this.editor.style.left = `${Math.max(0, Math.min(left, width - wide))}px`;
  }

  /** @param {number} index */
  #focus(index) {
    this.#chosen = Math.min(Math.max(index, 0), this.#entries.length - 1);
    this.show();
    const block = this.#blocks[this.#chosen];
    if (block && !block.hidden) block.focus({ preventScroll: true });
  }

  // -- pointer ------------------------------------------------------------------------------------------------------

  #listen() {
    const { scope, lane, editor } = this;
    scope.listen(lane, "pointerdown", (event) => this.#onDown(event));
    scope.listen(lane, "pointermove", (event) => this.#onMove(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"])
      scope.listen(lane, type, (event) => this.#onUp(event));
    // The focus goes where pointerdown has put it.
    scope.listen(lane, "mousedown", (event) => event.target !== editor && event.button === 0 && event.preventDefault());
    keepTouches(scope, lane);
    scope.listen(editor, "blur", () => this.#endTyping(true));
    scope.listen(editor, "keydown", (event) => {
      if (event.key !== "Escape" && !(event.key === "Enter" && !event.isComposing)) return;
      event.preventDefault();
      event.stopPropagation();
      this.#endTyping(event.key === "Enter");
    });
  }

  /** The border near a pointer, that of the chosen prompt first; 0 where there is none. @param {PointerEvent} event */
  #borderAt(event) {
    const border = /** @type {HTMLElement} */ (event.target).closest?.(".stv-border");
    const named = this.#borders.indexOf(/** @type {HTMLDivElement} */ (border));
    if (named >= 0) return named + 1;
    const reach = this.told.waveform.secondsOf(GRIP_PIXELS);
    const time = this.#timeOf(event);
    let best = 0;
    this.#entries.forEach(({ start }, index) => {
      const distance = Math.abs(start - time);
      if (index && distance <= reach && (!best || distance < Math.abs(this.#entries[best].start - time))) best = index;
    });
    return best;
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (event.button !== 0 || event.target === this.editor || !this.#entries.length || this.#drag) return;
    event.stopPropagation();
    if (this.#typing) this.#endTyping(true);
    this.lane.setPointerCapture(event.pointerId);
    const index = this.#borderAt(event);
    const time = this.#timeOf(event);
    if (index) this.#borders[index - 1].focus({ preventScroll: true });
    else this.#focus(indexAt(this.#entries, time));
    if (index) this.#choose(index);
    const offset = index ? time - this.#entries[index].start : 0;
    this.#drag = {
      index: this.#locked ? 0 : index,
      pointer: event.pointerId,
      x: event.clientX,
      offset,
      from: this.#text,
      moved: false,
      segments: [],
    };
    if (this.#drag.index) this.#findSegments(this.#drag);
  }

  /** Where segments would begin without the prompt that is moved: what it can snap to. @param {Drag} drag */
  async #findSegments(drag) {
    const others = this.#entries.filter((_, index) => index !== drag.index);
    drag.segments = await this.told.outcome.startsWith(others.map(({ time }) => plain(time)).join());
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const drag = this.#drag;
    if (!drag) {
      this.lane.classList.toggle("stv-at-border", !this.#locked && this.#borderAt(event) > 0);
      return;
    }
    if (drag.pointer !== event.pointerId) return;
    event.stopPropagation();
    if (!drag.moved && Math.abs(event.clientX - drag.x) < DRAG_PIXELS) return;
    drag.moved = true;
    if (!drag.index) return;
    const { waveform } = this.told;
    waveform.reveal(Math.min(Math.max(waveform.timeOf(event), 0), waveform.duration));
    const wanted = this.#timeOf(event) - drag.offset;
    this.#move(drag.index, event.altKey ? wanted : this.#snap(wanted, drag.segments), drag.from);
  }

  /** @param {PointerEvent} event */
  #onUp(event) {
    const drag = this.#drag;
    if (!drag || drag.pointer !== event.pointerId) return;
    event.stopPropagation();
    this.#drag = null;
    if (!drag.moved && event.type === "pointerup") this.#onClick(event);
    this.#commit();
  }

  /** One click moves the cursor; two edit the block, or add a prompt in the strip above the blocks. @param {PointerEvent} event */
  #onClick(event) {
    const time = this.#timeOf(event);
    const box = this.lane.getBoundingClientRect();
    const isStrip = (event.clientY - box.top) * (LANE_PIXELS / box.height) < STRIP_PIXELS;
    const what = isStrip ? "strip" : `block ${indexAt(this.#entries, time)}`;
    const isDouble = what === this.#last.what && event.timeStamp - this.#last.at < DOUBLE_MILLISECONDS;
    this.#last = { at: event.timeStamp, what: isDouble ? "" : what };
    if (!isDouble) this.told.onSeek(Math.max(0, this.told.start() + time));
    else if (isStrip) this.#add(this.#snap(time, []));
    else this.#type(indexAt(this.#entries, time));
  }

  /** Where a time of the clip goes that is put to what is switched on. @param {number} time @param {number[]} segments */
  #snap(time, segments) {
    const { waveform, start, targets } = this.told;
    const inWaveform = segments.map((one) => one + start());
    const reach = waveform.secondsOf(SNAP_PIXELS);
    return snapped(time + start(), { ...targets(), frameRate: null, segments: inWaveform }, reach, 0) - start();
  }

  /** @param {number} index @param {number} seconds @param {string} from the text that is changed */
  #move(index, seconds, from) {
    const { entries } = readTimeline(from);
    const end = Math.max(this.#end, this.told.waveform.duration - this.told.start());
    this.#write(withTimeOf(from, index, betweenNeighbours(entries, index, seconds, end)));
  }

  // -- keys ---------------------------------------------------------------------------------------------------------

  /** @param {number} index @param {KeyboardEvent} event */
  #onBlockKey(index, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: this.#entries.length - 1 }[event.key];
    if (to !== undefined) this.#reveal(Math.min(Math.max(to, 0), this.#entries.length - 1));
    else if (event.key === "Enter" || event.key === "F2") this.#type(index);
    else if (event.key === "Delete" || event.key === "Backspace") this.#remove(index);
    else if (event.key === "Insert") this.#add();
    else if (event.key === " ") this.#play(index);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #reveal(index) {
    this.told.waveform.reveal(this.told.start() + (index ? this.#entries[index].start : 0));
    this.#focus(index);
  }

  /** @param {number} index */
  #play(index) {
    const start = this.told.start();
    const until = this.#entries[index + 1]?.start ?? this.#end;
    this.told.onPlay(start + (index ? this.#entries[index].start : 0), start + Math.min(until, this.#end));
  }

  /** @param {number} index @param {KeyboardEvent} event */
  #onBorderKey(index, event) {
    if (event.key === "Escape" && this.#drag) {
      this.#write(this.#drag.from);
      this.#drag = null;
      return;
    }
    const direction = { ArrowLeft: -1, ArrowDown: -1, PageDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1 }[event.key];
    const toBorder = { Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" || event.key === "F2") this.#type(index);
    else if (event.key === "Delete" || event.key === "Backspace") this.#remove(index);
    else if (event.ctrlKey || event.metaKey || (direction ?? toBorder) === undefined) return;
    else {
      const now = this.#entries[index].start;
      const step = event.shiftKey ? FAR_NUDGE_SECONDS : NUDGE_SECONDS;
      const wanted = toBorder ?? now + Number(direction) * step;
      this.#move(index, event.key.startsWith("Page") ? this.#next(now, Number(direction)) : wanted, this.#text);
      this.told.waveform.reveal(this.told.start() + this.#entries[index].start);
    }
    event.preventDefault();
  }

  /** The next beat, silence or segment in a direction, or five seconds on. @param {number} time of the clip @param {number} direction */
  #next(time, direction) {
    const start = this.told.start();
    const { beats, silences } = this.told.targets();
    const borders = (this.told.outcome.plan?.starts ?? []).map((one) => one + start);
    return nextOf([...(beats ?? []), ...(silences ?? []), ...borders], start + time, direction) - start;
  }
}
