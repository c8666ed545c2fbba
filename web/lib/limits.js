/** How long a sound nodes of the host take, by their type: what they refuse otherwise. No DOM. */

/** Shortest and longest, in seconds (the host's comfy_api_nodes, each node's `execute`). @type {Record<string, [number, number]>} */
export const SOUND_LIMITS = {
  WanTextToVideoApi: [3, 29],
  WanImageToVideoApi: [3, 29],
  Wan2TextToVideoApi: [1.5, 60],
  Wan2ImageToVideoApi: [2, 30],
  KlingAvatarNode: [2, 300],
  SyncLipSyncNode: [0, 600],
  SyncTalkingImageNode: [0, 600],
};

/** What a sound's length is rounded by on its way to such a node. */
const TOLERANCE = 0.001;

/** Whether a sound of that length is refused. @param {number} seconds @param {[number, number]} limits */
export function isRefused(seconds, [shortest, longest]) {
  return seconds < shortest - TOLERANCE || seconds > longest + TOLERANCE;
}
