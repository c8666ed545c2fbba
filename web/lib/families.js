/**
 * Which model families may be meant where a sound is going. No DOM.
 * @typedef {{id: string, display_name: string, audio_input: string, encoder: string}} Family as the server tells it
 */

/**
 * The families that listen by an input of Audio Encode: the one that the last run recognised, else those for the encoder
 * that is loaded, by its file's name ("whisper_large_v3_fp16.safetensors" is of "whisper-large-v3"), else all.
 * @template {Family} One
 * @param {One[]} families @param {{audioInput: string, family: string, encoderFile: string}} destiny
 * @returns {One[]}
 */
export function familiesFor(families, { audioInput, family, encoderFile }) {
  const listening = families.filter((one) => one.audio_input === audioInput);
  const known = listening.filter((one) => one.id === family);
  if (known.length) return known;
  const file = encoderFile.toLowerCase();
  const named = listening.filter(({ encoder }) => wordsOf(encoder).every((word) => file.includes(word)));
  if (named.length) return named;
  const ofTheMake = listening.filter(({ encoder }) => file.includes(wordsOf(encoder)[0]));
  return ofTheMake.length ? ofTheMake : listening;
}

/** "whisper", "large", "v3" of "whisper-large-v3". @param {string} encoder */
function wordsOf(encoder) {
  return encoder.toLowerCase().split(/[^a-z0-9]+/);
}
