/**
 * Looks a few times a second whether something that widgets depend on has changed: a file chosen three nodes upstream,
 * a frame rate downstream, a number typed by another extension. The front end has no event for those that holds in both renderers.
 */
import { app, openWorkflow } from "../host.js";
import { Watch } from "../lib/watch.js";

const EVERY_MILLISECONDS = 300;
/** Properties in which nodes keep what a run said. */
const PROPERTIES = ["sound_to_video_run", "sound_to_video_source"];

/** @typedef {"tick" | "graph" | "zoom"} Occasion every time; the graph or what is known of it is another; the zoom is another */

/** @type {Record<Occasion, Set<() => void>>} */
const lookers = { tick: new Set(), graph: new Set(), zoom: new Set() };
/** @type {Set<() => void>} */
const newcomers = new Set();
/** @type {Set<string>} */
const complained = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;
const watch = new Watch();
let stirred = 0;
let zoom = 0;

/** Something has changed that is not in the graph: a run said something, a file is another. */
export function stir() {
  stirred++;
}

/** Call `look` regularly while the page is visible, until the scope ends. @param {import("../lib/scope.js").Scope} scope @param {() => void} look */
export function onTick(scope, look) {
  add("tick", scope, look);
}

/** Call `look` soon, and when the graph has changed, or something was stirred. @param {import("../lib/scope.js").Scope} scope @param {() => void} look */
export function onGraphChange(scope, look) {
  newcomers.add(look);
  add("graph", scope, look);
}

/** Call `look` when the graph or the page is zoomed. @param {import("../lib/scope.js").Scope} scope @param {() => void} look */
export function onZoom(scope, look) {
  add("zoom", scope, look);
}

/** @param {Occasion} occasion @param {import("../lib/scope.js").Scope} scope @param {() => void} look */
function add(occasion, scope, look) {
  lookers[occasion].add(look);
  timer ??= setInterval(tick, EVERY_MILLISECONDS);
  scope.onEnd(() => {
    lookers[occasion].delete(look);
    newcomers.delete(look);
    if (Object.values(lookers).some((set) => set.size)) return;
    clearInterval(timer);
    timer = undefined;
  });
}

function tick() {
  if (document.visibilityState !== "visible") return;
  lookers.tick.forEach(tryTo);
  const { canvas, graph } = /** @type {any} */ (app);
  const now = (canvas?.ds?.scale ?? 1) * devicePixelRatio;
  if (now !== zoom) lookers.zoom.forEach(tryTo);
  zoom = now;
  const root = /** @type {any} */ (app).rootGraph ?? graph?.rootGraph ?? graph;
  const isChanged = watch.hasChanged(root, PROPERTIES, [openWorkflow(), graph, stirred]);
  const due = isChanged ? lookers.graph : [...newcomers];
  newcomers.clear();
  due.forEach(tryTo);
}

/** @param {() => void} look */
function tryTo(look) {
  try {
    look();
  } catch (error) {
    // One that fails must not blind the others; the same complaint is made once.
    if (!complained.has(String(error))) console.error("Sound to Video:", error);
    complained.add(String(error));
  }
}
