/**
 * Which file of the host a sound is in. No DOM.
 * @typedef {{filename: string, subfolder: string, type: string}} SoundFile
 */

/**
 * The file that a widget's value names: `song.mp3`, `takes/voice.wav`, `clip.mp4 [output]`; null for none.
 * @param {unknown} value @returns {SoundFile | null}
 */
export function soundFileOf(value) {
  if (typeof value !== "string" || !value.trim()) return null;
  const match = /^(.*?)(?:\s*\[(input|output|temp)\])?$/.exec(value.trim());
  const path = (match?.[1] ?? "").replaceAll("\\", "/");
  const cut = path.lastIndexOf("/");
  if (cut === path.length - 1) return null;
  return { filename: path.slice(cut + 1), subfolder: cut < 0 ? "" : path.slice(0, cut), type: match?.[2] ?? "input" };
}

/** The value of a widget that names this file. @param {SoundFile} file */
export function valueOf({ filename, subfolder, type }) {
  return `${subfolder ? `${subfolder}/` : ""}${filename}${type === "input" ? "" : ` [${type}]`}`;
}

/** What tells one file from another. @param {SoundFile | null} file */
export function fileKey(file) {
  return file ? `${file.type}/${file.subfolder}/${file.filename}` : "";
}

/** A file's name without its ending. @param {SoundFile} file */
export function stemOf({ filename }) {
  return filename.replace(/\.[^.]*$/, "");
}
