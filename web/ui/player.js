/**
 * Plays a file's sound, or a part of it once or round and round. One player sounds at a time.
 * The server sends PCM cut to the sample, so that what is heard is what a trim takes, whatever the file's format.
 */
import { packURL } from "../host.js";
import { fadeGain } from "../lib/selection.js";
import { playback } from "./playback.js";

/** @typedef {import("./sounds.js").Sound} Sound */
/** @typedef {{start: number, end: number, fadeIn: number, fadeOut: number, gain?: number}} Part seconds, and dB */

/** A part up to this long loops without a gap, from memory; a longer one by jumping back. */
const GAPLESS_SECONDS = 90;

/** @type {Player | null} */
let sounding = null;

export class Player {
  /**
   * @param {import("../lib/scope.js").Scope} scope
   * @param {{onTime: (seconds: number) => void, onState: (playing: boolean) => void, onError: (sentence: string) => void}} told
   */
  constructor(scope, told) {
    this.told = told;
    /** @type {Sound | null} */
    this.sound = null;
    this.playing = false;
    this.#audio = new Audio();
    this.#audio.preload = "none";
    scope.listen(this.#audio, "ended", () => this.#reachedEnd());
    scope.listen(this.#audio, "timeupdate", () => this.#tick());
    scope.listen(this.#audio, "error", () => this.playing && this.#fail("the sound cannot be played."));
    scope.listen(window, "pagehide", () => this.stop());
    scope.listen(playback, "change", () => this.#heed());
    scope.onEnd(() => this.load(null));
  }

  #audio;
  #frame = 0;
  /** @type {Part | null} */
  #part = null;
  #loops = false;
  /** Plays round and round, while it is there. @type {AudioContext | null} */
  #context = null;
  /** @type {GainNode | null} */
  #gain = null;
  #loopStart = Infinity;
  #turn = 0;

  /** @param {Sound | null} sound */
  load(sound) {
    this.stop();
    this.sound = sound;
    if (this.#audio.src) {
      this.#audio.removeAttribute("src");
      this.#audio.load();
    }
  }

  /** Where it is now, in seconds of the file. */
  get time() {
    if (this.#context && this.#part) {
      const length = this.#part.end - this.#part.start;
      return this.#part.start + (Math.max(0, this.#context.currentTime - this.#loopStart) % length);
    }
    return this.#audio.currentTime;
  }

  /**
   * Play a part from `from` on.
   * @param {Part} part @param {number} from seconds of the file @param {boolean} loops
   */
  async play(part, from, loops) {
    if (!this.sound) return;
    if (sounding !== this) sounding?.stop();
    this.stop();
    sounding = this;
    const turn = ++this.#turn;
    this.#part = part;
    this.#loops = loops;
    this.playing = true;
    this.told.onState(true);
    try {
      if (loops && playback.speed === 1 && part.end - part.start <= GAPLESS_SECONDS) await this.#playLoop(part, turn);
      else await this.#playFrom(from);
    } catch (error) {
      if (turn === this.#turn && this.playing) this.#fail(error instanceof Error ? error.message : String(error));
    }
    if (turn === this.#turn && this.playing) this.#animate();
  }

  stop() {
    this.#turn++;
    cancelAnimationFrame(this.#frame);
    this.#audio.pause();
    this.#context?.close();
    this.#context = null;
    this.#loopStart = Infinity;
    if (sounding === this) sounding = null;
    if (!this.playing) return;
    this.playing = false;
    this.told.onState(false);
  }

  /** @param {number} from */
  async #playFrom(from) {
    if (!this.sound) return;
    const url = new URL(packURL("sound", this.#query), location.href).href;
    if (this.#audio.src !== url) this.#audio.src = url;
    this.#audio.volume = this.#gainAt(from) * playback.volume;
    this.#audio.playbackRate = this.#audio.defaultPlaybackRate = playback.speed;
    this.#audio.currentTime = from;
    await this.#audio.play();
  }

  /** What the server is asked for: it makes the sound louder, as a media element cannot. */
  get #query() {
    const { gain } = this.#part ?? {};
    return { ...this.sound?.query, ...(gain ? { gain_db: gain } : {}) };
  }

  /** @param {Part} part @param {number} turn */
  async #playLoop(part, turn) {
    if (!this.sound) return;
    const response = await fetch(packURL("sound", { ...this.#query, start: part.start, end: part.end }));
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? "the sound cannot be played.");
    const bytes = await response.arrayBuffer();
    if (turn !== this.#turn) return;
    const context = (this.#context = new AudioContext());
    const buffer = await context.decodeAudioData(bytes);
    if (turn !== this.#turn) return;
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      this.#fade(buffer.getChannelData(channel), buffer.sampleRate, part);
    }
    const source = new AudioBufferSourceNode(context, { buffer, loop: true });
    this.#gain = new GainNode(context, { gain: playback.volume });
    source.connect(this.#gain).connect(context.destination);
    source.start();
    this.#loopStart = context.currentTime;
  }

  /** @param {Float32Array} samples @param {number} sampleRate @param {Part} part */
  #fade(samples, sampleRate, part) {
    const into = Math.round(part.fadeIn * sampleRate);
    const out = Math.round(part.fadeOut * sampleRate);
    for (let i = 0; i < Math.min(into, samples.length); i++) samples[i] *= fadeGain(i / into);
    for (let i = 0; i < Math.min(out, samples.length); i++) samples[samples.length - 1 - i] *= fadeGain(i / out);
  }

  /** @param {number} time */
  #gainAt(time) {
    if (!this.#part) return 1;
    const { start, end, fadeIn, fadeOut } = this.#part;
    const into = fadeIn > 0 ? (time - start) / fadeIn : 1;
    const out = fadeOut > 0 ? (end - time) / fadeOut : 1;
    return fadeGain(Math.min(into, out));
  }

  /** Take another volume or speed while it plays. */
  #heed() {
    if (!this.playing || !this.#part) return;
    const plays = this.#context ? 1 : this.#audio.playbackRate;
    if (plays !== playback.speed) this.play(this.#part, this.time, this.#loops);
    else if (this.#gain) this.#gain.gain.value = playback.volume;
  }

  #animate() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      this.#tick();
      if (this.playing) this.#animate();
    });
  }

  #tick() {
    if (!this.playing || !this.#part) return;
    const time = this.time;
    if (!this.#context) {
      this.#audio.volume = this.#gainAt(time) * playback.volume;
      if (time >= this.#part.end) {
        this.#reachedEnd();
        return;
      }
    }
    this.told.onTime(time);
  }

  #reachedEnd() {
    const part = this.#part;
    if (!this.playing || !part) return;
    if (this.#loops) {
      this.#audio.currentTime = part.start;
      this.#audio.play().catch(() => this.stop());
      return;
    }
    this.stop();
    this.told.onTime(part.end);
  }

  /** @param {string} sentence */
  #fail(sentence) {
    this.stop();
    this.told.onError(sentence);
  }
}
