/**
 * Steps of undo in the front end's change tracker. No DOM.
 * A tracker holds the state of the graph as it last saw it (`activeState`); what differs from it when it looks again
 * becomes a step. Newer front ends also look 50 ms after each step, and take what they then see into that step.
 * @typedef {{activeState: any, undoQueue?: any[]}} Tracker
 */

/** A change that goes on: what is done until it ends is one step of undo, whatever the tracker looks at in between. */
export class Change {
  /** @param {Tracker | null | undefined} tracker */
  constructor(tracker) {
    this.tracker = tracker;
    this.state = tracker?.activeState;
    this.step = tracker?.undoQueue?.at(-1);
  }

  /** Let the tracker see the whole change: what it has taken of it into the step before is taken back. @param {Tracker | null | undefined} tracker */
  end(tracker) {
    if (!tracker || tracker !== this.tracker || !this.state) return;
    const isSameStep = tracker.undoQueue?.at(-1) === this.step;
    if (isSameStep && tracker.activeState !== this.state) tracker.activeState = this.state;
  }
}

/**
 * A state in which one node is another.
 * @param {any} state of the whole graph @param {any} graphId @param {any} nodeId
 * @param {(node: any) => any} changed gives the new node for the one that is saved
 * @returns {any} the same state where it has no such node
 */
export function withNode(state, graphId, nodeId, changed) {
  const inGraph = (/** @type {any} */ graph) => {
    const nodes = graph.nodes ?? [];
    if (!nodes.some((/** @type {any} */ node) => String(node.id) === String(nodeId))) return graph;
    return {
      ...graph,
      nodes: nodes.map((/** @type {any} */ node) => (String(node.id) === String(nodeId) ? changed(node) : node)),
    };
  };
  const subgraphs = state?.definitions?.subgraphs ?? [];
  if (!subgraphs.some((/** @type {any} */ one) => one.id === graphId)) return state && inGraph(state);
  const inner = subgraphs.map((/** @type {any} */ one) => (one.id === graphId ? inGraph(one) : one));
  return { ...state, definitions: { ...state.definitions, subgraphs: inner } };
}
