/** The panel of Compare Clips: two players in step, side by side or with a line to draw between them. */
import { fileURL } from "../host.js";
import { catchUp, lengthOf, middleOfFrame, stepped } from "../lib/pair.js";
import { Scope } from "../lib/scope.js";
import { formatTime } from "../lib/time.js";
import { iconButton, make, setIcon, toggleButton } from "./dom.js";
import { addPanel } from "./panel.js";
import { lastSaid } from "./runs.js";
import { onGraphChange } from "./ticker.js";
import { translated } from "../lib/words.js";

const PANEL_PIXELS = 320;
const INVITATION = "Run the workflow: both clips are played here.";
const READY_MILLISECONDS = 5000;

/** @typedef {{filename: string, subfolder: string, type: string, frame_rate: number, frame_count: number}} Clip */

export class CompareWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    const player = (/** @type {string} */ label, /** @type {boolean} */ muted) => {
      const video = make("video", { class: "stv-compare-clip", playsinline: true, preload: "auto", "aria-label": label });
      video.muted = muted;
      return video;
    };
    /** The first has the sound. */
    this.players = [player("First clip", false), player("Second clip", true)];
    this.line = make("div", {
      class: "stv-compare-line",
      role: "slider",
      tabindex: "0",
      "aria-label": "Line between the clips",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    });
    this.message = make("div", { class: "stv-compare-message", role: "status", text: INVITATION });
    this.stage = make("div", { class: "stv-compare" }, ...this.players, this.line, this.message);
    this.playButton = iconButton("play", "Play", () => this.toggle());
    this.seek = make("input", { type: "range", class: "stv-compare-seek", min: 0, max: 1, step: "any", value: 0 });
    this.seek.setAttribute("aria-label", translated("Time"));
    this.clock = make("span", { class: "stv-clock" });
    this.sideBySide = toggleButton("side by side", "Show the clips side by side", () => this.#layOut());
    const row = make("div", { class: "stv-row" }, this.playButton, this.seek, this.clock, this.sideBySide);
    this.panel = addPanel(node, this.scope, "Both clips", PANEL_PIXELS, [this.stage, row]);
    this.#listen();
    this.#layOut();
    this.#show();
    this.scope.onEnd(() => this.#load([]));
    onGraphChange(this.scope, () => this.refresh());
  }

  /** @type {Clip[]} */
  clips = [];
  /** How far the line is from the left, 0..1. */
  #share = 0.5;
  #playing = false;
  #turn = 0;
  #frame = 0;
  /** @type {import("../lib/runs.js").Said | null} */
  #taken = null;

  /** Take the clips of the last run. */
  refresh() {
    const said = lastSaid(this.node, ({ output }) => Boolean(output?.sound_to_video_compare));
    if (!said || said === this.#taken) return;
    this.#taken = said;
    this.#load(said.output.sound_to_video_compare);
  }

  /** Seconds of the longer clip. */
  get length() {
    return Math.max(0, ...this.clips.map(lengthOf));
  }

  /** The clip that frames are counted by: the longer one. */
  get #ruler() {
    return this.clips.reduce((one, other) => (lengthOf(other) > lengthOf(one) ? other : one));
  }

  /** The player that tells the time: the one that is heard, while it goes on. */
  get #leader() {
    const [first, second] = this.players;
    const goesOn = !first.ended && first.currentTime < lengthOf(this.clips[0]);
    return goesOn || this.length === lengthOf(this.clips[0]) ? first : second;
  }

  get time() {
    return this.clips.length ? Math.min(this.length, this.#leader.currentTime) : 0;
  }

  /** @param {Clip[]} clips none, or two */
  #load(clips) {
    this.pause();
    this.clips = clips;
    this.players.forEach((player, index) => {
      if (clips[index]) player.src = fileURL(clips[index]);
      else player.removeAttribute("src");
      player.load();
    });
    if (clips.length) this.goTo(0);
    this.#show();
  }

  toggle() {
    if (this.#playing) this.pause();
    else this.play();
  }

  /** Play both from here, or from the start once they have ended; they begin when both can. */
  async play() {
    if (!this.clips.length || this.#playing) return;
    const turn = ++this.#turn;
    const from = this.time > this.length - 1 / this.#ruler.frame_rate ? 0 : this.time;
    this.#playing = true;
    this.#show();
    this.#place(from);
    await Promise.all(this.players.map((player) => this.#ready(player)));
    if (turn !== this.#turn) return;
    const going = this.players.filter((_, index) => from < lengthOf(this.clips[index]));
    const results = await Promise.allSettled(going.map((player) => player.play()));
    if (turn !== this.#turn) return;
    const failed = results.find((one) => one.status === "rejected");
    if (failed) this.#say(translated("The clips cannot be played: {why}", { why: /** @type {PromiseRejectedResult} */ (failed).reason.message }));
    else this.#animate();
  }

  pause() {
    this.#turn++;
    cancelAnimationFrame(this.#frame);
    for (const player of this.players) player.pause();
    if (this.#playing) {
      this.#playing = false;
      this.goTo(this.time);
    }
    this.#show();
  }

  /** Show the frames at a time. @param {number} seconds */
  goTo(seconds) {
    const goesOn = this.#playing;
    if (goesOn) this.pause();
    this.#place(seconds);
    this.#show(seconds);
    if (goesOn) this.play();
  }

  /** @param {number} seconds */
  #place(seconds) {
    this.players.forEach((player, index) => {
      player.playbackRate = 1;
      player.currentTime = middleOfFrame(this.clips[index], seconds);
    });
  }

  /** Until a player has the picture that it was sent to. @param {HTMLVideoElement} player @returns {Promise<void>} */
  #ready(player) {
    const isReady = () => !player.seeking && player.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
    return new Promise((done) => {
      const end = new AbortController();
      const look = () => {
        if (!isReady()) return;
        end.abort();
        clearTimeout(timer);
        done();
      };
      // At its very end a player never has future data.
      const timer = setTimeout(() => (end.abort(), done()), READY_MILLISECONDS);
      for (const type of ["seeked", "canplay", "error"]) player.addEventListener(type, look, { signal: end.signal });
      look();
    });
  }

  /** While both play: the second keeps to the first, to less than a frame. */
  #animate() {
    this.#frame = requestAnimationFrame(() => {
      if (!this.#playing) return;
      const leader = this.#leader;
      this.players.forEach((player, index) => {
        if (player === leader || player.paused || player.ended) return;
        const clip = this.clips[index];
        const { speed, jump } = catchUp(leader.currentTime - player.currentTime, clip.frame_rate);
        if (player.playbackRate !== speed) player.playbackRate = speed;
        if (jump) player.currentTime = Math.min(lengthOf(clip), leader.currentTime);
      });
      if (this.players.every((player) => player.ended || player.paused)) this.pause();
      else {
        this.#show();
        this.#animate();
      }
    });
  }

  #listen() {
    const { scope } = this;
    scope.listen(this.seek, "input", () => this.clips.length && this.goTo(Number(this.seek.value)));
    scope.listen(this.panel, "keydown", (event) => this.#key(event));
    const draw = (/** @type {PointerEvent} */ event) => {
      const box = this.stage.getBoundingClientRect();
      this.#share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
      this.#layOut();
    };
    scope.listen(this.stage, "pointerdown", (event) => {
      if (event.button !== 0 || !this.clips.length || this.#isSideBySide) return;
      this.stage.setPointerCapture(event.pointerId);
      draw(event);
    });
    scope.listen(this.stage, "pointermove", (event) => this.stage.hasPointerCapture(event.pointerId) && draw(event));
    for (const player of this.players)
      scope.listen(player, "error", () => player.getAttribute("src") && this.#say(translated("The clips are gone: run again.")));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 })[event.key];
    if (event.target === this.line && steps && !this.#isSideBySide) {
      this.#share = Math.max(0, Math.min(1, this.#share + steps / 50));
      this.#layOut();
    } else if (steps && this.clips.length) {
      this.pause();
      this.goTo(stepped(this.#ruler, this.time, steps));
    } else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) this.toggle();
    else return;
    event.preventDefault();
  }

  get #isSideBySide() {
    return this.sideBySide.getAttribute("aria-pressed") === "true";
  }

  #layOut() {
    const percent = Math.round(this.#share * 100);
    this.stage.classList.toggle("stv-compare-halves", this.#isSideBySide);
    this.stage.style.setProperty("--stv-line", `${this.#share * 100}%`);
    this.line.setAttribute("aria-valuenow", String(percent));
    this.line.hidden = this.#isSideBySide || !this.clips.length;
  }

  /** @param {string} words */
  #say(words) {
    this.pause();
    this.message.textContent = words;
    this.message.hidden = false;
  }

  /** @param {number} [seconds] */
  #show(seconds = this.time) {
    const isEmpty = !this.clips.length;
    if (isEmpty) this.message.textContent = translated(INVITATION);
    this.message.hidden = !isEmpty && this.players.every((player) => !player.error);
    this.line.hidden = isEmpty || this.#isSideBySide;
    this.seek.max = String(this.length);
    this.seek.value = String(seconds);
    this.seek.disabled = isEmpty;
    this.playButton.disabled = isEmpty;
    this.clock.textContent = isEmpty ? "" : `${formatTime(seconds)} / ${formatTime(this.length)}`;
    setIcon(this.playButton, this.#playing ? "pause" : "play", this.#playing ? "Pause" : "Play");
  }
}
