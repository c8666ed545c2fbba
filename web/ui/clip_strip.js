/** The frames of the finished clip above a trim's waveform, and the front end's player of it in step with the cursor. */
import { setPropertyQuietly } from "../host.js";
import { fileKey } from "../lib/soundfile.js";
import { make } from "./dom.js";
import { videoBehind } from "./follow.js";
import { aboutVideo, picturesURL, timesAcross, videoOfRun } from "./pictures.js";

/** @typedef {{file: import("./pictures.js").VideoFile, start: number, end: number}} Clip start, end: of the sound's file, in seconds */

export const CLIP_PIXELS = 34;
const PROPERTY = "sound_to_video_clip";
const WAIT_MILLISECONDS = 250;
/** By how many frames a clip may differ from the stretch that it is shown over. */
const FRAMES_OFF = 1.5;
/** Seconds by which a player may be off before it is moved. */
const OFF_SECONDS = 0.05;

export class ClipStrip {
  /**
   * @param {import("../lib/scope.js").Scope} scope
   * @param {{node: any, waveform: import("./waveform.js").Waveform, selection: () => {start: number, end: number} | null,
   *          onShown: (isShown: boolean) => void, onPlayed: (time: number) => void}} told
   */
  constructor(scope, told) {
    this.scope = scope;
    this.told = told;
    this.picture = make("img", { class: "stv-clip-frames", alt: "", draggable: "false" });
    this.element = make("div", { class: "stv-wave stv-clip-strip", style: `height:${CLIP_PIXELS}px`, hidden: true }, this.picture);
    scope.onEnd(() => clearTimeout(this.#timer));
    // Events of media do not bubble, but are seen on their way down.
    for (const type of ["timeupdate", "seeking"])
      scope.listen(document, type, (event) => this.#onPlayer(event.target), { capture: true });
  }

  /** @type {Clip | null} */
  #clip = null;
  /** @type {import("./pictures.js").About | null} */
  #about = null;
  #asked = "";
  #shown = "";
  /** @type {unknown} */
  #taken = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Take the clip of the last run, or the one that is kept. */
  refresh() {
    const { node, selection } = this.told;
    const kept = /** @type {Clip | undefined} */ (node.properties?.[PROPERTY]);
    const player = videoBehind(node);
    const file = player && videoOfRun(player);
    const now = selection();
    if (file && now && fileKey(file) !== this.#taken && fileKey(file) !== fileKey(kept?.file ?? null)) {
      this.#taken = fileKey(file);
      setPropertyQuietly(node, PROPERTY, { file, start: now.start, end: now.end });
    }
    const clip = /** @type {Clip | undefined} */ (node.properties?.[PROPERTY]) ?? null;
    const key = clip ? JSON.stringify(clip) : "";
    if (key === this.#asked) return;
    this.#asked = key;
    this.#take(clip);
  }

  /** @param {Clip | null} clip */
  async #take(clip) {
    const key = this.#asked;
    const about = clip && (await aboutVideo(clip.file, this.scope.signal).catch(() => null)); // it may be gone
    if (key !== this.#asked || this.scope.ended) return;
    const isOver = about && Math.abs(about.duration - (clip.end - clip.start)) * about.frame_rate < FRAMES_OFF;
    this.#clip = isOver ? clip : null;
    this.#about = isOver ? about : null;
    this.#shown = "";
    const isNew = this.element.hidden === Boolean(isOver);
    this.element.hidden = !isOver;
    if (isNew) this.told.onShown(Boolean(isOver));
    this.show();
  }

  /** Put the frames where the clip's stretch of the sound is. */
  show() {
    const clip = this.#clip;
    if (!clip || !this.#about) return;
    const { waveform } = this.told;
    const [from, to] = [Math.max(clip.start, waveform.view.start), Math.min(clip.end, waveform.view.end)];
    const [left, right] = [waveform.x(from), waveform.x(to)];
    this.picture.hidden = right - left < 2;
    this.picture.style.left = `${left}px`;
    this.picture.style.width = `${Math.max(0, right - left)}px`;
    const key = `${from} ${to} ${Math.round(right - left)}`;
    if (this.picture.hidden || key === this.#shown) return;
    this.#shown = key;
    clearTimeout(this.#timer);
    const ask = () => {
      if (!this.#about) return;
      const times = timesAcross(this.#about, from - clip.start, to - clip.start, right - left, CLIP_PIXELS);
      this.picture.src = picturesURL(clip.file, times, 2 * CLIP_PIXELS);
    };
    this.#timer = setTimeout(ask, this.picture.src ? WAIT_MILLISECONDS : 0);
  }

  /** Whether a player of the front end plays this clip. @param {EventTarget | null} player */
  #isOurs(player) {
    if (!this.#clip || !(player instanceof HTMLVideoElement)) return false;
    const { filename, subfolder } = this.#clip.file;
    const query = new URL(player.currentSrc || player.src || location.href, location.href).searchParams;
    return query.get("filename") === filename && (query.get("subfolder") ?? "") === subfolder;
  }

  /** @param {EventTarget | null} player */
  #onPlayer(player) {
    if (!this.#clip || !this.#isOurs(player)) return;
    const { currentTime } = /** @type {HTMLVideoElement} */ (player);
    this.told.onPlayed(Math.min(this.#clip.start + currentTime, this.#clip.end));
  }

  /** The cursor was moved: the players show the picture there. @param {number} time */
  seek(time) {
    const clip = this.#clip;
    if (!clip || time < clip.start || time > clip.end) return;
    for (const player of document.querySelectorAll("video")) {
      const isOff = Math.abs(player.currentTime - (time - clip.start)) > OFF_SECONDS;
      if (isOff && this.#isOurs(player)) player.currentTime = time - clip.start;
    }
  }
}
