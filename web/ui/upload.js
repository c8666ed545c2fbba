/** Uploads into the input folder with their progress. */
import { packJSON, packURL } from "../host.js";
import { ENDINGS } from "../lib/endings.js";

/** For a file chooser. */
export const ACCEPTED = ["audio/*", "video/*", ...ENDINGS.map((ending) => `.${ending}`)].join();

const LOST = "the connection to the server was lost.";

/**
 * Send a file as it is read from the disk, never as a whole in memory. What the server refuses is not sent.
 * @param {Blob} file @param {string} filename @param {{subfolder?: string, onProgress?: (share: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<string>} its name in the input folder, as a file list shows it
 */
export async function upload(file, filename, { subfolder = "", onProgress, signal } = {}) {
  await packJSON("upload", { filename, subfolder, bytes: file.size }, signal).catch((error) => {
    throw error instanceof TypeError ? new Error(LOST) : error; // fetch has no connection
  });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far an upload is
    request.open("POST", packURL("upload", { filename, subfolder }));
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(request.response.name);
      else reject(new Error(request.response?.error ?? `the server answered ${request.status}`));
    };
    request.onerror = () => reject(new Error(LOST));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
