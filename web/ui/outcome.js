/** What the chosen sound will become, in the planner's own words: "8.00 s → 128 frames at 16 fps, 2 segments". */
import { packJSON } from "../host.js";
import { familiesFor } from "../lib/families.js";
import { translatedPlan } from "../lib/words.js";

/** @typedef {import("./follow.js").Destiny} Destiny */
/** @typedef {import("../lib/families.js").Family} Family */

const WAIT_MILLISECONDS = 60;

/** @type {Promise<Family[]> | null} */
let families = null;

export class Outcome {
  /** @param {import("../lib/scope.js").Scope} scope @param {(words: string, isError: boolean) => void} tell */
  constructor(scope, tell) {
    this.tell = tell;
    this.scope = scope;
    /** Frames a second of the clip to be; null where no sampler is connected. @type {number | null} */
    this.frameRate = null;
    scope.onEnd(() => clearTimeout(this.#timer));
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asked = "";

  /**
   * Say what will become of `start`..`end` (seconds); answered a moment later, and only for the last question.
   * @param {Destiny | null} destiny @param {number} start @param {number} end @param {number} sampleRate Hz
   */
  ask(destiny, start, end, sampleRate) {
    const question = destiny && sampleRate ? JSON.stringify([destiny, start, end, sampleRate]) : "";
    if (question === this.#asked) return;
    this.#asked = question;
    clearTimeout(this.#timer);
    if (!destiny || !question) {
      this.frameRate = null;
      this.tell("", false);
      return;
    }
    this.#timer = setTimeout(() => this.#find(question, destiny, start, end, sampleRate), WAIT_MILLISECONDS);
  }

  /** @param {string} question @param {Destiny} destiny @param {number} start @param {number} end @param {number} sampleRate */
  async #find(question, destiny, start, end, sampleRate) {
    const { signal } = this.scope;
    try {
      families ??= packJSON("families").catch((error) => {
        families = null;
        throw error;
      });
      const meant = familiesFor(await /** @type {Promise<Family[]>} */ (families), destiny);
      const plans = await Promise.all(
        meant.map(async ({ id, display_name }) => {
          const query = { family: id, start, end, sample_rate: sampleRate, ...destiny.settings };
          const plan = await packJSON("plan", query, signal);
          return { name: display_name, ...plan, words: translatedPlan(plan.words, plan.numbers) };
        }),
      );
      if (question !== this.#asked) return;
      // Where several may be meant until a run has told, each is named that plans otherwise.
      const agree = plans.every(({ words }) => words === plans[0].words);
      this.frameRate = plans.length && agree ? plans[0].frame_rate : null;
      this.tell(agree ? (plans[0]?.words ?? "") : plans.map(({ name, words }) => `${name}: ${words}`).join(" · "), false);
    } catch (error) {
      if (signal.aborted || question !== this.#asked) return;
      this.frameRate = null;
      this.tell(error instanceof Error ? error.message : String(error), true);
    }
  }
}
