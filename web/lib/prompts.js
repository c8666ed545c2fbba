/**
 * The text of a Prompt Timeline: read by the rule of core/scene/prompts.py, and changed in place. No DOM.
 * tests/unit/test_prompt_timeline_page.py asks both readers the same.
 */

/**
 * @typedef {{units: bigint, digits: number}} Decimal units / 10 ** digits, without rounding
 * @typedef {[number, number]} Stretch of a text, the end excluded
 * @typedef {{time: Decimal, start: number, prompt: string, timeAt: Stretch, promptAt: Stretch, lineAt: number}} Entry
 * start: seconds. lineAt: where its line begins in the text; timeAt and promptAt: where its words are
 * @typedef {{time: Decimal, prompt: string}} Wanted
 */

/** Prompts are kept apart by as much, in seconds. */
export const SHORTEST_PROMPT = 0.1;

// What Python's str.splitlines, str.strip and \s take, which are not quite JavaScript's.
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/gu;
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const WORDS = `${SPACE}+((?!${SPACE}).+)`;
const NUMBER_PART = "\\p{Nd}+(?:\\.\\p{Nd}+)?";
const WITH_COLONS = new RegExp(`^(?:(\\p{Nd}+):)?(\\p{Nd}{1,2}):(${NUMBER_PART})${WORDS}$`, "su");
const WITH_UNIT = new RegExp(`^(${NUMBER_PART})${SPACE}*s${WORDS}$`, "siu");
const NUMBER = new RegExp(`^(${NUMBER_PART})${WORDS}$`, "su");
const COUNT = /^[1-9]\p{Nd}*$/u;
const EDGES = new RegExp(`^${SPACE}+|${SPACE}+$`, "gu");

const MOST_DIGITS = 100;
const LARGEST = 10n ** 15n;

/**
 * A text's prompts in the order of their times; or, where Python refuses it, a sentence.
 * @param {string} text @returns {{entries: Entry[], error: string}}
 */
export function readTimeline(text) {
  try {
    return { entries: entriesOf(text), error: "" };
  } catch (error) {
    return { entries: [], error: error instanceof Error ? error.message : String(error) };
  }
}

/** @param {string} text @returns {Entry[]} */
function entriesOf(text) {
  const broken = [...text].findIndex((letter) => /^\p{Surrogate}$/u.test(letter));
  if (broken >= 0) {
    const code = [...text][broken].charCodeAt(0).toString(16).toUpperCase();
    throw new Error(
      `the text holds a broken character (half of one, U+${code}, at letter ${broken + 1}): delete it and type it again.`,
    );
  }
  /** @type {Entry[]} */
  const entries = [];
  let numbersAreTimes = false;
  for (const { line, from, lineAt } of linesOf(text)) {
    let found = withTime(line);
    const number = NUMBER.exec(line);
    if (number) {
      const time = decimalOf(number[1]);
      const before = entries.at(-1);
      if (!before) numbersAreTimes = true;
      const isTime = numbersAreTimes && before && compared(time, before.time) >= 0;
      if (!COUNT.test(number[1]) || !before || isTime) found = { time, prompt: number[2] };
    }
    const before = entries.at(-1);
    const end = from + line.length;
    if (found) {
      const { time, prompt } = found;
      const at = end - prompt.length;
      const written = line.slice(0, line.length - prompt.length).replace(EDGES, "");
      entries.push({
        time,
        start: secondsOf(time),
        prompt,
        timeAt: [from, from + written.length],
        promptAt: [at, end],
        lineAt,
      });
    } else if (before) {
      before.prompt = `${before.prompt} ${line}`;
      before.promptAt[1] = end;
    } else throw new Error(`the first line needs a time, such as 0:00 ${line}`);
  }
  if (!entries.length) throw new Error("there is no prompt. Write one a line, such as 0:00 a singer on an empty stage");
  entries.sort((one, other) => compared(one.time, other.time));
  const twice = entries.find((entry, index) => index > 0 && !compared(entries[index - 1].time, entry.time));
  if (twice) throw new Error(`two prompts begin at ${twice.start.toFixed(2)} s: give each its own time.`);
  return entries;
}

/** Lines that hold more than white space, without that around them. @param {string} text */
function* linesOf(text) {
  let lineAt = 0;
  for (const { index, 0: end } of [...text.matchAll(LINE_END), { index: text.length, 0: "" }]) {
    const whole = text.slice(lineAt, index);
    const line = whole.replace(EDGES, "");
    if (line) yield { line, from: lineAt + whole.indexOf(line), lineAt };
    lineAt = /** @type {number} */ (index) + end.length;
  }
}

/** The time and the prompt of a line whose time has colons or the unit s. @param {string} line @returns {Wanted | null} */
function withTime(line) {
  const colons = WITH_COLONS.exec(line);
  if (colons) {
    const [hours, minutes, seconds] = [colons[1] ?? "0", colons[2], colons[3]].map(decimalOf);
    const whole = (hours.units * 3600n + minutes.units * 60n) * 10n ** BigInt(seconds.digits);
    return { time: reduced({ units: whole + seconds.units, digits: seconds.digits }), prompt: colons[4] };
  }
  const unit = WITH_UNIT.exec(line);
  return unit && { time: decimalOf(unit[1]), prompt: unit[2] };
}

/** @param {string} written digits of any script, with a point or without @returns {Decimal} */
function decimalOf(written) {
  const letters = [...written];
  if (letters.length <= MOST_DIGITS) {
    const [whole, fraction = ""] = letters.map((letter) => (letter === "." ? "." : digitOf(letter))).join("").split(".");
    const number = { units: BigInt(whole + fraction), digits: fraction.length };
    if (number.units <= LARGEST * 10n ** BigInt(number.digits)) return reduced(number);
  }
  const shown = letters.length > 18 ? `'${written.slice(0, 19)}…` : `'${written}'`;
  throw new Error(`the time of a prompt is ${shown}: give a finite number of ordinary size, such as 12.5.`);
}

/** Digits of a script stand one after the other from its zero on. @param {string} letter */
function digitOf(letter) {
  const code = /** @type {number} */ (letter.codePointAt(0));
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return String(before % 10);
}

/** @param {Decimal} number @returns {Decimal} */
function reduced({ units, digits }) {
  while (digits && units % 10n === 0n) {
    units /= 10n;
    digits--;
  }
  return { units, digits };
}

/** Below, at or above 0, as one is before, at or after the other. @param {Decimal} one @param {Decimal} other */
function compared(one, other) {
  const difference = one.units * 10n ** BigInt(other.digits) - other.units * 10n ** BigInt(one.digits);
  return difference < 0n ? -1 : Number(difference > 0n);
}

/** @param {Decimal} time */
function secondsOf(time) {
  return Number(plain(time));
}

/** `12.5`: as an address carries it. @param {Decimal} time */
export function plain({ units, digits }) {
  const written = String(units).padStart(digits + 1, "0");
  return digits ? `${written.slice(0, -digits)}.${written.slice(-digits)}` : written;
}

/** To the millisecond. @param {number} seconds @returns {Decimal} */
function decimalFrom(seconds) {
  return reduced({ units: BigInt(Math.max(0, Math.round(seconds * 1000))), digits: 3 });
}

/** `0:42`, `1:02:03.5`: nothing is rounded. @param {Decimal} time */
function written({ units, digits }) {
  const unit = 10n ** BigInt(digits);
  const [whole, rest] = [units / unit, units % unit];
  const [hours, minutes, seconds] = [whole / 3600n, (whole / 60n) % 60n, whole % 60n].map(String);
  const fraction = digits ? `.${String(rest).padStart(digits, "0")}` : "";
  const end = `${seconds.padStart(2, "0")}${fraction}`;
  return hours === "0" ? `${minutes}:${end}` : `${hours}:${minutes.padStart(2, "0")}:${end}`;
}

/** A time as it is written before a prompt, to the millisecond. @param {number} seconds */
export function timeWords(seconds) {
  return written(decimalFrom(seconds));
}

/** @param {Wanted[]} some @param {Wanted[]} others */
function areSame(some, others) {
  return (
    some.length === others.length &&
    some.every(({ time, prompt }, index) => prompt === others[index].prompt && !compared(time, others[index].time))
  );
}

/**
 * A text that is read as `wanted`: the old one with a few letters replaced, or, where that reads otherwise, one prompt a line.
 * @param {string} text @param {[Stretch, string][]} pieces what is replaced, in any order @param {Wanted[]} wanted in order
 */
function rewritten(text, pieces, wanted) {
  let spliced = text;
  for (const [[from, to], words] of pieces.sort(([one], [other]) => other[0] - one[0]))
    spliced = spliced.slice(0, from) + words + spliced.slice(to);
  if (areSame(readTimeline(spliced).entries, wanted)) return spliced;
  return wanted.map(({ time, prompt }) => `${written(time)} ${prompt}`).join("\n");
}

/** Words as one line, as a prompt is. @param {string} words */
function oneLine(words) {
  return words
    .split(LINE_END)
    .map((line) => line.replace(EDGES, ""))
    .filter(Boolean)
    .join(" ");
}

/** Another time for a prompt. @param {string} text @param {number} index @param {number} seconds */
export function withTimeOf(text, index, seconds) {
  const { entries } = readTimeline(text);
  const time = decimalFrom(seconds);
  const wanted = entries.map((entry, i) => (i === index ? { ...entry, time } : entry));
  return rewritten(text, [[entries[index].timeAt, written(time)]], wanted);
}

/** Other words for a prompt; the text as it was where there are none. @param {string} text @param {number} index @param {string} words */
export function withWordsOf(text, index, words) {
  const { entries } = readTimeline(text);
  const prompt = oneLine(words);
  if (!prompt || prompt === entries[index].prompt) return text;
  const wanted = entries.map((entry, i) => (i === index ? { ...entry, prompt } : entry));
  return rewritten(text, [[entries[index].promptAt, prompt]], wanted);
}

/** One more prompt, on a line behind that of the one that holds at its time. @param {string} text @param {number} seconds @param {string} words */
export function withPromptAt(text, seconds, words) {
  const { entries } = readTimeline(text);
  const added = { time: decimalFrom(seconds), prompt: oneLine(words) };
  const line = `${written(added.time)} ${added.prompt}`;
  if (!entries.length) return line;
  const behind = Math.max(0, indexAt(entries, seconds));
  const end = entries[behind].promptAt[1];
  const wanted = [...entries.slice(0, behind + 1), added, ...entries.slice(behind + 1)];
  return rewritten(text, [[[end, end], `\n${line}`]], wanted);
}

/** Without a prompt; the one after the first then begins where that did. The last one stays. @param {string} text @param {number} index */
export function withoutPrompt(text, index) {
  const { entries } = readTimeline(text);
  if (entries.length < 2) return text;
  const [gone] = entries.slice(index, index + 1);
  const rest = entries.filter((entry) => entry !== gone);
  /** @type {[Stretch, string][]} */
  const pieces = [[[gone.lineAt, endOfLine(text, gone.promptAt[1])], ""]];
  /** @type {Wanted[]} */
  const wanted = [...rest];
  if (index === 0) {
    wanted[0] = { ...rest[0], time: gone.time };
    pieces.push([rest[0].timeAt, written(gone.time)]);
  }
  const kept = rewritten(text, pieces, wanted);
  return kept.replace(new RegExp(`${SPACE}+$`, "u"), "");
}

/** Where the next line begins. @param {string} text @param {number} from */
function endOfLine(text, from) {
  for (const { index, 0: end } of text.slice(from).matchAll(LINE_END)) return from + index + end.length;
  return text.length;
}

/** The prompt that holds at a time: before the first one's, the first. @param {{start: number}[]} entries @param {number} seconds */
export function indexAt(entries, seconds) {
  let index = 0;
  while (index + 1 < entries.length && entries[index + 1].start <= seconds) index++;
  return entries.length ? index : -1;
}

/**
 * The time for a prompt's border that keeps it between its neighbours.
 * @param {{start: number}[]} entries @param {number} index from 1 @param {number} seconds @param {number} end of what is shown
 */
export function betweenNeighbours(entries, index, seconds, end) {
  const least = entries[index - 1].start + SHORTEST_PROMPT;
  const most = entries[index + 1] ? entries[index + 1].start - SHORTEST_PROMPT : Math.max(end - SHORTEST_PROMPT, least);
  return Math.min(Math.max(seconds, least), Math.max(least, most));
}

/**
 * Where one more prompt has room nearest to a time; null where there is none.
 * @param {{start: number}[]} entries @param {number} seconds @param {number} end of the clip
 */
export function roomAt(entries, seconds, end) {
  const index = indexAt(entries, seconds);
  if (index < 0) return 0;
  const least = entries[index].start + SHORTEST_PROMPT;
  const most = (entries[index + 1]?.start ?? end) - SHORTEST_PROMPT;
  return least <= most ? Math.min(Math.max(seconds, least), most) : null;
}
