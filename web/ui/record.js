/** The panel of Record Mic: from choosing a microphone to a take that is kept as a WAV in the input folder. */
import { captureUndo, setWidgetValue, widgetOf } from "../host.js";
import { Scope } from "../lib/scope.js";
import { soundFileOf } from "../lib/soundfile.js";
import { formatTime } from "../lib/time.js";
import { iconButton, isPressed, make, setIcon, setPressed, toggleButton } from "./dom.js";
import { Listen } from "./listen.js";
import { Meter } from "./meter.js";
import { addPanel } from "./panel.js";
import { Recorder, microphoneProblem, microphones, whyNoMicrophone } from "./recorder.js";
import { onGraphChange, onTick } from "./ticker.js";
import { upload } from "./upload.js";
import { translated } from "../lib/words.js";

/** @typedef {"idle" | "opening" | "trying" | "countdown" | "recording" | "uploading" | "unsaved" | "review"} State */

const WAVE_PIXELS = 84;
const PANEL_PIXELS = 202;
/** From here on a take is worth a word: about ten minutes of stereo. */
const MUCH_MEGABYTES = 100;
const SUBFOLDER = "sound_to_video";
const CHOICES_KEY = "SoundToVideo.recording";

export class RecordWidget {
  /** @param {any} node */
  constructor(node) {
    this.node = node;
    this.scope = new Scope();
    this.listen = new Listen(this.scope, WAVE_PIXELS);
    this.meter = new Meter();
    this.recorder = new Recorder({ onLevel: (peak) => this.#onLevel(peak), onLost: () => this.#onLost() });
    this.device = make(
      "select",
      { class: "stv-select", "aria-label": "Microphone" },
      make("option", { value: "", text: "Default microphone" }),
    );
    this.countdown = make("select", { class: "stv-select stv-short", "aria-label": "Countdown" });
    for (const seconds of [0, 3, 5])
      this.countdown.append(
        make("option", { value: String(seconds), text: seconds ? translated("after {seconds} s", { seconds }) : "at once" }),
      );
    this.processing = toggleButton(
      "Clean up",
      "Echo cancellation, noise suppression and automatic gain, all off for a true recording",
      () => this.#keepChoices(),
    );
    this.recordButton = iconButton("record", "Record", () => this.#press(), "Record");
    this.recordButton.classList.add("stv-record");
    this.tryButton = iconButton("microphone", "Hear the level before you record", () => this.#try());
    this.keepButton = iconButton("keep", "Keep this take", () => this.#keep(), "Keep");
    this.backButton = iconButton("again", "Go back to the take before", () => this.#goBack(), "Back");
    this.timer = make("span", { class: "stv-clock", role: "timer", text: "" });
    this.status = make("div", { class: "stv-line", role: "status" });
    this.count = make("div", { class: "stv-count", "aria-hidden": "true", hidden: true });
    this.listen.waveform.element.append(this.meter.canvas, this.count);
    addPanel(node, this.scope, "Recording", PANEL_PIXELS, [
      make("div", { class: "stv-row" }, this.device, this.processing),
      make(
        "div",
        { class: "stv-row" },
        this.recordButton,
        this.countdown,
        this.tryButton,
        this.meter.element,
        this.meter.light,
        this.timer,
      ),
      this.listen.waveform.element,
      make(
        "div",
        { class: "stv-row" },
        this.listen.playButton,
        this.listen.clock,
        make("span", { class: "stv-gap" }),
        this.backButton,
        this.keepButton,
      ),
      this.status,
    ]);
    this.#recallChoices();
    this.scope.listen(this.device, "change", () => this.#onDevice());
    this.scope.listen(this.countdown, "change", () => this.#keepChoices());
    this.scope.listen(this.device, "pointerdown", () => this.#listMicrophones());
    if (navigator.mediaDevices)
      this.scope.listen(navigator.mediaDevices, "devicechange", () => this.#listMicrophones());
    this.scope.listen(window, "pagehide", () => this.#cancel());
    this.scope.onEnd(() => this.#cancel());
    onGraphChange(this.scope, () => this.refresh());
    onTick(this.scope, () => this.#state === "recording" && this.refresh());
    this.#listMicrophones();
    this.#enter("idle");
  }

  /** @type {State} */
  #state = "idle";
  /** The take before the one under review, to go back to. */
  #before = "";
  /** @type {Blob | null} */
  #unsaved = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wait;

  get #take() {
    return String(widgetOf(this.node, "take")?.value ?? "");
  }

  refresh() {
    if (["idle", "review"].includes(this.#state)) {
      const words = whyNoMicrophone() ?? "Press Record and speak.";
      this.listen.show(soundFileOf(this.#take), translated(words));
      this.#showButtons();
    } else if (this.#state === "recording") {
      this.timer.textContent = formatTime(this.recorder.seconds, 1);
      if (this.recorder.megabytes > MUCH_MEGABYTES) this.status.textContent = memoryWords(this.recorder.megabytes);
    }
  }

  /** @param {State} state @param {string} [words] */
  #enter(state, words = "") {
    this.#state = state;
    this.status.textContent = translated(words);
    this.status.classList.toggle("stv-error", state === "unsaved");
    const live = ["countdown", "recording"].includes(state);
    this.meter.canvas.hidden = state !== "recording";
    this.count.hidden = state !== "countdown";
    if (live) this.listen.show(null, "");
    if (!live) this.meter.rest();
    if (state !== "recording" && state !== "uploading") this.timer.textContent = "";
    this.recordButton.classList.toggle("stv-live", state === "recording");
    this.#showButtons();
    this.refresh();
  }

  #showButtons() {
    const state = this.#state;
    const idle = ["idle", "trying", "review", "unsaved"].includes(state);
    const [icon, words] =
      state === "recording"
        ? /** @type {const} */ (["stop", "Stop"])
        : state === "countdown" || state === "opening"
          ? /** @type {const} */ (["stop", "Cancel"])
          : this.#take || state === "unsaved"
            ? /** @type {const} */ (["record", "Re-take"])
            : /** @type {const} */ (["record", "Record"]);
    setIcon(this.recordButton, icon, words);
    const label = this.recordButton.querySelector("span");
    if (label) label.textContent = translated(words);
    this.recordButton.disabled = Boolean(whyNoMicrophone()) || state === "uploading";
    for (const control of [this.device, this.processing, this.countdown]) control.disabled = !idle;
    this.keepButton.hidden = state !== "review" && state !== "unsaved";
    const keepWords = this.keepButton.querySelector("span");
    if (keepWords) keepWords.textContent = translated(state === "unsaved" ? "Save again" : "Keep");
    this.keepButton.setAttribute("aria-label", translated(state === "unsaved" ? "Save again" : "Keep this take"));
    this.tryButton.disabled = Boolean(whyNoMicrophone()) || !["idle", "trying"].includes(state);
    setPressed(this.tryButton, state === "trying");
    this.backButton.hidden = !(state === "review" && this.#before);
  }

  #press() {
    if (this.#state === "recording") this.#stop();
    else if (this.#state === "countdown" || this.#state === "opening") this.#cancel();
    else this.#record();
  }

  /** Show what the microphone hears, and keep nothing of it; again: let go of it. */
  async #try() {
    if (this.#state === "trying") {
      this.#cancel();
      return;
    }
    this.meter.reset();
    if (await this.#open()) this.#enter("trying", "This is what the microphone hears; nothing is kept.");
  }

  /** Another microphone was chosen. */
  #onDevice() {
    this.#keepChoices();
    if (this.#state !== "trying") return;
    this.#cancel();
    this.#try();
  }

  async #record() {
    this.recorder.close();
    if (this.#state !== "review" && this.#state !== "unsaved") this.#before = this.#take;
    this.listen.player.stop();
    this.meter.reset();
    this.#unsaved = null;
    if (await this.#open()) this.#countDown(Number(this.countdown.value));
  }

  /** Open the microphone that is chosen; false where it cannot be, which is said, or is not wanted any more. */
  async #open() {
    this.#enter("opening", "Waiting for the microphone …");
    try {
      await this.recorder.open(this.device.value, isPressed(this.processing));
    } catch (error) {
      this.recorder.close();
      if (this.#state === "opening") this.#fail(microphoneProblem(error));
      return false;
    }
    if (this.#state !== "opening") {
      this.recorder.close(); // cancelled while the browser asked
      return false;
    }
    this.#listMicrophones();
    return true;
  }

  /** @param {number} seconds */
  #countDown(seconds) {
    if (seconds > 0) {
      this.#enter("countdown", translated("Recording in {seconds} …", { seconds }));
      this.count.textContent = String(seconds);
      this.#wait = setTimeout(() => this.#countDown(seconds - 1), 1000);
      return;
    }
    this.recorder.start();
    this.#enter("recording", "Recording.");
  }

  /** @param {string} [words] */
  async #stop(words = "") {
    const wav = this.recorder.stop();
    this.recorder.close();
    if (!wav) {
      this.#fail("Nothing was recorded.");
      return;
    }
    this.#unsaved = wav;
    await this.#save(words);
  }

  /** @param {string} words */
  async #save(words) {
    if (!this.#unsaved) return;
    this.#enter("uploading", "Keeping the take …");
    try {
      const name = await upload(this.#unsaved, takeName(), { subfolder: SUBFOLDER });
      if (this.scope.ended) return;
      this.#unsaved = null;
      setWidgetValue(this.node, widgetOf(this.node, "take"), name);
      captureUndo();
      this.#enter("review", words || "Listen to it, then keep it or record again.");
    } catch (error) {
      this.#enter("unsaved", translated("The take is not saved: {why}", { why: error instanceof Error ? error.message : String(error) }));
    }
  }

  #keep() {
    if (this.#state === "unsaved") {
      this.#save("");
      return;
    }
    this.#before = "";
    this.#enter("idle", "Kept.");
  }

  #goBack() {
    setWidgetValue(this.node, widgetOf(this.node, "take"), this.#before);
    captureUndo();
    this.#before = "";
    this.#enter("idle", "Back at the take before.");
  }

  #cancel() {
    clearTimeout(this.#wait);
    this.recorder.close();
    if (["opening", "trying", "countdown", "recording"].includes(this.#state)) this.#enter("idle");
  }

  /** @param {string} sentence */
  #fail(sentence) {
    this.#enter("idle", sentence);
    this.status.classList.add("stv-error");
  }

  #onLost() {
    if (this.#state === "recording") this.#stop("The microphone went away; what was recorded until then is kept.");
    else {
      this.#cancel();
      this.#fail("The microphone went away.");
    }
  }

  /** @param {number} peak */
  #onLevel(peak) {
    if (this.scope.ended) return;
    this.meter.level(peak, this.#state === "recording");
    if (this.#state === "recording") this.timer.textContent = formatTime(this.recorder.seconds, 1);
  }

  async #listMicrophones() {
    const found = await microphones().catch(() => []);
    const chosen = this.device.value || this.device.dataset.wanted || "";
    const options = found
      .filter(({ id }) => id !== "default")
      .map(({ id, name }) => make("option", { value: id, text: name }));
    if (
      options.length + 1 === this.device.options.length &&
      options.every((option, i) => option.text === this.device.options[i + 1].text)
    )
      return;
    this.device.replaceChildren(make("option", { value: "", text: "Default microphone" }), ...options);
    if (found.some(({ id }) => id === chosen)) this.device.value = chosen;
  }

  #keepChoices() {
    const choices = {
      device: this.device.value,
      countdown: this.countdown.value,
      processing: isPressed(this.processing),
    };
    try {
      localStorage.setItem(CHOICES_KEY, JSON.stringify(choices));
    } catch {
      // private windows may refuse; the choice then lasts as long as the node
    }
  }

  #recallChoices() {
    let choices = { device: "", countdown: "3", processing: false };
    try {
      choices = { ...choices, ...JSON.parse(localStorage.getItem(CHOICES_KEY) ?? "{}") };
    } catch {
      // as above
    }
    this.device.dataset.wanted = choices.device;
    this.countdown.value = choices.countdown;
    setPressed(this.processing, Boolean(choices.processing));
  }
}

/** What a long take is told: it is in this page until it is stopped. @param {number} megabytes */
function memoryWords(megabytes) {
  const rounded = Math.floor(megabytes / MUCH_MEGABYTES) * MUCH_MEGABYTES;
  return translated("Recording: over {megabytes} MB in this page's memory. Stop now and then: a take is safe once it is kept.", {
    megabytes: rounded,
  });
}

/** `take 2026-01-31 14.05.09.wav`, by the clock on the wall. */
function takeName(now = new Date()) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".");
  return `take ${day} ${time}.wav`;
}
