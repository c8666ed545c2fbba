/**
 * Peaks of a sound as they come from the server, and what of them a canvas column needs. No DOM.
 * One value is two int8: the lowest and the highest sample of a bin, in 1/127.
 */

const FACTOR = 4;

export class Peaks {
  /**
   * @param {number} durationSeconds
   * @param {number} binsPerSecond of the finest level; 0 while only a rough overview is known
   */
  constructor(durationSeconds, binsPerSecond) {
    this.duration = durationSeconds;
    this.binsPerSecond = binsPerSecond;
    /** Bins of the finest level that are known, from the start. */
    this.known = 0;
    /** @type {Int8Array} */
    this.overview = new Int8Array(0);
    /** @type {Int8Array[]} level k has bins of FACTOR**k finest bins */
    this.levels = [];
    let bins = Math.ceil(durationSeconds * binsPerSecond) + 1;
    while (binsPerSecond > 0) {
      this.levels.push(new Int8Array(2 * bins));
      if (bins <= 1024) break;
      bins = Math.ceil(bins / FACTOR);
    }
  }

  /** Bytes held. */
  get byteLength() {
    return this.levels.reduce((sum, level) => sum + level.byteLength, this.overview.byteLength);
  }

  /** How much of the sound is known to its last detail, 0..1. */
  get share() {
    return this.levels.length ? Math.min(1, (2 * this.known) / this.levels[0].length) : 0;
  }

  /**
   * Take in the bins from `firstBin` on; they come in order.
   * @param {number} firstBin @param {Int8Array} values two a bin
   */
  append(firstBin, values) {
    const finest = this.levels[0];
    const fitting = values.subarray(0, Math.max(0, finest.length - 2 * firstBin));
    finest.set(fitting, 2 * firstBin);
    let from = firstBin;
    let to = firstBin + fitting.length / 2;
    this.known = Math.max(this.known, to);
    for (let k = 1; k < this.levels.length; k++) {
      from = Math.floor(from / FACTOR);
      to = Math.ceil(to / FACTOR);
      reduce(this.levels[k - 1], this.levels[k], from, to);
    }
  }

  /**
   * Lowest and highest of each of `columns` equal columns between two times.
   * @param {number} start seconds @param {number} end seconds @param {number} columns
   * @param {Int8Array} [out] 2 * columns
   */
  columns(start, end, columns, out = new Int8Array(2 * columns)) {
    const seconds = (end - start) / columns;
    let level = 0;
    while (level + 1 < this.levels.length && seconds * this.binsPerSecond >= FACTOR ** (level + 1)) level++;
    const rate = this.binsPerSecond / FACTOR ** level;
    const knownSeconds = this.binsPerSecond ? this.known / this.binsPerSecond : 0;
    const roughRate = this.duration > 0 ? this.overview.length / 2 / this.duration : 0;
    for (let column = 0; column < columns; column++) {
      const from = start + column * seconds;
      const isKnown = from < knownSeconds;
      const bins = isKnown ? this.levels[level] : this.overview;
      fold(bins, from * (isKnown ? rate : roughRate), (from + seconds) * (isKnown ? rate : roughRate), out, column);
    }
    return out;
  }
}

/** @param {Int8Array} fine @param {Int8Array} coarse @param {number} from coarse bin @param {number} to */
function reduce(fine, coarse, from, to) {
  const last = Math.min(to, coarse.length / 2);
  for (let bin = from; bin < last; bin++) {
    let low = 127;
    let high = -127;
    const end = Math.min((bin + 1) * FACTOR * 2, fine.length);
    for (let i = bin * FACTOR * 2; i < end; i += 2) {
      if (fine[i] < low) low = fine[i];
      if (fine[i + 1] > high) high = fine[i + 1];
    }
    coarse[2 * bin] = low;
    coarse[2 * bin + 1] = high;
  }
}

/** @param {Int8Array} bins @param {number} from @param {number} to @param {Int8Array} out @param {number} column */
function fold(bins, from, to, out, column) {
  const first = Math.max(0, Math.floor(from));
  const last = Math.min(bins.length / 2, Math.max(first + 1, Math.ceil(to)));
  let low = 127;
  let high = -127;
  for (let bin = first; bin < last; bin++) {
    if (bins[2 * bin] < low) low = bins[2 * bin];
    if (bins[2 * bin + 1] > high) high = bins[2 * bin + 1];
  }
  out[2 * column] = low > high ? 0 : low;
  out[2 * column + 1] = low > high ? 0 : high;
}

/**
 * The messages in a stream of bytes: u32 length of JSON, u32 length of payload, JSON, payload.
 * @param {AsyncIterable<Uint8Array>} chunks
 * @returns {AsyncGenerator<{about: any, payload: Int8Array}>}
 */
export async function* messages(chunks) {
  /** @type {Uint8Array[]} */
  let waiting = [];
  let size = 0;
  let wanted = 8;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    size += chunk.length;
    while (size >= wanted) {
      const bytes = waiting.length === 1 ? waiting[0] : joined(waiting, size);
      const lengths = new DataView(bytes.buffer, bytes.byteOffset);
      const textEnd = 8 + lengths.getUint32(0, true);
      const end = textEnd + lengths.getUint32(4, true);
      waiting = [bytes];
      wanted = end;
      if (size < end) break;
      const about = JSON.parse(new TextDecoder().decode(bytes.subarray(8, textEnd)));
      yield { about, payload: new Int8Array(bytes.buffer, bytes.byteOffset + textEnd, end - textEnd) };
      waiting = [bytes.subarray(end)];
      size -= end;
      wanted = 8;
    }
  }
}

/** @param {Uint8Array[]} parts @param {number} size */
function joined(parts, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
