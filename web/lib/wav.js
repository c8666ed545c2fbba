/** Samples to a WAV file. No DOM. */

/**
 * A 16-bit PCM WAV.
 * @param {Int16Array<ArrayBuffer>[]} blocks interleaved samples
 * @param {number} channels
 * @param {number} sampleRate Hz
 * @returns {(ArrayBuffer | Int16Array<ArrayBuffer>)[]} parts, to be put one after the other
 */
export function wavParts(blocks, channels, sampleRate) {
  const dataBytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  /** @param {number} at @param {string} text */
  const put = (at, text) => [...text].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  put(0, "RIFF");
  header.setUint32(4, 36 + dataBytes, true);
  put(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, channels, true);
  header.setUint32(24, sampleRate, true);
  header.setUint32(28, sampleRate * channels * 2, true);
  header.setUint16(32, channels * 2, true);
  header.setUint16(34, 16, true);
  put(36, "data");
  header.setUint32(40, dataBytes, true);
  return [header.buffer, ...blocks];
}

/**
 * Channels of floats to interleaved 16-bit samples, cut at full scale.
 * @param {Float32Array[]} channels of the same length
 * @returns {Int16Array<ArrayBuffer>}
 */
export function interleaved(channels) {
  const count = channels[0].length;
  const samples = new Int16Array(count * channels.length);
  for (let c = 0; c < channels.length; c++) {
    for (let i = 0; i < count; i++) {
      samples[i * channels.length + c] = Math.max(-32768, Math.min(32767, Math.round(channels[c][i] * 32768)));
    }
  }
  return samples;
}
