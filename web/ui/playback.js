/** How loud and how fast sounds are played in this browser, by all players alike. */
import { make } from "./dom.js";

const KEY = "SoundToVideo.playback";
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

class Playback extends EventTarget {
  volume = 1;
  speed = 1;

  constructor() {
    super();
    try {
      const { volume, speed } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      if (volume >= 0 && volume <= 1) this.volume = volume;
      if (SPEEDS.includes(speed)) this.speed = speed;
    } catch {
      // private windows may refuse; the choice then lasts as long as the page
    }
  }

  /** @param {{volume?: number, speed?: number}} choice volume 0..1 */
  set(choice) {
    Object.assign(this, choice);
    try {
      localStorage.setItem(KEY, JSON.stringify({ volume: this.volume, speed: this.speed }));
    } catch {
      // as above
    }
    this.dispatchEvent(new Event("change"));
  }
}

export const playback = new Playback();

/** A list of speeds and a slider for the volume. @param {import("../lib/scope.js").Scope} scope @returns {HTMLElement} */
export function playbackControls(scope) {
  const options = SPEEDS.map((speed) => make("option", { value: String(speed), text: `${speed} ×` }));
  const title = "How fast it is played here; the clip has the sound as it is";
  const speed = make("select", { class: "stv-select stv-speed", "aria-label": "Speed", title }, ...options);
  const volume = make("input", {
    type: "range",
    class: "stv-volume",
    min: "0",
    max: "1",
    step: "0.05",
    "aria-label": "Volume",
    title: "How loud it is played here; the clip has the sound as it is",
  });
  const show = () => {
    speed.value = String(playback.speed);
    volume.value = String(playback.volume);
    volume.setAttribute("aria-valuetext", `${Math.round(playback.volume * 100)} %`);
  };
  show();
  scope.listen(playback, "change", show);
  scope.listen(speed, "change", () => playback.set({ speed: Number(speed.value) }));
  scope.listen(volume, "input", () => playback.set({ volume: Number(volume.value) }));
  return make("div", { class: "stv-group stv-playback", role: "group", "aria-label": "Playback" }, speed, volume);
}
