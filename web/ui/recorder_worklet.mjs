/**
 * Runs on the audio thread: hands the samples on in blocks, nothing else.
 * Not a .js file, which the host would import into the page.
 */
const BLOCK_SAMPLES = 2048;

class SoundToVideoRecorder extends AudioWorkletProcessor {
  /** @type {Float32Array[]} */
  #blocks = [];
  #filled = 0;

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    if (!channels?.length) return true;
    if (this.#blocks.length !== channels.length) {
      this.#blocks = channels.map(() => new Float32Array(BLOCK_SAMPLES));
      this.#filled = 0;
    }
    this.#blocks.forEach((block, c) => block.set(channels[c], this.#filled));
    this.#filled += channels[0].length;
    if (this.#filled === BLOCK_SAMPLES) {
      this.port.postMessage(this.#blocks);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("sound-to-video-recorder", SoundToVideoRecorder);
