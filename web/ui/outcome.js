/** What the chosen sound will become, in the planner's own words: "8.00 s → 128 frames at 16 fps, 2 segments"; and where its segments begin. */
import { packJSON } from "../host.js";
import { familiesFor } from "../lib/families.js";
import { translatedPlan } from "../lib/words.js";

/** @typedef {import("./follow.js").Destiny} Destiny */
/** @typedef {import("../lib/families.js").Family} Family */
/** @typedef {{words: string, frame_rate: number, frame_count: number, starts: number[], cuts: number[]}} Plan starts: of segments, cuts: those of them that start afresh, in seconds of the clip */

const WAIT_MILLISECONDS = 60;

/** @type {Promise<Family[]> | null} */
let asked = null;

/** The families, asked for once. @returns {Promise<Family[]>} */
export function families() {
  asked ??= packJSON("families").catch((error) => {
    asked = null;
    throw error;
  });
  return /** @type {Promise<Family[]>} */ (asked);
}

export class Outcome {
  /** @param {import("../lib/scope.js").Scope} scope @param {(words: string, isError: boolean) => void} tell */
  constructor(scope, tell) {
    this.tell = tell;
    this.scope = scope;
    /** The plan; null where no sampler is connected, or where it is not known which model will listen. @type {Plan | null} */
    this.plan = null;
    scope.onEnd(() => clearTimeout(this.#timer));
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asked = "";
  /** @type {{destiny: Destiny, range: Record<string, number>} | null} */
  #last = null;

  /** Frames a second of the clip to be; null where the plan is. */
  get frameRate() {
    return this.plan?.frame_rate ?? null;
  }

  /**
   * Say what will become of `start`..`end` (seconds); answered a moment later, and only for the last question.
   * @param {Destiny | null} destiny @param {number} start @param {number} end @param {number} sampleRate Hz
   */
  ask(destiny, start, end, sampleRate) {
    const question = destiny && sampleRate ? JSON.stringify([destiny, start, end, sampleRate]) : "";
    if (question === this.#asked) return;
    this.#asked = question;
    clearTimeout(this.#timer);
    this.#last = destiny && question ? { destiny, range: { start, end, sample_rate: sampleRate } } : null;
    if (!this.#last || destiny?.problem) {
      this.plan = null;
      this.tell(destiny?.problem ?? "", Boolean(destiny?.problem));
      return;
    }
    this.#timer = setTimeout(() => this.#find(question), WAIT_MILLISECONDS);
  }

  /** @param {string} question */
  async #find(question) {
    const { signal } = this.scope;
    try {
      const plans = await this.#plans({});
      if (question !== this.#asked) return;
      // Where several may be meant until a run has told, each is named that plans otherwise.
      const agree = areSame(plans);
      this.plan = agree ? (plans[0] ?? null) : null;
      this.tell(agree ? (plans[0]?.words ?? "") : plans.map(({ name, words }) => `${name}: ${words}`).join(" · "), false);
    } catch (error) {
      if (signal.aborted || question !== this.#asked) return;
      this.plan = null;
      this.tell(error instanceof Error ? error.message : String(error), true);
    }
  }

  /**
   * Where segments would begin if the prompts had other times.
   * @param {string} times in seconds of the clip, with commas between @returns {Promise<number[]>} none where that is not known
   */
  async startsWith(times) {
    const isCut = Boolean(this.#last?.destiny.settings.cuts);
    const plans = await this.#plans(isCut ? { cuts: times } : { prompts: times }).catch(() => []);
    return (areSame(plans) && plans[0]?.starts) || [];
  }

  /** The plan of each family that may be meant. @param {Record<string, string>} changed @returns {Promise<(Plan & {name: string})[]>} */
  async #plans(changed) {
    if (!this.#last) return [];
    const { destiny, range } = this.#last;
    const meant = familiesFor(await families(), destiny);
    return Promise.all(
      meant.map(async ({ id, display_name }) => {
        const query = { family: id, ...range, ...destiny.settings, ...changed };
        const plan = await packJSON("plan", query, this.scope.signal);
        return { name: display_name, ...plan, words: translatedPlan(plan.words, plan.numbers) };
      }),
    );
  }
}

/** @param {Plan[]} plans */
function areSame(plans) {
  return plans.every(({ words }) => words === plans[0].words);
}
