import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as boxes from "../../web/lib/box.js";
import { contrast, legible } from "../../web/lib/colour.js";
import { familiesFor, modelOf, settingIn } from "../../web/lib/families.js";
import { factorOf, formatGain, gainToLoudness, gainToPeak, parseGain } from "../../web/lib/gain.js";
import { isConnected, nodeAt, nodesBefore, originOf, targetsOf, valueInto } from "../../web/lib/graph.js";
import { SOUND_LIMITS, isRefused } from "../../web/lib/limits.js";
import { catchUp, frameAt, lengthOf, middleOfFrame, stepped } from "../../web/lib/pair.js";
import { Peaks, messages } from "../../web/lib/peaks.js";
import { Runs } from "../../web/lib/runs.js";
import { Scope } from "../../web/lib/scope.js";
import {
  between,
  endingAt,
  fieldsOf,
  movedTo,
  phraseAt,
  selectionOf,
  startingAt,
  withEnd,
  withFades,
  withStart,
} from "../../web/lib/selection.js";
import { lowerBound, nearest, snapped } from "../../web/lib/snap.js";
import { soundFileOf, stemOf, valueOf } from "../../web/lib/soundfile.js";
import { formatTime, nearestFrameTime, parseTime, spokenTime, toMilliseconds } from "../../web/lib/time.js";
import {
  ruler,
  scrolledView,
  timeAt,
  viewAround,
  viewShowing,
  wholeView,
  xAt,
  zoomedView,
} from "../../web/lib/view.js";
import { categoryOf, withoutDescribed } from "../../web/lib/templates.js";
import { turnsOf } from "../../web/lib/speakers.js";
import { Change, withNode } from "../../web/lib/undo.js";
import { Watch } from "../../web/lib/watch.js";
import { interleaved, wavParts } from "../../web/lib/wav.js";

const rounding = JSON.parse(readFileSync(new URL("../data/rounding.json", import.meta.url), "utf-8"));

/** @param {number} actual @param {number} expected @param {number} [within] */
function near(actual, expected, within = 1e-9) {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);
}

/** A repeatable stream of numbers in 0..1. @param {number} seed */
function random(seed) {
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}

test("a time is rounded to the millisecond that Python rounds it to", () => {
  for (const { seconds, milliseconds } of rounding.milliseconds) {
    assert.equal(Math.round(toMilliseconds(Number(seconds)) * 1000), milliseconds, seconds);
  }
});

test("times are read as people write them", () => {
  const written = {
    "1:23.45": 83.45,
    83.45: 83.45,
    "83,45": 83.45,
    "1:02:03": 3723,
    "0:08": 8,
    ".5": 0.5,
    " 12 s": 12,
    "8sec": 8,
    "2:00:00.5": 7200.5,
  };
  for (const [text, seconds] of Object.entries(written)) near(/** @type {number} */ (parseTime(text)), seconds);
  for (const text of ["", "abc", "1:2:3:4", "-3", "1:", ":", "1e3", "NaN", "12 m"])
    assert.equal(parseTime(text), null, text);
});

test("a written time reads back as itself", () => {
  const next = random(7);
  for (let i = 0; i < 500; i++) {
    const seconds = Math.round(next() * 9e6) / 1000;
    near(/** @type {number} */ (parseTime(formatTime(seconds, 3))), seconds, 1e-6);
  }
  assert.equal(formatTime(59.999), "1:00.00");
  assert.equal(formatTime(3599.9999), "1:00:00.00");
  assert.equal(formatTime(83.45), "1:23.45");
  assert.equal(formatTime(7, 0), "0:07");
  assert.equal(spokenTime(83.45), "1 minute 23.45 seconds");
  assert.equal(spokenTime(7325), "2 hours 2 minutes 5 seconds");
});

test("what is under the pointer stays there while zooming", () => {
  const next = random(3);
  for (let i = 0; i < 200; i++) {
    const duration = 1 + next() * 3600;
    let view = wholeView(duration);
    const x = 300 + next() * 200;
    const anchor = timeAt(view, x, 800);
    for (let step = 0; step < 5; step++) view = zoomedView(view, 1.7, anchor, duration);
    if (view.end - view.start > 0.051) near(xAt(view, anchor, 800), x, 1e-6);
    assert.ok(view.start >= 0 && view.end <= duration + 1e-9);
  }
});

test("a view never leaves the sound", () => {
  assert.deepEqual(scrolledView({ start: 2, end: 4 }, -10, 60), { start: 0, end: 2 });
  assert.deepEqual(scrolledView({ start: 2, end: 4 }, 100, 60), { start: 58, end: 60 });
  assert.deepEqual(zoomedView({ start: 2, end: 4 }, 1e-6, 3, 60), { start: 0, end: 60 });
  near(zoomedView({ start: 2, end: 4 }, 1e9, 3, 60).end - zoomedView({ start: 2, end: 4 }, 1e9, 3, 60).start, 0.05);
  assert.deepEqual(viewShowing({ start: 2, end: 4 }, 5, 60), { start: 3, end: 5 });
  const around = viewAround(10, 18, 60);
  assert.ok(around.start < 10 && around.end > 18);
});

test("the ruler's labels are round, apart from each other, and few", () => {
  for (const seconds of [0.05, 0.3, 1, 7.3, 40, 61, 600, 3600, 40000]) {
    for (const width of [200, 480, 1600]) {
      const { ticks } = ruler({ start: 0.37, end: 0.37 + seconds }, width);
      const labels = ticks.filter(({ major }) => major);
      assert.ok(ticks.length <= width / 4, `${ticks.length} ticks on ${width} pixels`);
      for (let i = 1; i < labels.length; i++) {
        assert.ok(((labels[i].time - labels[i - 1].time) / seconds) * width >= 63.9);
      }
    }
  }
  assert.deepEqual(
    ruler({ start: 0, end: 10 }, 700)
      .ticks.filter(({ major }) => major)
      .map(({ time }) => time),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
});

const fields = { start_seconds: 0, end_seconds: 0, fade_in_seconds: 0, fade_out_seconds: 0 };

test("the fields mean what Python takes them to mean", () => {
  assert.deepEqual(selectionOf(fields, 10), { start: 0, end: 10, fadeIn: 0, fadeOut: 0 });
  assert.deepEqual(selectionOf({ ...fields, start_seconds: 2, end_seconds: -1 }, 10), {
    start: 2,
    end: 9,
    fadeIn: 0,
    fadeOut: 0,
  });
  assert.equal(selectionOf({ ...fields, start_seconds: 12, end_seconds: 9.5 }, 20), null);
  assert.deepEqual(selectionOf({ ...fields, start_seconds: -4, end_seconds: -1 }, 10), {
    start: 6,
    end: 9,
    fadeIn: 0,
    fadeOut: 0,
  });
  assert.equal(selectionOf({ ...fields, start_seconds: -11 }, 10)?.start, 0);
  assert.equal(selectionOf({ ...fields, end_seconds: -10 }, 10), null);
  assert.equal(selectionOf({ ...fields, start_seconds: 8 }, 8), null);
});

test("a selection is written so that it means the same again", () => {
  const next = random(11);
  for (let i = 0; i < 300; i++) {
    const duration = 0.5 + next() * 100;
    const start = next() * duration * 0.5;
    const end = start + 0.02 + next() * (duration - start - 0.02);
    const again = selectionOf(fieldsOf({ start, end, fadeIn: 0.1, fadeOut: 0.25 }, duration), duration);
    near(again?.start ?? NaN, start, 0.0006);
    near(again?.end ?? NaN, end, 0.0006);
  }
  assert.equal(fieldsOf({ start: 1, end: 10, fadeIn: 0, fadeOut: 0 }, 10).end_seconds, 0);
});

test("no drag makes a selection that is empty, inverted or outside", () => {
  const next = random(5);
  const duration = 20;
  let selection = { start: 2, end: 8, fadeIn: 1, fadeOut: 1 };
  for (let i = 0; i < 2000; i++) {
    const to = -5 + next() * 30;
    const action = Math.floor(next() * 6);
    if (action === 0) selection = withStart(selection, to);
    if (action === 1) selection = withEnd(selection, to, duration);
    if (action === 2) selection = movedTo(selection, to, duration);
    if (action === 3) selection = between(selection, to, -5 + next() * 30, duration);
    if (action === 4) selection = withFades(selection, { fadeIn: to });
    if (action === 5) selection = withFades(selection, { fadeOut: to });
    const { start, end, fadeIn, fadeOut } = selection;
    assert.ok(start >= 0 && end <= duration + 1e-9 && end - start >= 0.01 - 1e-9, JSON.stringify(selection));
    assert.ok(fadeIn >= 0 && fadeOut >= 0 && fadeIn + fadeOut <= end - start + 1e-9, JSON.stringify(selection));
  }
});

test("the range keeps its length when it is moved against an end", () => {
  assert.deepEqual(movedTo({ start: 2, end: 8, fadeIn: 0, fadeOut: 0 }, 18, 20), {
    start: 14,
    end: 20,
    fadeIn: 0,
    fadeOut: 0,
  });
  assert.deepEqual(movedTo({ start: 2, end: 8, fadeIn: 0, fadeOut: 0 }, -3, 20), {
    start: 0,
    end: 6,
    fadeIn: 0,
    fadeOut: 0,
  });
});

test("dragging snaps to what is near, and to frames counted from the other end", () => {
  const beats = [0.5, 1, 1.5, 2];
  const off = { beats: null, silences: null, frameRate: null };
  assert.equal(snapped(1.04, { ...off, beats }, 0.05, 0), 1);
  assert.equal(snapped(1.2, { ...off, beats }, 0.05, 0), 1.2);
  assert.equal(snapped(1.04, { ...off, beats, silences: [1.05] }, 0.05, 0), 1.05);
  assert.equal(snapped(1.04, { ...off, beats, segments: [1.03] }, 0.05, 0), 1.03);
  assert.equal(snapped(1.2, { ...off, beats, frameRate: 16 }, 0.05, 0.1), nearestFrameTime(1.2, 0.1, 16));
  near((nearestFrameTime(1.2, 0.1, 16) - 0.1) * 16, 18);
  assert.equal(snapped(1.2, off, 0.05, 0), 1.2);
  assert.equal(nearest([], 3), null);
  assert.equal(lowerBound(beats, 1.01), 2);
});

test("a column shows the loudest of all its samples at any zoom", () => {
  const next = random(9);
  const bins = 50_000;
  const values = new Int8Array(2 * bins);
  for (let bin = 0; bin < bins; bin++) {
    values[2 * bin] = -Math.floor(next() * 60);
    values[2 * bin + 1] = Math.floor(next() * 60);
  }
  values[2 * 31_234 + 1] = 127;
  const peaks = new Peaks(bins / 1000, 1000);
  for (let from = 0; from < bins; from += 7_001)
    peaks.append(from, values.subarray(2 * from, 2 * Math.min(from + 7_001, bins)));
  for (const [start, end, columns] of [
    [0, 50, 400],
    [0, 50, 37],
    [30, 33, 500],
    [31.2, 31.3, 480],
    [10.01, 10.02, 300],
  ]) {
    const found = peaks.columns(start, end, columns);
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((start + (column * (end - start)) / columns) * 1000 + 1e-9);
      const to = Math.max(from + 1, Math.floor((start + ((column + 1) * (end - start)) / columns) * 1000 - 1e-9));
      let high = -127;
      for (let bin = from; bin < to; bin++) high = Math.max(high, values[2 * bin + 1]);
      assert.ok(found[2 * column + 1] >= high, "a peak is never hidden");
    }
  }
  assert.equal(Math.max(...peaks.columns(0, 50, 480)), 127);
  assert.equal(Math.max(...peaks.columns(32, 50, 480)) < 127, true);
});

test("while a sound is being read, the rough overview fills what is not known", () => {
  const peaks = new Peaks(10, 1000);
  peaks.overview = Int8Array.from({ length: 20 }, (_, i) => (i % 2 ? 50 : -50));
  peaks.append(
    0,
    Int8Array.from({ length: 2 * 5000 }, (_, i) => (i % 2 ? 9 : -9)),
  );
  const found = peaks.columns(0, 10, 10);
  assert.equal(found[1], 9);
  assert.equal(found[19], 50);
});

test("an hour takes less than ten megabytes", () => {
  assert.ok(new Peaks(3600, 1000).byteLength < 10e6);
});

test("messages come out whole however the bytes are cut", async () => {
  const parts = [];
  for (const [about, payload] of [
    [{ kind: "sound" }, []],
    [{ kind: "peaks" }, [1, -2, 3]],
    [{ kind: "end" }, []],
  ]) {
    const text = new TextEncoder().encode(JSON.stringify(about));
    const lengths = new DataView(new ArrayBuffer(8));
    lengths.setUint32(0, text.length, true);
    lengths.setUint32(4, payload.length, true);
    parts.push(new Uint8Array(lengths.buffer), text, new Uint8Array(Int8Array.from(payload).buffer));
  }
  const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
  for (const size of [1, 2, 7, 8, 9, 1000]) {
    const found = [];
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
    }
    for await (const { about, payload } of messages(chunks())) found.push([about.kind, [...payload]]);
    assert.deepEqual(found, [
      ["sound", []],
      ["peaks", [1, -2, 3]],
      ["end", []],
    ]);
  }
});

test("a gain brings a cut to a level and never beyond full scale", () => {
  assert.equal(gainToPeak({ peak: -7.254, loudness: -30 }), 6.25, "rounded down, so that the peak stays under it");
  assert.equal(gainToPeak({ peak: 2, loudness: null }), -3);
  assert.deepEqual(gainToLoudness({ peak: -10, loudness: -20 }), { gain: 4, loudness: -16 });
  assert.deepEqual(gainToLoudness({ peak: -2, loudness: -20 }), { gain: 1, loudness: -19 }, "the peak is in the way");
  assert.deepEqual(gainToLoudness({ peak: 0, loudness: -9.5 }), { gain: -6.5, loudness: -16 });
  assert.equal(gainToPeak({ peak: -120, loudness: null }), 60, "no more than the node takes");
  for (const level of [{ peak: null, loudness: null }, { peak: -20, loudness: null }])
    assert.equal(gainToLoudness(level), null);
  assert.equal(gainToPeak({ peak: null, loudness: null }), null);
  assert.equal(factorOf(0), 1);
  assert.ok(Math.abs(factorOf(-6.0206) - 0.5) < 1e-5);
});

test("a gain is written and read as people do", () => {
  for (const [text, gain] of /** @type {[string, number][]} */ ([["+3.5 dB", 3.5], ["−6", -6], ["-0,25db", -0.25], [".5", 0.5], ["99", 60], ["0", 0]]))
    assert.equal(parseGain(text), gain, text);
  for (const text of ["", "dB", "loud", "1:00", "3 dBA", "--3", "1e3"]) assert.equal(parseGain(text), null, text);
  assert.deepEqual([0, 3.5, -6, 0.126, -0.001].map(formatGain), ["0 dB", "+3.5 dB", "-6 dB", "+0.13 dB", "0 dB"]);
  for (const gain of [3.25, -12, 0, 60]) assert.equal(parseGain(formatGain(gain)), gain);
});

test("a take's WAV says what it holds", async () => {
  const left = Float32Array.from([0, 0.5, -1, 2]);
  const right = Float32Array.from([0, -0.5, 1, -2]);
  const samples = interleaved([left, right]);
  assert.deepEqual([...samples], [0, 0, 16384, -16384, -32768, 32767, 32767, -32768]);
  const bytes = new DataView(await new Blob(wavParts([samples, samples], 2, 44100)).arrayBuffer());
  assert.equal(bytes.byteLength, 44 + 32);
  assert.equal(bytes.getUint32(4, true), 36 + 32);
  assert.equal(bytes.getUint16(22, true), 2);
  assert.equal(bytes.getUint32(24, true), 44100);
  assert.equal(bytes.getUint32(28, true), 44100 * 4);
  assert.equal(bytes.getUint32(40, true), 32);
  assert.equal(bytes.getInt16(44 + 4, true), 16384);
});

test("a widget's value names a file of the host", () => {
  assert.deepEqual(soundFileOf("song.mp3"), { filename: "song.mp3", subfolder: "", type: "input" });
  assert.deepEqual(soundFileOf("a/b/voice one.wav [output]"), {
    filename: "voice one.wav",
    subfolder: "a/b",
    type: "output",
  });
  assert.deepEqual(soundFileOf("a\\b.wav"), { filename: "b.wav", subfolder: "a", type: "input" });
  for (const nothing of ["", "  ", null, undefined, 3, "folder/"]) assert.equal(soundFileOf(nothing), null);
  assert.deepEqual(["a.b.wav", "take", ".wav"].map((filename) => stemOf({ filename, subfolder: "", type: "input" })), ["a.b", "take", ""]);
});

test("what a scope started ends with it", () => {
  const scope = new Scope();
  const target = new EventTarget();
  let heard = 0;
  let ended = 0;
  scope.listen(target, "tick", () => heard++);
  scope.onEnd(() => ended++);
  target.dispatchEvent(new Event("tick"));
  scope.end();
  target.dispatchEvent(new Event("tick"));
  scope.onEnd(() => ended++);
  assert.deepEqual([heard, ended], [1, 2]);
});

/** A graph with what the front end's graphs have. @param {any[]} nodes @param {number[][]} links id, from, slot, to, slot */
function graphOf(nodes, links, more = {}) {
  /** @type {any} */
  const graph = { nodes, links: new Map(), ...more };
  graph.getNodeById = (/** @type {any} */ id) => nodes.find((node) => String(node.id) === String(id));
  graph.rootGraph ??= graph;
  for (const node of nodes) Object.assign(node, { graph, inputs: node.inputs ?? [], outputs: node.outputs ?? [] });
  for (const [id, origin, origin_slot, target, target_slot] of links) {
    // Ends are strings since front end 1.47; they were numbers, and a saved workflow still has some.
    const [origin_id, target_id] = id % 2 ? [String(origin), String(target)] : [origin, target];
    graph.links.set(id, { id, origin_id, origin_slot, target_id, target_slot });
  }
  return graph;
}
const port = () => ({ type: "AUDIO" });

test("a sound is followed through reroutes and bypassed nodes, both ways", () => {
  const load = { id: 1, type: "LoadAudio", outputs: [port()] };
  const reroute = { id: 2, type: "Reroute", inputs: [{ type: "*" }], outputs: [{ type: "*" }] };
  const bypassed = { id: 3, type: "Louder", mode: 4, inputs: [{ type: "FLOAT" }, port()], outputs: [port()] };
  const trim = { id: 4, type: "Trim", inputs: [port()], outputs: [port()] };
  graphOf(
    [load, reroute, bypassed, trim],
    [
      [1, 1, 0, 2, 0],
      [2, 2, 0, 3, 1],
      [3, 3, 0, 4, 0],
    ],
  );
  assert.equal(originOf(trim, 0)?.node, load);
  assert.deepEqual(
    targetsOf(load, 0).map(({ node }) => node),
    [trim],
  );
  bypassed.mode = 0;
  assert.equal(originOf(trim, 0)?.node, bypassed);
  bypassed.mode = 2;
  assert.equal(originOf(trim, 0), null);
});

test("what stands before an input is known to the loader, whether it runs or not", () => {
  const model = () => ({ name: "model", type: "MODEL" });
  const loader = { id: 1, type: "Loader", outputs: [model()] };
  const lora = { id: 2, type: "Lora", mode: 4, inputs: [{ name: "on", type: "INT" }, model()], outputs: [model()] };
  const shift = { id: 3, type: "Shift", inputs: [model()], outputs: [model()] };
  const sampler = { id: 4, type: "Sampler", inputs: [{ name: "vae", type: "VAE" }, model()], outputs: [] };
  const links = [
    [1, 1, 0, 2, 1],
    [2, 2, 0, 3, 0],
    [3, 3, 0, 4, 1],
  ];
  graphOf([loader, lora, shift, sampler], links);
  assert.deepEqual(nodesBefore(sampler, "model"), [shift, lora, loader]);
  assert.deepEqual(nodesBefore(sampler, "vae"), []);
  assert.deepEqual(nodesBefore(sampler, "no such input"), []);
});

test("a sound is followed into subgraphs and out of them", () => {
  const inside = { id: 10, type: "LoadAudio", outputs: [port()] };
  const trim = { id: 11, type: "Trim", inputs: [port()], outputs: [port()] };
  const outerLoad = { id: 1, type: "LoadAudio", outputs: [port()] };
  const box = /** @type {any} */ ({ id: 2, type: "a-b-c", inputs: [port()], outputs: [port(), port()] });
  const outerTrim = { id: 3, type: "Trim", inputs: [port()], outputs: [port()] };
  const encode = { id: 4, type: "Encode", inputs: [port()], outputs: [] };
  const root = graphOf(
    [outerLoad, box, outerTrim, encode],
    [
      [1, 1, 0, 2, 0],
      [2, 2, 0, 3, 0],
      [3, 2, 1, 4, 0],
    ],
  );
  const subgraph = graphOf(
    [inside, trim],
    [
      [21, 10, 0, -20, 0],
      [22, -10, 0, 11, 0],
      [23, 11, 0, -20, 1],
    ],
    {
      rootGraph: root,
    },
  );
  root.subgraphs = new Map([["a-b-c", subgraph]]);
  box.subgraph = subgraph;
  assert.equal(originOf(trim, 0)?.node, outerLoad, "out of the subgraph");
  assert.equal(originOf(outerTrim, 0)?.node, inside, "into the subgraph");
  assert.deepEqual(
    targetsOf(trim, 0).map(({ node }) => node),
    [encode],
    "downstream out of it",
  );
  assert.deepEqual(
    targetsOf(outerLoad, 0).map(({ node }) => node),
    [trim],
    "downstream into it",
  );
});

test("a field says what a primitive node or a subgraph's own field brings", () => {
  const field = (/** @type {string} */ name) => ({ name, type: "FLOAT" });
  const primitive = { id: 1, type: "PrimitiveFloat", outputs: [field("")], widgets: [{ name: "value", value: 5 }] };
  const computed = { id: 2, type: "Calculator", outputs: [field("")], widgets: [{ name: "x", value: 7 }] };
  const trim = { id: 3, type: "Trim", inputs: [field("start"), field("end")] };
  const inner = { id: 10, type: "Trim", inputs: [field("start"), field("end")] };
  const box = /** @type {any} */ ({
    id: 4,
    type: "a-b-c",
    inputs: [field("start"), field("end")],
    widgets: [{ name: "end", value: 9 }],
  });
  const root = graphOf(
    [primitive, computed, trim, box],
    [
      [1, 1, 0, 3, 0],
      [2, 2, 0, 3, 1],
      [3, 1, 0, 4, 0],
    ],
  );
  box.subgraph = graphOf(
    [inner],
    [
      [21, -10, 0, 10, 0],
      [22, -10, 1, 10, 1],
    ],
    { rootGraph: root },
  );
  root.subgraphs = new Map([["a-b-c", box.subgraph]]);
  assert.deepEqual([isConnected(trim, "start"), isConnected(trim, "end"), isConnected(trim, "fade")], [true, true, false]);
  assert.deepEqual([valueInto(trim, 0), valueInto(trim, 1)], [5, undefined]);
  assert.deepEqual([valueInto(inner, 0), valueInto(inner, 1)], [5, 9]);
});

test("a file has a name that a widget takes", () => {
  for (const value of ["song.mp3", "takes/voice.wav", "a/clip.mp4 [output]"]) {
    const file = soundFileOf(value);
    assert.ok(file);
    assert.equal(valueOf(file), value);
  }
});

test("colours are mixed until they can be read", () => {
  assert.equal(contrast([0, 0, 0], [255, 255, 255]), 21);
  /** @type {[number, number, number]} */
  const black = [0, 0, 0];
  for (const background of /** @type {[number, number, number][]} */ ([[255, 255, 255], [240, 240, 240]])) {
    assert.ok(contrast([49, 185, 244], background) < 4.5);
    assert.ok(contrast(legible([49, 185, 244], black, [background]), background) >= 4.5);
  }
  assert.deepEqual(legible([200, 0, 0], black, [[255, 255, 255]]), [200, 0, 0], "what can be read stays as it is");
});

test("a change is one step of undo, though the tracker looks at it while it goes on", () => {
  const [before, during] = [{ at: 1 }, { at: 2 }];
  const tracker = { activeState: before, undoQueue: [{ at: 0 }] };
  const change = new Change(tracker);
  tracker.activeState = during; // 50 ms after the step before
  change.end(tracker);
  assert.equal(tracker.activeState, before);
  const next = new Change(tracker);
  tracker.undoQueue.push(before); // somebody else made a step of it
  tracker.activeState = during;
  next.end(tracker);
  assert.equal(tracker.activeState, during);
  new Change(tracker).end({ activeState: before });
  new Change(undefined).end(undefined);
});

test("a node is changed in a state, and the state it was made of stays as it is", () => {
  const state = {
    nodes: [{ id: 1 }, { id: "2", size: [1, 1] }],
    definitions: { subgraphs: [{ id: "inner", nodes: [{ id: 2 }, { id: 3 }] }] },
  };
  const kept = structuredClone(state);
  const named = (/** @type {any} */ node) => ({ ...node, name: "x" });
  assert.deepEqual(withNode(state, "root", 2, named).nodes, [{ id: 1 }, { id: "2", size: [1, 1], name: "x" }]);
  const inner = withNode(state, "inner", 2, named);
  assert.deepEqual(inner.definitions.subgraphs[0].nodes, [{ id: 2, name: "x" }, { id: 3 }]);
  assert.deepEqual(inner.nodes, state.nodes);
  assert.equal(withNode(state, "root", 9, named), state);
  assert.deepEqual(state, kept);
});

test("what a run says belongs to the workflow that it was queued from", () => {
  const runs = new Runs();
  const [verse, chorus] = [{}, {}];
  const at = (/** @type {any} */ workflow, id = "9") => runs.latest(workflow, (node) => node === id)?.output ?? null;
  runs.queued("1", verse);
  runs.say("1", "9", { output: "of the verse" }, chorus);
  assert.deepEqual([at(verse), at(chorus), at(verse, "8"), at(null)], ["of the verse", null, null, null]);
  runs.say("2", "9", { output: "before the page knew of it" }, chorus);
  assert.equal(at(chorus), "before the page knew of it");
  runs.queued("2", verse);
  assert.deepEqual([at(verse), at(chorus)], ["before the page knew of it", null]);
  runs.queued("3", verse);
  runs.say("3", "8", { failed: "stopped" }, verse);
  assert.equal(runs.latest(verse, () => true)?.failed, "stopped");
  assert.equal(runs.latest(verse, () => true, ({ output }) => Boolean(output))?.output, "before the page knew of it");
  for (let run = 4; run < 60; run++) runs.queued(String(run), chorus);
  assert.equal(at(verse), null, "the oldest are forgotten");
});

test("a run's ids lead into subgraphs", () => {
  const inner = { id: 10, type: "Trim" };
  const box = /** @type {any} */ ({ id: 4, type: "a-b-c" });
  const root = graphOf([box], []);
  box.subgraph = graphOf([inner], [], { rootGraph: root });
  assert.equal(nodeAt(root, "4"), box);
  assert.equal(nodeAt(root, "4:10"), inner);
  for (const id of ["10", "4:11", "5:10", ""]) assert.equal(nodeAt(root, id), null);
});

test("the plan is of the family whose encoder is loaded", () => {
  const family = (/** @type {string} */ id, /** @type {string} */ audio_input, /** @type {string} */ encoder) => ({
    id,
    display_name: id,
    audio_input,
    encoder,
  });
  const families = [
    family("wan_s2v", "audio_encoder", "wav2vec2-large"),
    family("humo", "audio_encoder", "whisper-large-v3"),
    family("infinitetalk", "audio_encoder", "wav2vec2-base"),
    family("ltx", "audio_vae", "ltx-audio-vae"),
  ];
  const meant = (/** @type {string} */ encoderFile, family = "", audioInput = "audio_encoder") =>
    familiesFor(families, { audioInput, family, encoderFile }).map(({ id }) => id);
  assert.deepEqual(meant("Whisper_large_v3_fp16.safetensors"), ["humo"]);
  assert.deepEqual(meant("wav2vec2_large_english_fp16.safetensors"), ["wan_s2v"]);
  assert.deepEqual(meant("wav2vec2-chinese-base_fp16.safetensors"), ["infinitetalk"]);
  assert.deepEqual(meant("wav2vec2.safetensors"), ["wan_s2v", "infinitetalk"]);
  assert.deepEqual(meant("my_encoder.safetensors"), ["wan_s2v", "humo", "infinitetalk"]);
  assert.deepEqual(meant(""), ["wan_s2v", "humo", "infinitetalk"]);
  assert.deepEqual(meant("wav2vec2.pt", "humo"), ["humo"], "what the last run recognised");
  assert.deepEqual(meant("whatever.pt", "", "audio_vae"), ["ltx"]);
  const variant = { name: "H3", files: ["h3"], settings: [], sizes: [], multiple: 32, speed_loras: [] };
  const more = [...families, { ...family("h3", "audio_vae", "h3-audio-vae"), variants: [variant] }];
  const ofModel = (/** @type {string[]} */ ...modelFiles) =>
    familiesFor(more, { audioInput: "audio_vae", family: "", encoderFile: "", modelFiles }).map(({ id }) => id);
  assert.deepEqual(ofModel("h3_int8.safetensors"), ["h3"], "the model that is loaded, before any run");
  assert.deepEqual(ofModel("mine.safetensors"), ["ltx", "h3"]);
  const withVaes = [...families, family("minimax", "audio_vae", "minimax-h3-audio-vae")];
  const heardBy = (/** @type {string} */ encoderFile) =>
    familiesFor(withVaes, { audioInput: "audio_vae", family: "", encoderFile }).map(({ id }) => id);
  assert.deepEqual(heardBy("LTXVAudioVAELoader my_small.safetensors"), ["ltx"], "by the loader");
  assert.deepEqual(heardBy("VAELoader ltx-2.5-audio-vae-bf16.safetensors"), ["ltx"]);
  assert.deepEqual(heardBy("VAELoader minimax_h3_audio_vae_fp32.safetensors"), ["minimax"]);
  assert.deepEqual(heardBy("VAELoader whatever.pt"), ["ltx", "minimax"]);
});

test("a sound for a node with limits: their ends are taken, what is beyond is not", () => {
  assert.deepEqual(
    [1.99, 2, 30, 30.01].map((seconds) => isRefused(seconds, SOUND_LIMITS.Wan2ImageToVideoApi)),
    [true, false, false, true],
  );
});

test("two clips in step: times are middles of frames, and the one behind catches up", () => {
  const clip = { frame_rate: 24, frame_count: 48 };
  near(lengthOf(clip), 2);
  for (let frame = 0; frame < 48; frame++) {
    assert.equal(frameAt(clip, frame / 24), frame);
    assert.equal(frameAt(clip, middleOfFrame(clip, frame / 24)), frame);
    assert.equal(frameAt(clip, stepped(clip, middleOfFrame(clip, frame / 24), 1)), Math.min(47, frame + 1));
    assert.equal(frameAt(clip, stepped(clip, middleOfFrame(clip, frame / 24), -1)), Math.max(0, frame - 1));
  }
  assert.equal(frameAt(clip, 99), 47);
  assert.deepEqual(catchUp(0.001, 24), { speed: 1, jump: false });
  assert.ok(catchUp(0.05, 24).speed > 1 && catchUp(-0.05, 24).speed < 1);
  assert.ok(catchUp(5, 24).jump && catchUp(-5, 24).jump);
});

test("the ends are set at the cursor, on whichever side of the other it is", () => {
  const range = { start: 2, end: 6, fadeIn: 0.5, fadeOut: 1 };
  assert.deepEqual(startingAt(range, 3, 10), { ...range, start: 3 });
  assert.deepEqual(startingAt(range, 7, 10), { ...range, start: 7, end: 10 });
  assert.deepEqual(endingAt(range, 5, 10), { ...range, end: 5 });
  assert.deepEqual(endingAt(range, 1, 10), { start: 0, end: 1, fadeIn: 0.5, fadeOut: 0.5 });
});

test("a phrase lies between two silences", () => {
  /** @type {[number, number][]} */
  const silences = [
    [0, 0.5],
    [3, 4],
    [7, 7.5],
  ];
  assert.deepEqual(phraseAt(silences, 1, 10), { start: 0.5, end: 3 });
  assert.deepEqual(phraseAt(silences, 4, 10), { start: 4, end: 7 });
  assert.deepEqual(phraseAt(silences, 9, 10), { start: 7.5, end: 10 });
  assert.deepEqual(phraseAt(silences, 3.5, 10), { start: 0, end: 10 }, "in a silence");
  assert.deepEqual(phraseAt([], 3, 10), { start: 0, end: 10 }, "where there is none");
});

test("a change of a node, a value or a link is seen, and nothing is where there is none", () => {
  /** @type {any} */
  const load = { id: 1, type: "Load", mode: 0, outputs: [port()], widgets: [{ name: "audio", value: "a.wav" }] };
  const trim = { id: 2, type: "Trim", mode: 0, inputs: [port()], properties: { kept: null, other: 1 } };
  const root = graphOf([load, trim], [[1, 1, 0, 2, 0]]);
  const inner = graphOf([{ id: 3, widgets: [{ value: 1 }] }], [], { rootGraph: root });
  root.subgraphs = new Map([["a", inner]]);
  const watch = new Watch();
  const hasChanged = (/** @type {unknown[]} */ ...others) => watch.hasChanged(root, ["kept"], others);
  assert.deepEqual([hasChanged(1), hasChanged(1)], [true, false]);
  const changes = [
    () => (load.widgets[0].value = "b.wav"),
    () => (trim.mode = 4),
    () => (trim.properties.kept = /** @type {any} */ ({})),
    () => (inner.nodes[0].widgets[0].value = 2),
    () => root.links.delete(1),
    () => root.nodes.pop(),
  ];
  for (const change of changes) {
    change();
    assert.deepEqual([hasChanged(1), hasChanged(1)], [true, false], String(change));
  }
  trim.properties.other = 2;
  assert.equal(hasChanged(1), false);
  assert.equal(hasChanged(2), true);
  Object.defineProperty(load.widgets[0], "value", { get: () => { throw new Error("not ready") } });
  assert.deepEqual([hasChanged(2), hasChanged(2)], [true, false]);
  assert.equal(watch.hasChanged(null, []), true);
});

const HEAD = { left: 0.2, top: 0.1, right: 0.8, bottom: 0.9 };

test("a box is drawn in any direction, within the picture, and never empty", () => {
  assert.deepEqual(boxes.between({ x: 0.7, y: 0.2 }, { x: 0.3, y: 0.6 }), { left: 0.3, top: 0.2, right: 0.7, bottom: 0.6 });
  assert.deepEqual(boxes.between({ x: -1, y: 0.5 }, { x: 2, y: 3 }), { left: 0, top: 0.5, right: 1, bottom: 1 });
  for (const [x, y] of [[0.5, 0.5], [1, 1], [0, 0]]) {
    const box = boxes.between({ x, y }, { x, y });
    assert.ok(boxes.isBox(box) && boxes.isBox(boxes.rounded(box)), JSON.stringify(box));
  }
  assert.deepEqual(boxes.rounded({ left: 0.12345, top: 0, right: 1 / 3, bottom: 1.2 }), { left: 0.123, top: 0, right: 0.333, bottom: 1 });
});

test("a box moves as a whole and stops at the picture's edge; its edges stop at each other", () => {
  const close = (/** @type {any} */ one, /** @type {any} */ other) =>
    Object.keys(other).forEach((edge) => assert.ok(Math.abs(one[edge] - other[edge]) < 1e-9, `${edge} ${one[edge]}`));
  close(boxes.moved(HEAD, 0.1, -0.05), { left: 0.3, top: 0.05, right: 0.9, bottom: 0.85 });
  close(boxes.moved(HEAD, 5, 5), { left: 0.4, top: 0.2, right: 1, bottom: 1 });
  close(boxes.resized(HEAD, "nw", 0.1, 0.1), { ...HEAD, left: 0.3, top: 0.2 });
  close(boxes.resized(HEAD, "s", 0.5, -9), { ...HEAD, bottom: 0.12 });
  close(boxes.resized(HEAD, "e", 9, 0), { ...HEAD, right: 1 });
});

test("a pointer takes a corner, an edge, the box or begins another", () => {
  const reach = { x: 0.03, y: 0.03 };
  const grips = /** @type {const} */ ([
    [0.2, 0.1, "nw"],
    [0.81, 0.91, "se"],
    [0.5, 0.09, "n"],
    [0.79, 0.5, "e"],
    [0.5, 0.5, "move"],
    [0.1, 0.5, "new"],
    [0.5, 0.99, "new"],
  ]);
  for (const [x, y, grip] of grips) assert.equal(boxes.gripAt(HEAD, { x, y }, reach), grip);
  const small = { left: 0.5, top: 0.5, right: 0.53, bottom: 0.53 };
  assert.equal(boxes.gripAt(small, { x: 0.515, y: 0.515 }, reach), "move", "a small box can still be moved");
});

test("a picture is shown whole, in the middle of its room", () => {
  assert.deepEqual(boxes.fitted(400, 100, 1), { x: 150, y: 0, width: 100, height: 100 });
  assert.deepEqual(boxes.fitted(100, 400, 2), { x: 0, y: 175, width: 100, height: 50 });
});

test("workflows that are described are not listed twice; what the server does not describe stays in the pack's list", () => {
  const about = { file: "talk", name: "A talk.app", title: "A talk", description: "Talks.", models: ["HuMo"], isApp: true };
  const listed = { other: ["a"], ours: ["talk", "new one"] };
  assert.deepEqual(withoutDescribed(listed, "ours", [about]), { other: ["a"], ours: ["new one"] });
  assert.deepEqual(withoutDescribed({ other: ["a"], ours: ["talk"] }, "ours", [about]), { other: ["a"] });
  assert.deepEqual(withoutDescribed(listed, "ours", []), listed);
  const [template] = categoryOf([about]).templates;
  assert.deepEqual([template.name, template.title, template.isApp], ["A talk.app", "A talk", true]);
  assert.ok(template.tags.includes("Sound to Video"));
});

test("the model is known by its files before any run, within the family that a run recognised, and by nothing else", () => {
  const variant = (/** @type {string} */ name, /** @type {string[]} */ ...files) => ({ name, files, settings: [] });
  const families = /** @type {any[]} */ ([
    { id: "s2v", variants: [variant("S2V", "s2v")] },
    { id: "ltx", variants: [variant("small", "small_one"), variant("LTX-2.3", "ltx", "2.3"), variant("LTX-2", "ltx")] },
  ]);
  const known = (/** @type {string[]} */ files, family = "") => modelOf(families, { family, files })?.variant.name;
  assert.equal(known(["Wan2.2-S2V-14B-Q4_K_M.gguf"]), "S2V");
  assert.equal(known(["ltx-2.3-22b-dev-fp8.safetensors"]), "LTX-2.3");
  assert.equal(known(["ltx-2-19b-dev.safetensors"]), "LTX-2");
  assert.equal(known(["small_one.safetensors"]), "small");
  assert.equal(known(["ltx.safetensors", "of_2.3.safetensors"]), "LTX-2", "all words in one name");
  assert.equal(known(["mine.safetensors"]), undefined);
  assert.equal(known([]), undefined);
  assert.equal(known(["mine.safetensors"], "ltx"), "LTX-2", "the last fits any");
  assert.equal(known(["s2v_merge.safetensors"], "ltx"), "LTX-2", "what ran counts more than a name");
});

test("a setting is in the fields and in what is wired; what is not there does not count", () => {
  const setting = (/** @type {string} */ name, /** @type {object} */ values, /** @type {object} */ wired) => ({
    name,
    values,
    ...{ speed_lora: null, shift: null, stages: null },
    ...wired,
  });
  const variant = /** @type {any} */ ({
    settings: [
      setting("two", { steps: 8, rescale: 0.7 }, { stages: 2 }),
      setting("one", { steps: 8, rescale: 0.7 }, { stages: 1, speed_lora: true }),
    ],
  });
  const found = (/** @type {Record<string, unknown>} */ fields, wired = {}) =>
    settingIn(variant, (name) => fields[name], wired)?.name;
  assert.equal(found({ steps: 8, rescale: 0.7 }, { stages: 2 }), "two");
  assert.equal(found({ steps: 8, rescale: 0.7 }, { stages: 1, speed_lora: true }), "one");
  assert.equal(found({ steps: 8 }, { stages: 1 }), "one", "a node without that field, no LoRA to be seen");
  assert.equal(found({ steps: 8, rescale: 0.7 }, { stages: 1, speed_lora: false }), undefined);
  assert.equal(found({ steps: 9, rescale: 0.7 }, { stages: 2 }), undefined);
});

test("speakers are heard from their starts on, or one after the other with pauses", () => {
  const speakers = [
    { duration: 2, start: 0.5 },
    { duration: 1, start: 0.25 },
    { duration: 3, start: 0 },
  ];
  assert.deepEqual(turnsOf(speakers, false), [{ start: 0.5, end: 2.5 }, { start: 0.25, end: 1.25 }, { start: 0, end: 3 }]);
  assert.deepEqual(turnsOf(speakers, true), [{ start: 0.5, end: 2.5 }, { start: 2.75, end: 3.75 }, { start: 3.75, end: 6.75 }]);
  assert.deepEqual(turnsOf([], true), []);
});
