/**
 * What runs said of nodes, and the workflow that each run was queued from: its words belong there, whichever workflow is
 * open when they come. No DOM.
 * @typedef {{output?: any, failed?: string}} Said a node's `ui`, or a sentence on how the run ended at this node
 */

const MOST_RUNS = 50;

export class Runs {
  /** By the id of the prompt, the latest last. @type {Map<string, {workflow: any, said: Map<string, Said>}>} */
  #runs = new Map();

  /** A run was queued from a workflow. @param {string} prompt its id @param {any} workflow */
  queued(prompt, workflow) {
    this.#run(prompt).workflow = workflow;
  }

  /**
   * A run said something of a node.
   * @param {string} prompt the run's id @param {string} node its id, with those of subgraphs before it: "4:10"
   * @param {Said} said @param {any} workflow the one that is open, for a run that was queued before the page was loaded
   */
  say(prompt, node, said, workflow) {
    const run = this.#run(prompt);
    run.workflow ??= workflow;
    run.said.set(node, said);
  }

  /**
   * The last that was said of a node of a workflow, or null.
   * @param {any} workflow @param {(node: string) => boolean} isIt whether that is the node's id
   * @param {(said: Said) => boolean} [counts]
   * @returns {Said | null}
   */
  latest(workflow, isIt, counts = () => true) {
    for (const run of [...this.#runs.values()].reverse()) {
      if (!workflow || run.workflow !== workflow) continue;
      for (const [node, said] of run.said) if (counts(said) && isIt(node)) return said;
    }
    return null;
  }

  /** @param {string} prompt */
  #run(prompt) {
    let run = this.#runs.get(prompt);
    if (!run) {
      run = { workflow: null, said: new Map() };
      this.#runs.set(prompt, run);
      const [oldest] = this.#runs.keys();
      if (this.#runs.size > MOST_RUNS) this.#runs.delete(oldest);
    }
    return run;
  }
}
