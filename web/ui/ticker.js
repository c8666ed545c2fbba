/**
 * Looks a few times a second whether something that widgets depend on has changed: a file chosen three nodes upstream,
 * a frame rate downstream, a number typed by another extension. The front end has no event for those that holds in both renderers.
 */
const EVERY_MILLISECONDS = 300;

/** @type {Set<() => void>} */
const lookers = new Set();
/** @type {Set<string>} */
const complained = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/** Call `look` regularly while the page is visible, until the scope ends. @param {import("../lib/scope.js").Scope} scope @param {() => void} look */
export function onTick(scope, look) {
  lookers.add(look);
  timer ??= setInterval(() => {
    if (document.visibilityState !== "visible") return;
    for (const one of lookers) {
      try {
        one();
      } catch (error) {
        // One that fails must not blind the others; the same complaint is made once.
        if (!complained.has(String(error))) console.error("Sound to Video:", error);
        complained.add(String(error));
      }
    }
  }, EVERY_MILLISECONDS);
  scope.onEnd(() => {
    lookers.delete(look);
    if (lookers.size) return;
    clearInterval(timer);
    timer = undefined;
  });
}
