/** Small helpers to build and theme elements. What they show is said in the language of ComfyUI. */
import { legible } from "../lib/colour.js";
import { translated } from "../lib/words.js";

/** Attributes that people see or hear. */
const SAID = new Set(["title", "aria-label", "placeholder"]);

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, any>} [attributes] `class`, `text`, `on…` listeners, or attributes
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = translated(String(value));
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false)
      element.setAttribute(name, value === true ? "" : SAID.has(name) ? translated(String(value)) : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Paths on a 16 x 16 grid. */
const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  stop: "M3.5 3.5h9v9h-9z",
  selection: "M2 2h1.6v12H2zM12.4 2H14v12h-1.6zM5.5 4v8l5.5-4z",
  loop: "M4.5 4H10V2l3.5 2.9L10 7.8V5.7H4.5A1.5 1.5 0 0 0 3 7.2v1H1.3v-1A3.2 3.2 0 0 1 4.500 4zM11.500 12H6v2L2.500 11.100 6 8.200v2.100h5.500A1.500 1.500 0 0 0 13 8.800v-1h1.700v1a3.200 3.200 0 0 1-3.200 3.200z",
  closer: "M7 2.500h2V7h4.500v2H9v4.500H7V9H2.500V7H7z",
  wider: "M2.500 7h11v2h-11z",
  whole: "M1.500 3h1.600v10H1.500zM12.900 3h1.600v10h-1.600zM4 8l3-2.600v1.800h2V5.400L12 8l-3 2.600V8.800H7v1.800z",
  focus:
    "M2 2h4v1.600H3.600V6H2zM10 2h4v4h-1.600V3.600H10zM2 10h1.600v2.400H6V14H2zM12.400 10H14v4h-4v-1.600h2.400zM5.500 6h5v4h-5z",
  beats: "M6 2.5l7-1.2v8.9a2.2 2 0 1 1-1.5-1.9V4.3L7.5 5v7A2.2 2 0 1 1 6 10.1z",
  silences: "M1.5 5.500H3v5H1.500zM4 3h1.500v10H4zM6.500 7.250h7.500v1.500H6.500z",
  frames:
    "M2 3h12v10H2zm1.3 1.4v1.400h1.400V4.400zm0 2.900v1.400h1.400V7.300zm0 2.900v1.400h1.400v-1.400zM6 4.400v7.200h4V4.400zm5.300 0v1.400h1.400V4.400zm0 2.900v1.400h1.400V7.300zm0 2.900v1.400h1.400v-1.400z",
  upload:
    "M7.200 10V4.900L5.300 6.800 4.200 5.700 8 1.900l3.800 3.800-1.100 1.100-1.900-1.900V10zM2.500 10.500H4v2h8v-2h1.500V14h-11z",
  record: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
  microphone:
    "M8 1.500a2.200 2.200 0 0 0-2.200 2.200v4a2.200 2.200 0 0 0 4.400 0v-4A2.200 2.200 0 0 0 8 1.500zM3.600 7.500a4.400 4.400 0 0 0 3.650 4.340V13.200H5.200v1.500h5.600v-1.500H8.750v-1.360A4.400 4.400 0 0 0 12.400 7.500h-1.500a2.900 2.900 0 0 1-5.800 0z",
  again: "M8 2.500a5.500 5.500 0 1 1-5.200 3.700l1.500.5A3.900 3.900 0 1 0 8 4.100V6.500L4.300 3.300 8 0z",
  add: "M7 2.500h2V7h4.500v2H9v4.500H7V9H2.500V7H7z",
  edit: "M11.200 1.800l3 3L5.500 13.500 1.800 14.200l.7-3.700zM11.200 4l-7.300 7.300-.2 1 1-.2L12 4.800z",
  remove: "M6 1.500h4l.5 1H13.500V4h-11V2.500h3zM3.500 5h9l-.7 9.500H4.200zM6 6.500l.3 6.500h1.200L7.200 6.500zm2.800 0l-.3 6.500h1.200l.3-6.500z",
  normalise: "M1.500 1.500h13V3h-13zM3 9h2.200v5.500H3zM6.900 4.500h2.200v10H6.900zM10.800 7h2.200v7.500h-2.200z",
  taller: "M8 .8l3.600 4.200H9v6h2.600L8 15.200 4.400 11H7V5H4.400z",
  keep: "M6.300 12.300 2 8l1.300-1.300 3 3 6.400-6.400L14 4.600z",
};

/** @param {keyof typeof ICONS} name @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/**
 * A button with an icon, a label for screen readers that is also its tooltip, and optionally words beside the icon.
 * @param {keyof typeof ICONS} name @param {string} label @param {() => void} onClick @param {string} [written]
 */
export function iconButton(name, label, onClick, written) {
  return make(
    "button",
    { type: "button", class: "stv-button", "aria-label": nameOf(written ?? "", label), title: label, onclick: onClick },
    icon(name),
    written ? make("span", { text: written }) : null,
  );
}

/** Make a row of buttons one stop of the Tab key; the arrows go from button to button. @param {HTMLElement} row */
export function asToolbar(row) {
  const buttons = () => [...row.querySelectorAll("button")];
  /** @param {HTMLElement | undefined} stop */
  const stopAt = (stop) => {
    for (const button of buttons()) button.tabIndex = button === stop ? 0 : -1;
  };
  row.setAttribute("role", "toolbar");
  row.addEventListener("focusin", (event) => stopAt(/** @type {HTMLElement} */ (event.target)));
  row.addEventListener("keydown", (event) => {
    const usable = buttons().filter((button) => !button.disabled);
    const at = usable.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: usable.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    usable[(to + usable.length) % usable.length].focus();
  });
  stopAt(buttons()[0]);
  new MutationObserver(() => {
    const usable = buttons().filter((button) => !button.disabled);
    if (!usable.some((button) => button.tabIndex === 0)) stopAt(usable[0]);
  }).observe(row, { subtree: true, attributeFilter: ["disabled"] });
}

/** What a control is called: what is written on it is part of it, as people say that to their computer. @param {string} written @param {string} label */
function nameOf(written, label) {
  const [visible, name] = [translated(written), translated(label)];
  return !written || name.toLowerCase().includes(visible.toLowerCase()) ? name : `${visible}: ${name}`;
}

/** Change a button's icon and label. @param {HTMLButtonElement} button @param {keyof typeof ICONS} name @param {string} label */
export function setIcon(button, name, label) {
  const said = translated(label);
  if (button.dataset.icon === name && button.title === said) return;
  button.dataset.icon = name;
  button.querySelector("svg")?.replaceWith(icon(name));
  button.setAttribute("aria-label", said);
  button.title = said;
}

/**
 * A button that is on or off.
 * @param {string} written @param {string} label @param {(on: boolean) => void} onChange @param {keyof typeof ICONS} [name]
 */
export function toggleButton(written, label, onChange, name) {
  const button = make(
    "button",
    { type: "button", class: "stv-button stv-toggle", "aria-pressed": "false", "aria-label": nameOf(written, label), title: label },
    name ? icon(name) : null,
    written ? make("span", { text: written }) : null,
  );
  button.addEventListener("click", () => {
    setPressed(button, !isPressed(button));
    onChange(isPressed(button));
  });
  return button;
}

/** @param {HTMLElement} button */
export function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/** @param {HTMLElement} button @param {boolean} on */
export function setPressed(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/** @typedef {{background: string, text: string, muted: string, accent: string, error: string}} Colours */

/** @type {Colours | null} */
let colours = null;
/** @type {Set<() => void>} */
const onPalette = new Set();
const sheet = make("style");

/** A CSS colour of any kind as the screen shows it. @param {string} css @returns {import("../lib/colour.js").Colour} */
function shown(css) {
  const context = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  if (!context) return [128, 128, 128];
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

/** The palette's colours, read again after it changed; the style sheet has them as --stv-accent, --stv-error and --stv-muted. @returns {Colours} */
export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const named = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    /** @param {string} fallback @param {string[]} names */
    const first = (fallback, ...names) => names.map(named).find(Boolean) ?? fallback;
    const all = (/** @type {string[]} */ ...names) => names.map(named).filter(Boolean).map(shown);
    const text = first("#ddd", "--input-text", "--fg-color");
    const fields = all("--comfy-input-bg", "--component-node-widget-background");
    const everywhere = [...fields, ...all("--component-node-background", "--comfy-menu-bg")];
    /** @param {string} colour @param {import("../lib/colour.js").Colour[]} backgrounds */
    const readable = (colour, backgrounds) => `rgb(${legible(shown(colour), shown(text), backgrounds).join(" ")})`;
    // The primary colour of the palette has had two names.
    const accent = readable(first("#3b9eff", "--p-primary-color", "--primary-background"), fields);
    const error = readable(first("#ff4444", "--error-text"), everywhere);
    const muted = readable(first("#999", "--muted-foreground", "--descrip-text"), everywhere);
    colours = { background: first("#222", "--comfy-input-bg"), text, muted, accent, error };
    sheet.textContent = `.stv { --stv-accent: ${accent}; --stv-error: ${error}; --stv-muted: ${muted} }`;
    if (!sheet.isConnected) document.head.append(sheet);
  }
  return colours;
}

/** @type {MutationObserver | null} */
let observer = null;

/** Call `redraw` whenever the palette changes, until the scope ends. @param {import("../lib/scope.js").Scope} scope @param {() => void} redraw */
export function followPalette(scope, redraw) {
  if (!observer) {
    observer = new MutationObserver(() => {
      colours = null;
      palette();
      onPalette.forEach((call) => call());
    });
    const watched = { attributes: true, attributeFilter: ["class", "style"] };
    observer.observe(document.documentElement, watched);
    observer.observe(document.body, watched);
  }
  palette();
  onPalette.add(redraw);
  scope.onEnd(() => onPalette.delete(redraw));
}
