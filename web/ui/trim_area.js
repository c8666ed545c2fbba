/** The waveform with what can be dragged on it: start, end, the whole range, fades, a new range; by pointer and by keys. */
import { between, isWhole, movedTo, withEnd, withFades, withStart } from "../lib/selection.js";
import { nextOf, snapped } from "../lib/snap.js";
import { spokenTime } from "../lib/time.js";
import { make } from "./dom.js";
import { keepTouches } from "./panel.js";
import { paintTrim } from "./trim_paint.js";
import { Waveform } from "./waveform.js";
import { translated } from "../lib/words.js";

/** @typedef {import("../lib/selection.js").Selection} Selection */
/** @typedef {import("../lib/snap.js").SnapTargets} SnapTargets */
/** @typedef {"start" | "end" | "range" | "fadeIn" | "fadeOut"} HandleName */

const NUDGE_SECONDS = 0.01;
const FAR_NUDGE_SECONDS = 1;
const SNAP_PIXELS = 8;
const DRAG_PIXELS = 3;
/** Handles are as wide as a finger needs, and do not cover each other. */
const HANDLE_PIXELS = 24;
/** A range narrower than this on screen has no room for the handles of fades, or for its ends within it. */
const BAR_PIXELS = 8;
const THIN_BAR_PIXELS = 4;
const NARROW_PIXELS = 3 * HANDLE_PIXELS;

const LABELS = {
  start: "Start of the selection",
  end: "End of the selection",
  range: "Position of the selection",
  fadeIn: "Length of the fade in",
  fadeOut: "Length of the fade out",
};
const NAMES = /** @type {HandleName[]} */ (["range", "start", "end", "fadeIn", "fadeOut"]);

export class TrimArea {
  /**
   * @param {import("../lib/scope.js").Scope} scope
   * @param {{height: number, targets: () => SnapTargets, whole: () => Selection, onSelect: (selection: Selection) => void,
   *          onCommit: () => void, onSeek: (time: number) => void, onDouble: (time: number) => void,
   *          onView: () => void, gain: () => number}} told
   *        whole: all of the sound with the fades that are set, where nothing of it is selected
   */
  constructor(scope, told) {
    this.told = told;
    /** @type {Selection | null} */
    this.selection = null;
    /** Handles whose number comes from another node and cannot be dragged. @type {Set<HandleName>} */
    this.locked = new Set();
    this.waveform = new Waveform(scope, {
      height: told.height,
      selection: () => this.selection,
      gain: told.gain,
      onDraw: (picture) => paintTrim(picture, this.waveform, this.selection, told.targets()),
      onView: () => {
        this.#place();
        told.onView();
      },
    });
    this.waveform.canBeTaller = true;
    const { element } = this.waveform;
    element.classList.add("stv-trim-area");
    element.tabIndex = -1; // takes the focus where there is no handle to have it
    this.handles = /** @type {Record<HandleName, HTMLDivElement>} */ ({});
    for (const name of NAMES) {
      const handle = make("div", {
        class: `stv-handle stv-${name}`,
        role: "slider",
        tabindex: "0",
        "aria-label": LABELS[name],
        "aria-valuemin": "0",
        "data-handle": name,
      });
      this.handles[name] = handle;
      element.append(handle);
      scope.listen(handle, "keydown", (event) => this.#onKey(name, event));
      scope.listen(handle, "keyup", () => this.#commit());
      scope.listen(handle, "blur", () => this.#commit());
    }
    scope.listen(element, "pointerdown", (event) => this.#onDown(event));
    scope.listen(element, "pointermove", (event) => this.#onMove(event));
    scope.listen(element, "pointerup", (event) => this.#onUp(event));
    scope.listen(element, "pointercancel", (event) => this.#onUp(event));
    scope.listen(element, "lostpointercapture", (event) => this.#onUp(event)); // its release went to somebody else
    scope.listen(element, "dblclick", (event) => {
      const { handle = "range" } = event.target.dataset;
      if (handle === "range" && this.#duration) this.told.onDouble(this.waveform.timeOf(event));
    });
    // The browser would now give the focus to what is focusable under the pointer, and take it from the handle.
    scope.listen(element, "mousedown", (event) => event.button === 0 && event.preventDefault());
    keepTouches(scope, element);
    const sizes = new ResizeObserver(() => this.#place());
    sizes.observe(element);
    scope.onEnd(() => sizes.disconnect());
  }

  /** @type {Map<number, {clientX: number}>} pointers that are down */
  #pointers = new Map();
  /** `from` is the selection as it was: a drag there and back changes nothing. @type {{pointer: number, name: HandleName | "new", at: number, offset: number, x: number, moved: boolean, from: Selection} | null} */
  #drag = null;
  #changed = false;

  /** Show a selection, or none. @param {Selection | null} selection */
  select(selection) {
    this.selection = selection;
    this.#place();
    this.waveform.redraw();
  }

  get #duration() {
    return this.waveform.duration;
  }

  /** @param {Selection} selection */
  #choose(selection) {
    this.select(selection);
    this.#changed = true;
    this.told.onSelect(selection);
  }

  #commit() {
    if (this.#changed && !this.#drag) {
      this.#changed = false;
      this.told.onCommit();
    }
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (event.button !== 0 || !this.#duration) return;
    event.stopPropagation();
    const { element } = this.waveform;
    element.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { clientX: event.clientX });
    if (this.#pointers.size > 1) {
      this.#drag = null; // the second finger: a pinch
      return;
    }
    const handle = /** @type {HTMLElement} */ (event.target).closest?.("[data-handle]");
    const named = /** @type {HandleName | undefined} */ (
      handle instanceof HTMLElement ? handle.dataset.handle : undefined
    );
    const from = this.selection ?? this.told.whole();
    const name = !named || (named === "range" && isWhole(from, this.#duration)) ? "new" : named;
    (this.selection ? this.handles[name === "new" ? "range" : name] : element).focus({ preventScroll: true });
    if (name !== "new" ? this.locked.has(name) : this.locked.has("range")) return;
    const time = this.waveform.timeOf(event);
    const offset = name === "new" ? 0 : time - this.#timeOf(name, from);
    this.#drag = { pointer: event.pointerId, name, at: time, offset, x: event.clientX, moved: false, from };
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    if (this.#pointers.size) event.stopPropagation();
    if (this.#pointers.size === 2 && this.#pointers.has(event.pointerId)) {
      this.#pinch(event);
      return;
    }
    const drag = this.#drag;
    if (!drag || drag.pointer !== event.pointerId) return;
    if (!drag.moved && Math.abs(event.clientX - drag.x) < DRAG_PIXELS) return;
    drag.moved = true;
    const time = Math.min(Math.max(this.waveform.timeOf(event), 0), this.#duration);
    this.waveform.reveal(time);
    this.#choose(this.#dragged(drag.from, drag, time, event.altKey));
  }

  /** @param {PointerEvent} event */
  #onUp(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    event.stopPropagation();
    const drag = this.#drag;
    if (drag && drag.pointer !== event.pointerId) return;
    this.#drag = null;
    if (drag && !drag.moved && event.type === "pointerup" && ["new", "range"].includes(drag.name))
      this.told.onSeek(drag.at);
    this.#commit();
  }

  /** @param {PointerEvent} event */
  #pinch(event) {
    const ends = () => [...this.#pointers.values()].map((pointer) => pointer.clientX);
    const [a, b] = ends();
    this.#pointers.set(event.pointerId, { clientX: event.clientX });
    const [c, d] = ends();
    const middle = this.waveform.timeOf({ clientX: (c + d) / 2 });
    this.waveform.zoom(Math.max(Math.abs(c - d), 10) / Math.max(Math.abs(a - b), 10), middle);
    const moved = this.waveform.secondsOf((a + b) / 2 - (c + d) / 2);
    this.waveform.setView({ start: this.waveform.view.start + moved, end: this.waveform.view.end + moved });
  }

  /** @param {Selection} selection @param {{name: string, at: number, offset: number}} drag @param {number} time @param {boolean} free */
  #dragged(selection, drag, time, free) {
    /** @param {number} wanted @param {number} anchor */
    const snap = (wanted, anchor) => (free ? wanted : this.#snap(wanted, anchor));
    const wanted = time - drag.offset;
    if (drag.name === "start") return withStart(selection, snap(wanted, selection.end));
    if (drag.name === "end") return withEnd(selection, snap(wanted, selection.start), this.#duration);
    if (drag.name === "fadeIn") return withFades(selection, { fadeIn: wanted - selection.start });
    if (drag.name === "fadeOut") return withFades(selection, { fadeOut: selection.end - wanted });
    if (drag.name === "range") {
      const length = selection.end - selection.start;
      const start = free ? wanted : this.#snapRange(wanted, length);
      return movedTo(selection, start, this.#duration);
    }
    const first = free ? drag.at : this.#snap(drag.at, drag.at);
    return between(selection, first, snap(time, first), this.#duration);
  }

  /** Where a time goes that is put to what is switched on. @param {number} time @param {number} anchor the other end */
  #snap(time, anchor) {
    return snapped(time, this.told.targets(), this.waveform.secondsOf(SNAP_PIXELS), anchor);
  }

  /** A range keeps its length: its start snaps, or else its end. @param {number} start @param {number} length */
  #snapRange(start, length) {
    const targets = { ...this.told.targets(), frameRate: null };
    const reach = this.waveform.secondsOf(SNAP_PIXELS);
    const byStart = snapped(start, targets, reach, start);
    return byStart !== start ? byStart : snapped(start + length, targets, reach, start) - length;
  }

  /** @param {HandleName} name @param {Selection} selection */
  #timeOf(name, selection) {
    if (name === "end") return selection.end;
    if (name === "fadeIn") return selection.start + selection.fadeIn;
    if (name === "fadeOut") return selection.end - selection.fadeOut;
    return selection.start;
  }

  /** @param {HandleName} name @param {KeyboardEvent} event */
  #onKey(name, event) {
    const { selection } = this;
    const direction = { ArrowLeft: -1, ArrowDown: -1, PageDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1 }[event.key];
    const toBorder = { Home: -Infinity, End: Infinity }[event.key];
    if (
      !selection ||
      this.locked.has(name) ||
      (direction === undefined && toBorder === undefined) ||
      event.ctrlKey ||
      event.metaKey
    )
      return;
    event.preventDefault();
    const now = this.#timeOf(name, selection);
    let wanted = now + (toBorder ?? 0);
    if (direction !== undefined) {
      const { frameRate } = this.told.targets();
      const step = event.shiftKey ? FAR_NUDGE_SECONDS : frameRate && name !== "range" ? 1 / frameRate : NUDGE_SECONDS;
      wanted = event.key.startsWith("Page") ? this.#nextTarget(now, direction) : now + direction * step;
    }
    this.#choose(this.#dragged(selection, { name, at: now, offset: 0 }, wanted, true));
    this.waveform.reveal(Math.min(Math.max(this.#timeOf(name, this.selection ?? selection), 0), this.#duration));
  }

  /** The next beat or silence in a direction, or five seconds on. @param {number} time @param {number} direction */
  #nextTarget(time, direction) {
    const { beats, silences } = this.told.targets();
    return nextOf([...(beats ?? []), ...(silences ?? [])], time, direction);
  }

  /** A handle's place; those of the fades keep off the ends, which they would cover. @param {HandleName} name @param {Selection} selection */
  #xOf(name, selection) {
    const x = this.waveform.x(this.#timeOf(name, selection));
    if (name === "fadeIn") return Math.max(x, this.waveform.x(selection.start) + HANDLE_PIXELS);
    if (name === "fadeOut") return Math.min(x, this.waveform.x(selection.end) - HANDLE_PIXELS);
    return x;
  }

  /** An end's bar lies inside the range, beside a narrow one; what takes the pointer is wider and stays on the waveform. @param {"start" | "end"} name @param {number} x @param {boolean} isNarrow */
  #placeEnd(name, x, isNarrow) {
    const { width } = this.waveform;
    const isStart = name === "start";
    const bar = isNarrow ? THIN_BAR_PIXELS : BAR_PIXELS;
    const wanted = x - HANDLE_PIXELS * (isNarrow ? Number(isStart) : 0.5);
    const isShown = x > -1 && x < width + 1;
    const left = isShown ? Math.min(Math.max(wanted, 0), width - HANDLE_PIXELS) : wanted;
    const barLeft = x - left - (isStart === isNarrow ? bar : 0);
    const { style } = this.handles[name];
    style.left = `${left}px`;
    style.setProperty("--stv-bar", `${Math.min(Math.max(barLeft, 0), HANDLE_PIXELS - bar)}px`);
  }

  /** Put the handles where the selection is, and tell screen readers. */
  #place() {
    const { selection, waveform } = this;
    const shown = Boolean(selection && this.#duration);
    const isNarrow = shown && selection && waveform.x(selection.end) - waveform.x(selection.start) < NARROW_PIXELS;
    waveform.element.classList.toggle("stv-narrow-range", Boolean(isNarrow));
    for (const name of NAMES) {
      const handle = this.handles[name];
      handle.hidden = !shown || Boolean(isNarrow && name.startsWith("fade"));
      if (!selection || !shown) continue;
      const x = this.#xOf(name, selection);
      if (name === "start" || name === "end") this.#placeEnd(name, x, Boolean(isNarrow));
      else handle.style.left = `${x}px`;
      const value =
        name === "fadeIn" ? selection.fadeIn : name === "fadeOut" ? selection.fadeOut : this.#timeOf(name, selection);
      handle.setAttribute("aria-valuenow", value.toFixed(3));
      handle.setAttribute(
        "aria-valuemax",
        (name.startsWith("fade") ? selection.end - selection.start : this.#duration).toFixed(3),
      );
      handle.setAttribute("aria-valuetext", spokenTime(value));
      handle.setAttribute("aria-disabled", String(this.locked.has(name)));
    }
    if (!selection || !shown) return;
    const [from, to] = [waveform.x(selection.start), waveform.x(selection.end)];
    this.handles.range.style.width = `${Math.max(to - from, 1)}px`;
    const length = spokenTime(selection.end - selection.start);
    this.handles.range.setAttribute("aria-valuetext", translated("from {start}, {length} long", { start: spokenTime(selection.start), length }));
  }
}
