/** What the last runs said of the nodes of the workflow that is open. */
import { api, app, onQueued, openWorkflow } from "../host.js";
import { nodeAt } from "../lib/graph.js";
import { Runs } from "../lib/runs.js";
import { stir } from "./ticker.js";

const runs = new Runs();

/** Words for a run that ended at a node. */
const ENDINGS = {
  execution_error: "The last run ended with an error.",
  execution_interrupted: "The last run was stopped.",
};

/** Listen to runs, once. */
export function followRuns() {
  onQueued((prompt, workflow) => {
    runs.queued(prompt, workflow);
    stir();
  });
  const events = /** @type {EventTarget} */ (/** @type {unknown} */ (api));
  const listen = (/** @type {string} */ type, /** @type {(about: any) => import("../lib/runs.js").Said | null} */ read) =>
    events.addEventListener(type, (event) => {
      const about = /** @type {CustomEvent} */ (event).detail ?? {};
      const node = about.display_node ?? about.node ?? about.node_id;
      const said = read(about);
      if (!said || node === undefined || node === null) return;
      runs.say(String(about.prompt_id), String(node), said, openWorkflow());
      stir();
    });
  listen("executed", ({ output }) =>
    Object.keys(output ?? {}).some((key) => key.startsWith("sound_to_video_") || key === "animated") ? { output } : null,
  );
  for (const [type, failed] of Object.entries(ENDINGS)) listen(type, () => ({ failed }));
}

/**
 * The last that a run said of a node, or null.
 * @param {any} node @param {(said: import("../lib/runs.js").Said) => boolean} [counts]
 */
export function lastSaid(node, counts) {
  const root = /** @type {any} */ (app).rootGraph ?? app.graph?.rootGraph ?? app.graph;
  return runs.latest(openWorkflow(), (id) => nodeAt(root, id) === node, counts);
}
