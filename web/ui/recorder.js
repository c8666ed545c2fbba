/** The microphone: opened as it is, without the processing that browsers switch on for telephony; samples to a WAV. */
import { interleaved, wavParts } from "../lib/wav.js";
import { translated } from "../lib/words.js";

const WORKLET = new URL("./recorder_worklet.mjs?1", import.meta.url); // count up when it changes: only .js is never cached

/** Why this page has no microphone, and what cures it; null where it has. @returns {string | null} */
export function whyNoMicrophone() {
  if ("mediaDevices" in navigator) return null; // absent, whatever its type says, on a page that is not secure
  if (window.isSecureContext) return "This browser gives pages no microphone.";
  return (
    "Browsers give the microphone to secure pages only: open ComfyUI as http://localhost (an SSH tunnel does it from " +
    "afar), or start it with --tls-keyfile and --tls-certfile and use https."
  );
}

/** What an error of opening the microphone means for a person. @param {unknown} error */
export function microphoneProblem(error) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError")
    return "The microphone was refused. Allow it beside the page's address, then record again.";
  if (name === "NotFoundError") return "No microphone was found. Plug one in, then record again.";
  if (name === "NotReadableError") return "The microphone is in use by another program, or its driver failed.";
  if (name === "OverconstrainedError") return "That microphone is no longer there. Choose another one.";
  return translated("The microphone cannot be opened: {why}", { why: error instanceof Error ? error.message : String(error) });
}

/** The microphones; without names until a page was allowed one. @returns {Promise<{id: string, name: string}[]>} */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId)
    .map((device, index) => ({ id: device.deviceId, name: device.label || translated("Microphone {number}", { number: index + 1 }) }));
}

export class Recorder {
  /** @param {{onLevel: (peak: number) => void, onLost: () => void}} told peak of a block in 0..1; the device went away */
  constructor(told) {
    this.told = told;
    this.sampleRate = 0;
  }

  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {Int16Array<ArrayBuffer>[]} */
  #blocks = [];
  #channels = 0;
  #sampleCount = 0;
  #keeps = false;

  /** What was recorded so far takes in memory. */
  get megabytes() {
    return (this.#sampleCount * this.#channels * 2) / 1e6;
  }

  /** Seconds recorded so far. */
  get seconds() {
    return this.sampleRate ? this.#sampleCount / this.sampleRate : 0;
  }

  /**
   * Open a microphone; levels are told from now on. Rejects with the browser's error.
   * @param {string} deviceId "" = the browser's choice @param {boolean} processing echo cancellation, noise suppression, auto gain
   */
  async open(deviceId, processing) {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        deviceId: deviceId ? { exact: deviceId } : undefined,
        echoCancellation: processing,
        noiseSuppression: processing,
        autoGainControl: processing,
        channelCount: { ideal: 2 },
      },
    });
    this.#stream = stream;
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => this.#stream === stream && this.told.onLost());
    const context = new AudioContext({ sampleRate: track.getSettings().sampleRate });
    this.#context = context;
    this.sampleRate = context.sampleRate;
    await context.audioWorklet.addModule(WORKLET);
    if (this.#context !== context) return; // closed meanwhile
    const worklet = new AudioWorkletNode(context, "sound-to-video-recorder", { numberOfOutputs: 0 });
    worklet.port.onmessage = (event) => this.#take(event.data);
    context.createMediaStreamSource(stream).connect(worklet);
    await context.resume();
  }

  /** Keep the samples from now on. */
  start() {
    this.#blocks = [];
    this.#sampleCount = 0;
    this.#channels = 0;
    this.#keeps = true;
  }

  /** The take as a WAV; null if nothing was recorded. @returns {Blob | null} */
  stop() {
    this.#keeps = false;
    if (!this.#sampleCount) return null;
    const blocks = this.#channels === 2 && this.#blocks.every(isMono) ? this.#blocks.map(leftOnly) : this.#blocks;
    const channels = blocks === this.#blocks ? this.#channels : 1;
    const wav = new Blob(wavParts(blocks, channels, this.sampleRate), { type: "audio/wav" });
    this.#blocks = [];
    return wav;
  }

  /** Let go of the microphone. */
  close() {
    this.#keeps = false;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = null;
  }

  /** @param {Float32Array[]} channels */
  #take(channels) {
    if (!this.#context) return;
    let peak = 0;
    for (const samples of channels) for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    if (this.#keeps) {
      this.#channels ||= channels.length;
      if (channels.length === this.#channels) {
        this.#blocks.push(interleaved(channels));
        this.#sampleCount += channels[0].length;
      }
    }
    this.told.onLevel(peak);
  }
}

/** @param {Int16Array} block of two interleaved channels */
function isMono(block) {
  for (let i = 0; i < block.length; i += 2) if (block[i] !== block[i + 1]) return false;
  return true;
}

/** @param {Int16Array} block of two interleaved channels @returns {Int16Array<ArrayBuffer>} */
function leftOnly(block) {
  return Int16Array.from({ length: block.length / 2 }, (_, i) => block[2 * i]);
}
