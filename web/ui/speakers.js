/** The panel of Speakers: the sounds under each other, each where it is heard. What it shows is edited in the fields. */
import { isConnected, slotOf } from "../lib/graph.js";
import { Scope } from "../lib/scope.js";
import { turnsOf } from "../lib/speakers.js";
import { translated } from "../lib/words.js";
import { make } from "./dom.js";
import { fieldValue, upstreamSound } from "./follow.js";
import { addPanel } from "./panel.js";
import { soundIn, soundKey } from "./sounds.js";
import { onGraphChange } from "./ticker.js";
import { Waveform } from "./waveform.js";

const COUNT = 4;
const LANES_PIXELS = 120;
const GAP_PIXELS = 4;

/** @typedef {{number: number, waveform: Waveform, element: HTMLElement, shown: string | null}} Lane */

export class SpeakersWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    const scope = new Scope();
    /** @type {Lane[]} */
    this.lanes = Array.from({ length: COUNT }, (_, index) => {
      const waveform = new Waveform(scope, { height: LANES_PIXELS / 2, ruler: false });
      const label = make("span", { class: "stv-speaker-number", text: String(index + 1) });
      const element = make("div", { class: "stv-speaker", hidden: true }, label, waveform.element);
      return { number: index + 1, waveform, element, shown: null };
    });
    this.words = make("div", { class: "stv-line" });
    addPanel(node, scope, "Speakers", LANES_PIXELS + 24, [...this.lanes.map(({ element }) => element), this.words]);
    onGraphChange(scope, () => this.refresh());
  }

  /** Look at the graph and the fields again. */
  refresh() {
    for (const lane of this.lanes) this.#follow(lane);
    this.#layOut();
  }

  /** @param {Lane} lane */
  #follow(lane) {
    const name = `audio_${lane.number}`;
    lane.element.hidden = !isConnected(this.node, name);
    const { file, from } = lane.element.hidden ? { file: null, from: "file" } : upstreamSound(this.node, slotOf(this.node, name));
    const known = from === "file" ? file : null;
    const words = translated("Made in the graph: it is not drawn here.");
    const key = known ? soundKey(known) : words;
    if (key === lane.shown) return;
    lane.shown = key;
    lane.waveform.show(known ? soundIn(known) : null, words, () => this.#layOut());
  }

  #layOut() {
    const lanes = this.lanes.filter(({ element }) => !element.hidden);
    const height = (LANES_PIXELS - GAP_PIXELS * (lanes.length - 1)) / Math.max(lanes.length, 1);
    const inTurns = fieldValue(this.node, "mode") === "in turns";
    const starts = lanes.map(({ number }) => Number(fieldValue(this.node, `start_seconds_${number}`)) || 0);
    const speakers = lanes.map(({ waveform }, index) => ({ duration: waveform.duration, start: starts[index] }));
    const turns = turnsOf(speakers, inTurns);
    const end = Math.max(...turns.map((turn) => turn.end), 0);
    const areKnown = lanes.length > 0 && speakers.every(({ duration }) => duration > 0);
    lanes.forEach(({ waveform, element }, index) => {
      const { start, end: stop } = areKnown ? turns[index] : { start: 0, end: end || 1 };
      element.style.height = `${height}px`;
      waveform.element.style.marginLeft = `${(100 * start) / (end || 1)}%`;
      waveform.element.style.width = `${(100 * (stop - start)) / (end || 1)}%`;
      waveform.setHeight(height);
    });
    this.words.textContent = areKnown ? translated("{seconds} s in all", { seconds: end.toFixed(2) }) : "";
  }
}
