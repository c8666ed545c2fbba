/** A panel of ours in a node, in both renderers: a DOM widget of which nothing is saved. */
import { app, setHeightQuietly } from "../host.js";
import { make } from "./dom.js";
import { nodeKey } from "./follow.js";
import { onGraphChange, onTick } from "./ticker.js";

/** Modes of a muted and of a bypassed node, which the classic renderer dims. */
const NOT_RUN = [2, 4];

/** The panel that was last seen on screen, for each node and name. @type {Map<string, WeakRef<HTMLElement>>} */
const onScreen = new Map();

/**
 * Put elements into a node, below its other widgets; everything in `scope` ends with the node.
 * @param {any} node @param {import("../lib/scope.js").Scope} scope @param {string} name
 * @param {number | (() => number)} height pixels; after a change of it `fit` is to be called
 * @param {(Node | string)[]} children
 * @returns {HTMLElement} the panel
 */
export function addPanel(node, scope, name, height, children) {
  const pixels = typeof height === "number" ? () => height : height;
  const panel = make("div", { class: "stv", role: "group", "aria-label": name }, ...children);
  const widget = node.addDOMWidget(name, "sound_to_video_panel", panel, {
    serialize: false,
    hideOnZoom: false,
    hideInPanel: true, // the properties panel would take the element out of the node, and give it back narrower
    margin: 4,
    getMinHeight: pixels,
    getMaxHeight: pixels,
  });
  widget.serialize = false;
  // Letters typed here belong to the panel: Delete would delete the node and w open the side bar. Ctrl+Z and such are the host's.
  scope.listen(panel, "keydown", (event) => {
    panel.classList.remove("stv-by-pointer");
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  scope.listen(panel, "pointerdown", () => panel.classList.add("stv-by-pointer"), { capture: true }); // no focus ring then
  // Nodes 2.0 would drag the node, the classic renderer select text under the pointer.
  for (const type of ["pointerdown", "mousedown", "dblclick"])
    scope.listen(panel, type, (event) => event.button === 0 && event.stopPropagation());
  forwardToCanvas(panel, scope);
  const before = node.onRemoved;
  node.onRemoved = function () {
    scope.end();
    return before?.apply(this, arguments);
  };
  // After an undo Nodes 2.0 goes on showing the panel of the node that was there before: put the new one in its place.
  const settle = () => {
    if (scope.ended) return;
    const key = `${nodeKey(node)} ${name}`; // a node may have several
    const stale = onScreen.get(key)?.deref();
    if (!panel.isConnected && stale?.isConnected) stale.replaceWith(panel);
    if (panel.isConnected) onScreen.set(key, new WeakRef(panel));
  };
  requestAnimationFrame(() => requestAnimationFrame(settle));
  onTick(scope, settle);
  onGraphChange(scope, () => panel.classList.toggle("stv-off", liesOverCanvas(panel) && NOT_RUN.includes(node.mode)));
  return panel;
}

/** Nodes 2.0 hands on to the canvas what a widget leaves; the classic renderer's widgets lie over the canvas and have to. @param {Element} panel */
function liesOverCanvas(panel) {
  return panel.closest(".dom-widget") !== null;
}

/**
 * Let the wheel zoom the graph, the middle button move it and the right one open the node's menu, as beside the panel.
 * @param {HTMLElement} panel @param {import("../lib/scope.js").Scope} scope
 */
function forwardToCanvas(panel, scope) {
  const canvas = () => /** @type {any} */ (app).canvas;
  const isText = (/** @type {Event} */ event) => event.target instanceof HTMLInputElement; // has a menu of its own
  const takes = (/** @type {PointerEvent} */ event) =>
    liesOverCanvas(panel) && (event.button === 1 || (event.button === 2 && !isText(event)));
  const wheel = (/** @type {WheelEvent} */ event) => liesOverCanvas(panel) && canvas().processMouseWheel(event);
  scope.listen(panel, "wheel", wheel, { passive: false });
  scope.listen(panel, "pointerdown", (event) => takes(event) && canvas().processMouseDown(event));
  scope.listen(panel, "pointerup", (event) => takes(event) && canvas().processMouseUp(event));
  scope.listen(panel, "pointermove", (event) => {
    if (liesOverCanvas(panel) && event.buttons & 4) canvas().processMouseMove(event);
  });
  scope.listen(panel, "contextmenu", (event) => liesOverCanvas(panel) && !isText(event) && event.preventDefault());
}

/**
 * Keep touches on an element from the front end, which listens further out: two fingers would zoom the graph, too.
 * @param {import("../lib/scope.js").Scope} scope @param {HTMLElement} element
 */
export function keepTouches(scope, element) {
  for (const type of ["touchstart", "touchmove"]) {
    scope.listen(window, type, (event) => element.contains(/** @type {Node} */ (event.target)) && event.stopPropagation(), {
      capture: true,
      passive: true,
    });
  }
}

/** Make a node as high as its panels have become; a person may have made it higher. @param {any} node @param {number} more pixels, below 0 where a panel has shrunk */
export function fit(node, more) {
  setHeightQuietly(node, Math.max(node.size[1] + Math.min(more, 0), node.computeSize()[1]));
}

/** Make a new node wide enough for its panel. @param {any} node @param {number} width */
export function widen(node, width) {
  if (node.size[0] < width) node.setSize([width, Math.max(node.size[1], node.computeSize()[1])]);
}
