// Reads and changes the texts of a JSON file as the page does, for tests/unit/test_prompt_timeline_page.py to compare.
import { readFileSync } from "node:fs";
import { plain, readTimeline, roomAt, withPromptAt, withTimeOf, withWordsOf, withoutPrompt } from "../../web/lib/prompts.js";

const read = (text) => {
  const { entries, error } = readTimeline(text);
  return { entries: entries.map(({ time, prompt }) => [plain(time), prompt]), error };
};

/** Each change that a person can make by a gesture: the new text, and what it has to be read as. */
function* changes(text) {
  const { entries } = readTimeline(text);
  const wanted = entries.map(({ time, prompt }) => [plain(time), prompt]);
  if (!entries.length) return;
  const last = entries.length - 1;
  const words = "2 new words, 16:9";
  for (const index of new Set([0, last])) {
    const other = wanted.map(([time, prompt], i) => [time, i === index ? words : prompt]);
    yield ["words", withWordsOf(text, index, words), other];
    const rest = wanted.filter((_, i) => i !== index);
    if (index === 0 && last > 0) rest[0] = [wanted[0][0], rest[0][1]];
    yield ["without", withoutPrompt(text, index), last ? rest : wanted];
  }
  const later = Math.round(entries[last].start * 1000) + 2125;
  const moved = [...wanted.slice(0, last), [String(later / 1000), wanted[last][1]]];
  if (last && later < 1e15) yield ["time", withTimeOf(text, last, later / 1000), moved];
  const room = roomAt(entries, entries[0].start + 0.25, entries[last].start + 3);
  if (room === null || room > 1e9) return;
  const at = String(Math.round(room * 1000) / 1000);
  yield ["added", withPromptAt(text, room, words), [wanted[0], [at, words], ...wanted.slice(1)]];
}

const texts = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(texts.map((text) => ({ ...read(text), changes: [...changes(text)] }))));
