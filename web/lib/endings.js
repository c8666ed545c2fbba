/** The endings of files that may hold sound: the same list as core/audio/sound_endings.py. No DOM. */
// prettier-ignore
export const ENDINGS = [
  "wav", "wave", "bwf", "rf64", "w64", "mp3", "mp2", "mpa", "mpga", "m4a", "m4b", "m4r", "f4a",
  "aac", "adts", "flac", "ogg", "oga", "ogx", "opus", "spx", "weba", "mka", "aif", "aiff", "aifc",
  "caf", "qta", "au", "snd", "amr", "awb", "3ga", "gsm", "wma", "ape", "wv", "tta", "tak", "shn",
  "mpc", "ac3", "eac3", "ec3", "dts", "mlp", "thd", "dsf", "dff", "voc", "oma", "aa3", "sph",
  "nist", "iff", "8svx", "xwma", "ra", "mp4", "m4v", "mov", "qt", "mkv", "webm", "ogv", "avi",
  "divx", "flv", "f4v", "3gp", "3g2", "wmv", "asf", "mpg", "mpeg", "vob", "ts", "mts", "m2ts",
  "m2t", "mxf", "nut", "dv", "rm", "rmvb",
];

/** Whether a file's name says that sound may be in it. @param {string} name */
export function mayHoldSound(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 && ENDINGS.includes(name.slice(dot + 1).toLowerCase());
}
