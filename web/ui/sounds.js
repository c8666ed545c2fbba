/** Sounds as the browser knows them: peaks, length and silences, fetched once per file and shared by all widgets. */
import { packJSON, packURL } from "../host.js";
import { Peaks, messages } from "../lib/peaks.js";
import { fileKey } from "../lib/soundfile.js";
import { stir } from "./ticker.js";

/** @typedef {import("../lib/soundfile.js").SoundFile} SoundFile */

const MOST_BYTES = 25_000_000;

export class Sound extends EventTarget {
  /** @param {SoundFile} file */
  constructor(file) {
    super();
    this.file = file;
    this.duration = 0;
    this.sampleRate = 0;
    this.peaks = new Peaks(0, 0);
    /** @type {[number, number][]} */
    this.silences = [];
    /** All is known: the duration is exact. */
    this.complete = false;
    /** @type {string | null} */
    this.error = null;
    /** The file is not there (any more). */
    this.isGone = false;
    /** @type {Promise<number[]> | null} */
    this.beatsAsked = null;
    /** What the file's size and time of change were when it was read. */
    this.stamp = "";
  }

  /** What one of our routes is asked about this state of the file, so that no cache answers with another. */
  get query() {
    return { ...this.file, stamp: this.stamp };
  }

  /** Times of the beats in seconds; asked for once. Rejects with the server's sentence. */
  beats() {
    this.beatsAsked ??= packJSON("beats", this.query).then((said) => said.beats);
    return this.beatsAsked;
  }

  /** Borders of the silences, ascending, in seconds. */
  get silenceBorders() {
    return this.silences.flat();
  }

  async load() {
    try {
      this.stamp = await stampOf(this.file);
      // One of the user's that is not there may come; one that a graph made comes with a run.
      if (this.stamp || this.file.type !== "temp")
        stamps.set(fileKey(this.file), { file: this.file, stamp: this.stamp });
      const response = await fetch(packURL("peaks", this.query));
      this.isGone = response.status === 404;
      if (!response.ok || !response.body) {
        throw new Error((await response.json().catch(() => ({}))).error ?? `the server answered ${response.status}`);
      }
      for await (const { about, payload } of messages(chunksOf(response.body))) this.#take(about, payload);
      if (!this.complete && !this.error) throw new Error("the connection to the server was lost.");
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      this.#changed();
    }
  }

  /** @param {any} about @param {Int8Array} payload */
  #take(about, payload) {
    if (about.kind === "sound") {
      const overview = this.peaks.overview;
      this.duration = about.duration;
      this.sampleRate = about.sample_rate ?? 0;
      this.peaks = new Peaks(about.duration, about.bins_per_second ?? 0);
      this.peaks.overview = overview;
    } else if (about.kind === "overview") {
      this.peaks.overview = payload.slice();
    } else if (about.kind === "peaks") {
      this.peaks.append(about.first_bin, payload);
    } else if (about.kind === "end") {
      this.duration = about.duration;
      this.silences = about.silences;
      this.complete = true;
    } else if (about.kind === "error") {
      this.error = about.error;
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {ReadableStream<Uint8Array>} body */
async function* chunksOf(body) {
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

/** @type {Map<string, Sound>} by file, the last used last */
const known = new Map();

/** What the files were when they were read, by name. @type {Map<string, {file: SoundFile, stamp: string}>} */
const stamps = new Map();
/** How often each file was seen to have changed, by name. @type {Map<string, number>} */
const changes = new Map();

/** The server's mark of a file's size and time of change; "" for one that is not there. @param {SoundFile} file */
async function stampOf(file) {
  const { ok, headers } = await fetch(packURL("peaks", file), { method: "HEAD", cache: "no-store" });
  return (ok && headers.get("Sound-Stamp")) || "";
}

/** What tells one sound from another: the file, and which state of it. @param {SoundFile} file */
export function soundKey(file) {
  return `${fileKey(file)}#${changes.get(fileKey(file)) ?? 0}`;
}

/** Look whether files have changed under their names; those that have are read again, and have another `soundKey`. */
export async function lookForChanges() {
  const look = async (/** @type {string} */ key, /** @type {{file: SoundFile, stamp: string}} */ was) => {
    const stamp = await stampOf(was.file).catch(() => was.stamp);
    if (stamp === was.stamp || stamps.get(key) !== was) return;
    stamps.delete(key);
    known.delete(key);
    changes.set(key, (changes.get(key) ?? 0) + 1);
    stir();
  };
  await Promise.all([...stamps].map(([key, was]) => look(key, was)));
}

/** The sound in a file; it fills itself and says so with `change` events. @param {SoundFile} file @returns {Sound} */
export function soundIn(file) {
  const key = fileKey(file);
  let sound = known.get(key);
  if (!sound || sound.error) {
    sound = new Sound(file);
    sound.load();
  }
  known.delete(key);
  known.set(key, sound);
  forgetOldest();
  return sound;
}

function forgetOldest() {
  let bytes = [...known.values()].reduce((sum, sound) => sum + sound.peaks.byteLength, 0);
  for (const [key, sound] of known) {
    if (bytes <= MOST_BYTES || known.size === 1) return;
    bytes -= sound.peaks.byteLength;
    known.delete(key);
  }
}
